"""Whether a placement keeps every rule of a question, in exact whole numbers.

The judge over solvers and over plans that people edited: it shares no code with the model that is
solved. The words for what it finds are chosen in `check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Placement, Question


class Rule(StrEnum):
    """The rules of a placement."""

    LIMIT = "limit"
    ONE_SERVER = "one-server"
    TOGETHER = "together"
    CONFLICT = "conflict"
    MUST = "must"
    ARCHITECTURE = "architecture"
    NEEDLESS = "needless"


@dataclass(frozen=True)
class Violation:
    """One broken rule. `scope` is a server's name or "pemda"; amounts are in the limit's units.

    For TOGETHER `other` is what lacks: an app, or the names of which one would do, with commas.
    """

    rule: Rule
    app: str = ""
    other: str = ""
    scope: str = ""
    limit: str = ""
    used: int = 0
    available: int = 0


PEMDA = "pemda"


def on_server(placement: Placement, server: str) -> tuple[str, ...]:
    """The apps that `placement` puts on `server`, sorted."""
    return tuple(sorted(n for n, servers in placement.items() if server in servers))


def violations(question: Question, placement: Placement) -> tuple[Violation, ...]:
    """Every rule of `question` that `placement` breaks; empty where it is allowed.

    All names must be candidates and servers of the question.
    """
    return (*_over_limits(question, placement), *_broken_rules(question, placement))


def _over_limits(question: Question, placement: Placement) -> list[Violation]:
    loads = [
        (server, question.load(on_server(placement, server)), supply)
        for server, supply in question.supply.items()
    ]
    loads.append((PEMDA, question.shared_load(placement), question.shared))
    return [
        Violation(Rule.LIMIT, scope=scope, limit=limit, used=load[limit], available=available)
        for scope, load, supply in loads
        for limit, available in supply.items()
        if load[limit] > available
    ]


def _broken_rules(question: Question, placement: Placement) -> list[Violation]:
    found = [
        Violation(Rule.CONFLICT, app=a, other=b)
        for a, b in question.conflicts
        if a in placement and b in placement
    ]
    found += [Violation(Rule.MUST, app=m) for m in question.musts if m not in placement]
    for name, servers in sorted(placement.items()):
        candidate = question.candidates[name]
        if not candidate.platform and len(servers) != 1:
            found.append(Violation(Rule.ONE_SERVER, app=name))
        found += [
            Violation(Rule.TOGETHER, app=name, other=other, scope=server)
            for server in servers
            for other in candidate.requires
            if server not in placement.get(other, ())
        ]
        found += [
            Violation(Rule.TOGETHER, app=name, other=", ".join(choices), scope=server)
            for server in servers
            for choices in candidate.one_of
            if not any(server in placement.get(other, ()) for other in choices)
        ]
        found += [
            Violation(Rule.ARCHITECTURE, app=name, scope=server)
            for server in servers
            if not candidate.runs_on(server)
        ]
        if candidate.platform:
            found += _needless(question, placement, name)
    return found


def _needless(question: Question, placement: Placement, platform: str) -> list[Violation]:
    """Servers where `platform` runs though nothing there requires it.

    A must-have platform app that nothing chosen requires may stand on one server so.
    """
    idle = idle_servers(question, placement, platform)
    allowed = int(platform in standing_platforms(question, placement))
    return [Violation(Rule.NEEDLESS, app=platform, scope=server) for server in idle[allowed:]]


def idle_servers(question: Question, placement: Placement, platform: str) -> tuple[str, ...]:
    """The servers where `platform` runs beside nothing that uses it."""
    needed = {s for n in question.users(platform) for s in placement.get(n, ())}
    return tuple(s for s in placement[platform] if s not in needed)


def standing_platforms(question: Question, placement: Placement) -> tuple[str, ...]:
    """The must-have platform apps in `placement` that no chosen app requires."""
    return tuple(
        name
        for name in question.anchors
        if name in placement and not any(n in placement for n in question.requirers(name))
    )


def usage(question: Question, placement: Placement) -> list[tuple[str, str, int, int]]:
    """(scope, limit, used, available) of every limit of every server and of the pemda."""
    lines: list[tuple[str, str, int, int]] = []
    for server, supply in question.supply.items():
        names = on_server(placement, server)
        load = question.load(names)
        running = sum(question.candidates[n].needs[limits.MEMORY] for n in names)
        lines.append((server, limits.MEMORY, running, supply[limits.MEMORY]))
        lines.append((server, limits.INSTALLING, load[limits.MEMORY], supply[limits.MEMORY]))
        lines += [(server, x, load[x], supply[x]) for x in (limits.CPUS, limits.DISK)]
    load = question.shared_load(placement)
    lines += [(PEMDA, limit, load[limit], question.shared[limit]) for limit in question.shared]
    return lines
