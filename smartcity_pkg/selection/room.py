"""What room an app lacks beside a placement in which nothing moves.

Exact arithmetic, no solver: quick enough for a catalogue of any size. The least room when the
others may move is found in `shortage`; what it costs, in `purchase`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from smartcity_pkg.selection import displace
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.shortage import Shortage, relative_weights
from smartcity_pkg.selection.verify import Rule, Violation, violations


@dataclass(frozen=True)
class Way:
    """`app` on `server`: the limits that lack, and the rules against it that no purchase mends."""

    app: str
    server: str
    lacking: tuple[Shortage, ...]
    against: tuple[Violation, ...] = ()


def ways(question: Question, placement: Placement, app: str) -> tuple[Way, ...]:
    """The cheapest way onto each server that could take `app`, in the profile's order.

    A server is no way where the app requires another that stands elsewhere. The amounts are
    exact: with them the app fits, with one unit less of any of them it does not, as long as
    nothing moves.
    """
    found = []
    for server in question.servers:
        step = displace.Displacement(app, server, (), 0)
        here = [
            _way(narrowed, later, step)
            for narrowed in _with_each_choice(question, placement, app)
            if (later := displace.after(narrowed, placement, step)) is not None
        ]
        if here:
            found.append(cheapest(question, here) or here[0])
    return tuple(found)


def _way(question: Question, later: Placement, step: displace.Displacement) -> Way:
    broken = violations(question, later)
    lacking = tuple(
        Shortage(v.scope, v.limit, v.used, v.available) for v in broken if v.rule is Rule.LIMIT
    )
    return Way(step.app, step.server, lacking, tuple(v for v in broken if v.rule is not Rule.LIMIT))


def _with_each_choice(question: Question, placement: Placement, app: str) -> Iterator[Question]:
    """The question once for each way to choose among the alternatives that come with `app`."""
    new = [n for n in question.reach([app]) if n not in placement]
    open_choices = [n for n in new if question.candidates[n].one_of]
    for picked in product(*(product(*question.candidates[n].one_of) for n in open_choices)):
        settled = {
            n: replace(question.candidates[n], one_of=tuple((choice,) for choice in choices))
            for n, choices in zip(open_choices, picked, strict=True)
        }
        yield replace(question, candidates={**question.candidates, **settled})


def cheapest(question: Question, found: Iterable[Way]) -> Way | None:
    """The way that lacks the fewest limits, then the least relative to what all apps take.

    The profile's earlier server if equal; None where rules are against every way.
    """
    weights = relative_weights(question)
    possible = [way for way in found if not way.against]
    return min(possible, key=lambda way: _size(way.lacking, weights), default=None)


def _size(lacking: tuple[Shortage, ...], weights: Mapping[str, int]) -> tuple[int, int]:
    return len(lacking), sum(weights[s.limit] * s.missing for s in lacking)
