"""What solving gives: a placement that keeps every rule, and what is proven of it."""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.verify import on_server, violations


@dataclass(frozen=True)
class Solution:
    """A placement that keeps every rule, checked in whole numbers.

    `bound` is proven: no plan brings more benefit. `settled` says that every aim was proven.
    """

    placement: Placement
    benefit: int
    bound: int
    changes: int
    servers: int
    instances: int
    settled: bool

    @property
    def proven(self) -> bool:
        """Whether it is proven that no plan brings more benefit."""
        return self.benefit == self.bound

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """The aims' values but for names; the smaller, the better."""
        return (-self.benefit, self.changes, self.servers, self.instances)


class UndecidedError(SmartCityError):
    """The time was over before any allowed placement was found."""

    code = "undecided"


def solution_of(question: Question, placement: Placement, *, bound: int, settled: bool) -> Solution:
    """The values of `placement` in the aims."""
    return Solution(
        placement=placement,
        benefit=sum(question.candidates[n].benefit for n in placement),
        bound=bound,
        changes=sum((s,) != placement.get(n) for n, s in question.running.items()),
        servers=sum(bool(on_server(placement, s)) for s in question.servers),
        instances=sum(len(servers) for servers in placement.values()),
        settled=settled,
    )


def nothing(question: Question, seconds: float) -> Placement:
    """The empty placement, where the time was over; allowed if the pemda insists on no app.

    Raises UndecidedError where it is not allowed.
    """
    if violations(question, {}):
        raise UndecidedError(
            _("no plan was found within {seconds} seconds, nor a proof that there is none").format(
                seconds=f"{seconds:g}"
            ),
            _("give it more time, or fewer must-have apps"),
        )
    return {}
