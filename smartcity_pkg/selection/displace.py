"""Whose place an app could take in a plan while all others stay where they stand.

Plain arithmetic, no solver: quick enough for a catalogue of any size. What it means is for
`explain`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.verify import on_server, standing_platforms, violations


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
    standing = {n: placement[n][0] for n in standing_platforms(question, placement)}
    for name, server in (*spots.items(), *standing.items()):
        for member in question.family(name):
            placed.setdefault(member, set()).add(server)
    return {
        name: tuple(s for s in question.servers if s in servers)
        for name, servers in sorted(placed.items())
    }


def _fits(question: Question, placement: Placement, way: Displacement) -> bool:
    later = after(question, placement, way)
    return later is not None and not violations(question, later)


def _with_dependents(question: Question, placement: Placement, name: str) -> tuple[str, ...]:
    """`name` and the chosen apps that require it, which must go with it."""
    return tuple(
        n for n in sorted(placement) if n == name or name in question.candidates[n].requires
    )
