"""How much more it would take: the least shortage with which given apps can run after all.

Its answer is exact in both directions: with these amounts more the apps can run, and with one unit
less of any of them they cannot (the others as stated).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from smartcity_pkg.selection import highs, model
from smartcity_pkg.selection.highs import Effort, Status
from smartcity_pkg.selection.model import Column, Terms
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.verify import PEMDA, Rule, violations


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


@dataclass(frozen=True)
class Gap:
    """What lacks, and the placement that would be possible with it."""

    shortages: tuple[Shortage, ...]
    placement: Placement


def least(question: Question, effort: Effort | None = None) -> tuple[Shortage, ...] | None:
    """The shortages of `gap`; empty where the apps fit, None where the time ran out."""
    found = gap(question, effort)
    return None if found is None else found.shortages


def gap(
    question: Question,
    effort: Effort | None = None,
    *,
    prices: Mapping[str, int] | None = None,
    pinned: Mapping[str, str] | None = None,
) -> Gap | None:
    """The least shortage of the must-have apps of `question` and of what they require alone.

    None where the time ran out. As few limits as possible lack; among those ways, as little as
    possible relative to what the apps take of each limit in all; among those, as few changes of
    what runs as possible; among those, the profile's earlier servers. With `prices` (of one unit
    of a limit, in any currency) the cheapest comes first: as little as possible of the limits
    without a price, then the least price, then as few limits as possible. Apps in `pinned` stay on
    their server. No two must-have apps may conflict.
    """
    effort = effort or Effort()
    needed = question.only(question.musts)
    linear = model.with_shortage(needed)
    for name, server in (pinned or {}).items():
        linear.fix(("at", name, server), 1)
    lacks = [c for c in linear.bounds if c[0] == "lacks"]
    deadline = time.monotonic() + effort.time_limit_s
    found: Gap | None = None
    for aim in filter(None, _aims(needed, lacks, prices)):
        if found and min(aim.values(), default=0) >= 0 and not _reached(aim, found):
            linear.at_most(aim, 0)  # it cannot be less: no run needed
            continue
        left = replace(effort, time_limit_s=deadline - time.monotonic())
        outcome = highs.minimise(linear, aim, left)
        if outcome.status is not Status.OPTIMAL:
            return None
        placement = model.placement_of(needed, outcome.values)
        found = Gap(_shortages(needed, placement), placement)
        if not found.shortages:
            return found
        linear.at_most(aim, _reached(aim, found))
    return found


def relative_weights(question: Question) -> dict[str, int]:
    """What a unit of each limit weighs: in millionths of what all apps take of the limit."""
    totals: dict[str, int] = dict.fromkeys(
        [*(limit for supply in question.supply.values() for limit in supply), *question.shared], 0
    )
    for candidate in question.candidates.values():
        for limit, amount in candidate.needs.items():
            totals[limit] = totals.get(limit, 0) + amount
    return {limit: max(1, round(1_000_000 / max(1, total))) for limit, total in totals.items()}


def raised(question: Question, extra: Iterable[Shortage]) -> Question:
    """The same question with exactly so much more of each limit."""
    supply = {server: dict(of) for server, of in question.supply.items()}
    shared = dict(question.shared)
    for shortage in extra:
        of = shared if shortage.scope == PEMDA else supply[shortage.scope]
        of[shortage.limit] += shortage.missing
    return replace(question, supply=supply, shared=shared)


def _aims(
    question: Question, lacks: list[Column], prices: Mapping[str, int] | None
) -> Iterator[Terms]:
    """What to make least, the most important first."""
    weights = relative_weights(question)
    extra: dict[Column, Column] = {column: ("extra", *column[1:]) for column in lacks}
    if prices is None:
        yield dict.fromkeys(lacks, 1)
        yield {extra[c]: weights[c[2]] for c in lacks}
    else:
        yield {extra[c]: weights[c[2]] for c in lacks if c[2] not in prices}
        yield {extra[c]: prices[c[2]] for c in lacks if prices.get(c[2])}
        yield dict.fromkeys(lacks, 1)
    yield {column: -n for column, n in model.kept(question).items()}
    for column in reversed(lacks):
        yield {extra[column]: 1}


def _shortages(question: Question, placement: Placement) -> tuple[Shortage, ...]:
    """What `placement` lacks, in whole numbers."""
    return tuple(
        Shortage(v.scope, v.limit, v.used, v.available)
        for v in violations(question, placement)
        if v.rule is Rule.LIMIT
    )


def _reached(aim: Terms, found: Gap) -> int:
    """The exact value of an aim for this gap."""
    return sum(
        aim.get(("extra", s.scope, s.limit), 0) * s.missing
        + aim.get(("lacks", s.scope, s.limit), 0)
        for s in found.shortages
    ) + sum(aim.get(("at", n, s), 0) for n, servers in found.placement.items() for s in servers)
