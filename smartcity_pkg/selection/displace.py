"""Whose place an app could take in a plan while all others stay where they stand.

Plain arithmetic, no solver: quick enough for a catalogue of any size. What it means is for
`explain`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.selection.problem import Candidate, Placement, Question
from smartcity_pkg.selection.verify import (
    idle_servers,
    on_server,
    standing_platforms,
    violations,
)


@dataclass(frozen=True)
class Displacement:
    """`app` fits on `server` once `displaced` are gone: one app, and those that require it."""

    app: str
    server: str
    displaced: tuple[str, ...]
    lost: int


def cheapest(
    question: Question, placement: Placement, app: str, least_loss: int = 0
) -> Displacement | None:
    """The displacement that loses the least benefit, by names and the profile's order if equal.

    Ways that lose less than `least_loss` are not tried: of a plan that is proven best, none of
    them can be. None where no single app's place is enough.
    """
    ways = [
        Displacement(app, server, gone, sum(question.candidates[n].benefit for n in gone))
        for server in question.servers
        for victim in on_server(placement, server)
        if not question.candidates[victim].platform
        for gone in [_with_dependents(question, placement, victim)]
        if app not in gone and not set(gone) & set(question.family(app))
    ]
    order = {server: position for position, server in enumerate(question.servers)}
    for way in sorted(ways, key=lambda w: (w.lost, w.displaced, order[w.server])):
        if way.lost >= least_loss and _fits(question, placement, way):
            return way
    return None


def after(question: Question, placement: Placement, way: Displacement) -> Placement | None:
    """The placement after `way`, or None where the app's requirements stand on other servers."""
    spots = {
        name: servers[0]
        for name, servers in placement.items()
        if not question.candidates[name].platform and name not in way.displaced
    }
    for name in question.family(way.app):
        if (
            not question.candidates[name].platform
            and spots.setdefault(name, way.server) != way.server
        ):
            return None
    placed: dict[str, set[str]] = {}
    for name in standing_platforms(question, placement):
        for server in idle_servers(question, placement, name)[:1]:
            placed.setdefault(name, set()).add(server)
    for name, server in (*spots.items(), *((n, s) for n, at in placed.items() for s in at)):
        for member in question.family(name):
            placed.setdefault(member, set()).add(server)
    _provide(question, placement, placed)
    return {
        name: tuple(s for s in question.servers if s in servers)
        for name, servers in sorted(placed.items())
    }


def _provide(question: Question, before: Placement, placed: dict[str, set[str]]) -> None:
    """Add to `placed`, wherever one of several platform apps is needed and none is there, one.

    The one that was there before is preferred, then the first of the list.
    """
    waiting = sorted((n, s) for n, servers in placed.items() for s in servers)
    while waiting:
        name, server = waiting.pop(0)
        for choices in question.candidates[name].one_of:
            if any(server in placed.get(c, ()) for c in choices):
                continue
            offered = [c for c in choices if question.candidates[c].platform]
            offered.sort(key=lambda c: server not in before.get(c, ()))
            for member in question.family(offered[0]) if offered else ():
                placed.setdefault(member, set()).add(server)
                waiting.append((member, server))


def _fits(question: Question, placement: Placement, way: Displacement) -> bool:
    later = after(question, placement, way)
    return later is not None and not violations(question, later)


def _with_dependents(question: Question, placement: Placement, name: str) -> tuple[str, ...]:
    """`name` and the chosen apps that cannot stay without it, which must go with it."""
    gone = {name}
    while True:
        more = {
            n
            for n in placement
            if n not in gone and _needs_one(question.candidates[n], gone, placement, placement[n])
        }
        if not more:
            return tuple(sorted(gone))
        gone |= more


def _needs_one(
    candidate: Candidate, gone: set[str], placement: Placement, servers: tuple[str, ...]
) -> bool:
    """Whether `candidate` cannot stay on `servers` without the apps `gone`."""
    if gone & set(candidate.requires):
        return True
    return any(
        gone & set(choices)
        and not any(set(servers) <= set(placement.get(c, ())) for c in choices if c not in gone)
        for choices in candidate.one_of
    )
