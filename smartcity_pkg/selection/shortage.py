"""How much more it would take: the least shortage with which given apps can run after all.

Its answer is exact in both directions: with these amounts more the apps can run, and with one unit
less of any of them they cannot (the others as stated).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from smartcity_pkg.selection import highs, model
from smartcity_pkg.selection.highs import Effort, Status
from smartcity_pkg.selection.model import Column, LinearModel, Terms
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.verify import Rule, violations


@dataclass(frozen=True)
class Shortage:
    """One limit that lacks, in its units. `scope` is a server's name or "pemda"."""

    scope: str
    limit: str
    needed: int
    available: int

    @property
    def missing(self) -> int:
        """How much more it takes."""
        return self.needed - self.available


def least(question: Question, effort: Effort | None = None) -> tuple[Shortage, ...] | None:
    """The least shortage of the must-have apps of `question` and of what they require alone.

    Empty where they fit; None where the time ran out. As few limits as possible lack; among those
    ways, as little as possible relative to what the apps take of each limit in all; among those,
    the profile's earlier servers. No two must-have apps may conflict.
    """
    effort = effort or Effort()
    needed = question.only(question.families(question.musts))
    linear = model.with_shortage(needed)
    lacks = [c for c in linear.bounds if c[0] == "lacks"]
    deadline = time.monotonic() + effort.time_limit_s
    aims: list[Terms] = [dict.fromkeys(lacks, 1), _relative(needed, linear)]
    aims += [{("extra", *column[1:]): 1} for column in reversed(lacks)]
    found: tuple[Shortage, ...] = ()
    for number, aim in enumerate(aims):
        if number > 1 and not any(("extra", s.scope, s.limit) in aim for s in found):
            continue
        left = replace(effort, time_limit_s=deadline - time.monotonic())
        outcome = highs.minimise(linear, aim, left)
        if outcome.status is not Status.OPTIMAL:
            return None
        found = _shortages(needed, outcome.values)
        if not found:
            return ()
        linear.at_most(aim, _reached(aim, found))
    return found


def _relative(question: Question, linear: LinearModel) -> Terms:
    """Each limit's extra, in millionths of what all apps of the question take of the limit."""
    totals: dict[str, int] = {}
    for candidate in question.candidates.values():
        for limit, amount in candidate.needs.items():
            totals[limit] = totals.get(limit, 0) + amount
    return {
        column: max(1, round(1_000_000 / max(1, totals.get(column[2], 0))))
        for column in linear.bounds
        if column[0] == "extra"
    }


def _shortages(question: Question, values: Mapping[Column, int]) -> tuple[Shortage, ...]:
    """What the placement of a solution lacks, computed anew in whole numbers."""
    placement = model.placement_of(question, values)
    return tuple(
        Shortage(v.scope, v.limit, v.used, v.available)
        for v in violations(question, placement)
        if v.rule is Rule.LIMIT
    )


def _reached(aim: Terms, found: tuple[Shortage, ...]) -> int:
    """The exact value of an aim for these shortages."""
    return sum(
        aim.get(("extra", s.scope, s.limit), 0) * s.missing
        + aim.get(("lacks", s.scope, s.limit), 0)
        for s in found
    )
