"""What it takes to add wished apps to the plan that a pemda can have now.

Who may be wished for is judged here; what to buy is found in `purchase`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.errors import NothingFitsError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection import purchase, reasons
from smartcity_pkg.selection.choose import solved
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.purchase import Purchase
from smartcity_pkg.selection.solution import Solution


@dataclass(frozen=True)
class Wish:
    """The answer: `wished` (those that the present plan lacks) and what would admit them.

    `cheapest` is None where the profile has no prices. Both purchases buy nothing where the
    present plan holds every wished app.
    """

    wished: tuple[str, ...]
    present: Solution
    smallest: Purchase
    cheapest: Purchase | None


def answer(
    catalogue: Catalogue,
    pemda: Pemda,
    names: Iterable[str],
    *,
    today: date,
    running: Plan | None = None,
    time_limit_s: float = 60,
) -> Wish:
    """The smallest and the cheapest purchase that admits the apps `names` beside the present ones.

    Raises UsageError for an app that the catalogue does not have or that is a platform app;
    NothingFitsError where a rule keeps it out that no purchase mends, or no answer was found in
    time; and as `choose.select` for the present plan.
    """
    apps = [catalogue.app(name) for name in dict.fromkeys(names)]
    for app in apps:
        if app.is_platform:
            raise UsageError(
                _("{app} is a platform app; it comes along with the apps that require it").format(
                    app=app.name
                )
            )
    question, present = solved(
        catalogue, pemda, today=today, running=running, time_limit_s=time_limit_s
    )
    wished = tuple(app.name for app in apps if app.name not in present.placement)
    _refuse(catalogue, pemda, question, present, wished)
    prices = purchase.unit_prices(pemda.prices)
    effort = Effort(time_limit_s=time_limit_s)
    smallest = purchase.smallest(question, present, wished, prices, effort)
    if smallest is None:
        raise NothingFitsError(
            _("what it takes to add {apps} was not found out in time").format(
                apps=", ".join(wished)
            ),
            _("wish for fewer apps at once"),
        )
    cheapest = None
    if pemda.prices.model_dump(exclude_defaults=True):
        cheapest = purchase.cheapest(question, present, wished, prices, effort)
    return Wish(wished, present, smallest, cheapest)


def _refuse(
    catalogue: Catalogue,
    pemda: Pemda,
    question: Question,
    present: Solution,
    wished: tuple[str, ...],
) -> None:
    """Refuse what no purchase mends: barred apps, and conflicts with what is there."""
    refused = [
        _("{app} cannot be had. {reason}").format(
            app=name, reason=reasons.why_barred(question.barred[name], catalogue.apps, pemda)
        )
        for name in wished
        if name in question.barred
    ]
    there = {*present.placement, *question.families(n for n in wished if n not in question.barred)}
    refused += [
        _("{app} and {other} exclude each other.").format(app=one, other=other)
        for one, other in question.conflicts
        if one in there and other in there
    ]
    if refused:
        raise NothingFitsError(
            _("no purchase admits {apps}:").format(apps=", ".join(wished))
            + "".join(f"\n{line}" for line in refused),
            _("wish for other apps, or change in the profile what keeps these out"),
        )
