"""Why each app is left out, as values: what lacks, what it would displace, what would admit it.

Every value is found out by solving again where arithmetic does not settle it. The sentences are
made from these values in `reasons`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum

from smartcity_pkg.selection import displace, room, solve
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.shortage import Shortage, gap, least
from smartcity_pkg.selection.solution import Solution, UndecidedError
from smartcity_pkg.selection.verify import Violation

EXACT_UP_TO = 48
"""Apps times servers up to which the best plan with an app is solved for; a fixed number, not a
time, so that the values are the same on slow machines."""


class Verdict(StrEnum):
    """What keeps an app out of a plan."""

    NO_BENEFIT = "no-benefit"
    NOT_ALONE = "not-alone"
    NOT_BESIDE_MUSTS = "not-beside-musts"
    WORTH_LESS = "worth-less"
    MORE_CHANGES = "more-changes"
    MORE_SERVERS = "more-servers"
    MORE_INSTANCES = "more-instances"
    EQUAL = "equal"
    IN_PLACE_OF = "in-place-of"
    NO_ROOM = "no-room"
    UNPROVEN = "unproven"


@dataclass(frozen=True)
class Explanation:
    """Why a plan leaves `app` out.

    `lacking` are the limits that keep it out even without the apps that may be left out. Where it
    could be had in place of `displaces` (apps, platform apps aside), `loss` is how much less
    benefit the plan would bring; `server` names where, if only one place was looked at. `more` is
    by how much the plan with it is worse in the aim that the verdict names.

    `least_extra` would admit it beside all chosen apps: with exactly these amounts more it fits,
    with one unit less of any of them it does not. In large questions that holds as long as
    nothing moves; in small ones wherever apps stand, and `moving` says that chosen ones have to
    move. It is empty where the app fits as it is, None where capacity alone does not help;
    `against` are the rules that no purchase mends.
    """

    app: str
    verdict: Verdict
    lacking: tuple[Shortage, ...] = ()
    displaces: tuple[str, ...] = ()
    server: str = ""
    loss: int = 0
    more: int = 0
    least_extra: tuple[Shortage, ...] | None = None
    moving: bool = False
    against: tuple[Violation, ...] = ()

    @property
    def binding(self) -> tuple[tuple[str, str], ...]:
        """(scope, limit) of each limit that keeps the app out beside the chosen apps."""
        return tuple((s.scope, s.limit) for s in self.least_extra or self.lacking)


@dataclass(frozen=True)
class _Case:
    """One app left out, and what is known of the plan without it."""

    name: str
    question: Question
    solution: Solution
    effort: Effort
    exact: bool


def explain(
    question: Question, solution: Solution, effort: Effort, exact_up_to: int = EXACT_UP_TO
) -> dict[str, Explanation]:
    """What keeps out each candidate (platform apps aside) that `solution` leaves out.

    In questions larger than `exact_up_to`, the place of which app it could take, and the room
    that it lacks, are found by arithmetic instead of by solving for the best plan with it. All
    that is solved shares the seconds of `effort` fairly; where they do not suffice, less is said.
    """
    exact = len(question.candidates) * len(question.servers) <= exact_up_to
    left = [c.name for c in question.apps if c.name not in solution.placement]
    deadline = time.monotonic() + effort.time_limit_s
    found = {}
    for number, name in enumerate(left):
        share = (deadline - time.monotonic()) / (len(left) - number)
        case = _Case(name, question, solution, replace(effort, time_limit_s=max(0.0, share)), exact)
        found[name] = _with_room(case, _verdict(case))
    return found


def _verdict(case: _Case) -> Explanation:
    if case.question.candidates[case.name].benefit == 0:
        return Explanation(case.name, Verdict.NO_BENEFIT)
    return _lacking(case) or _worth_less(case) or _in_place_of(case) or _unproven(case)


def _with_room(case: _Case, found: Explanation) -> Explanation:
    """`found` with the least extra capacity that would admit the app beside the chosen ones."""
    question, placement = case.question, case.solution.placement
    ways = room.ways(question, placement, case.name)
    way = room.cheapest(question, ways)
    if way is None:
        return replace(found, against=ways[0].against if ways else ())
    if case.exact and len(question.servers) > 1:
        chosen = _chosen(case)
        together = replace(question.insisting([*chosen, case.name]), running=chosen)
        if extra := gap(together, case.effort):
            moving = any(extra.placement[n] != (server,) for n, server in chosen.items())
            return replace(found, least_extra=extra.shortages, moving=moving)
    return replace(found, least_extra=way.lacking)


def _lacking(case: _Case) -> Explanation | None:
    """The explanation where the app cannot run beside the must-have apps."""
    question, name = case.question, case.name
    shortages = least(question.insisting([name]), case.effort)
    if not shortages:
        return None
    alone = question.only(question.family(name)).insisting([name])
    if by_itself := least(alone, case.effort):
        return Explanation(name, Verdict.NOT_ALONE, lacking=by_itself)
    return Explanation(name, Verdict.NOT_BESIDE_MUSTS, lacking=shortages)


def _worth_less(case: _Case) -> Explanation | None:
    """The explanation where the best plan with the app is known."""
    if not case.exact or not case.solution.proven:
        return None
    chosen = _chosen(case)
    near = replace(case.question.insisting([case.name]), running=chosen)
    forced = _best(near, case.effort)
    if not forced or not forced.settled:
        return None
    if forced.benefit == case.solution.benefit:
        return _no_better(case)
    return Explanation(
        case.name,
        Verdict.WORTH_LESS,
        displaces=tuple(n for n in chosen if n not in forced.placement),
        loss=case.solution.benefit - forced.benefit,
    )


def _no_better(case: _Case) -> Explanation | None:
    """The explanation where a plan with the app brings as much benefit; None if time ran out."""
    other = _best(case.question.insisting([case.name]), case.effort)
    solution = case.solution
    if not other or not other.settled or not solution.settled:
        return None
    for verdict, more in (
        (Verdict.MORE_CHANGES, other.changes - solution.changes),
        (Verdict.MORE_SERVERS, other.servers - solution.servers),
        (Verdict.MORE_INSTANCES, other.instances - solution.instances),
    ):
        if more:
            return Explanation(case.name, verdict, more=more)
    return Explanation(case.name, Verdict.EQUAL)


def _in_place_of(case: _Case) -> Explanation | None:
    """The explanation where the app could take one chosen app's place."""
    question, placement = case.question, case.solution.placement
    own = question.candidates[case.name].benefit
    if not case.solution.proven:
        return None
    way = displace.cheapest(question, placement, case.name, least_loss=own)
    if way is None:
        return None
    return Explanation(
        case.name,
        Verdict.IN_PLACE_OF,
        displaces=way.displaced,
        server=way.server,
        loss=way.lost - own,
    )


def _unproven(case: _Case) -> Explanation:
    """What is true without solving again."""
    proven = case.solution.proven
    return Explanation(case.name, Verdict.NO_ROOM if proven else Verdict.UNPROVEN)


def _chosen(case: _Case) -> dict[str, str]:
    """The server of each chosen app, platform apps aside."""
    placement = case.solution.placement
    return {c.name: placement[c.name][0] for c in case.question.apps if c.name in placement}


def _best(question: Question, effort: Effort) -> Solution | None:
    try:
        return solve.best(question, effort)
    except UndecidedError:
        return None
