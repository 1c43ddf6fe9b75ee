"""A question's relaxation: apps may be split over servers, switches are whole.

Branching on which app stands where moves no bound, because servers are alike; branching on the
switches (which platform apps a server has, which install peak it leaves room for) does. So only
those are whole-number columns here, and their cost is linked to all that uses them at once: what
the users of a switch take of a limit is at most what the server has left with the switch (or all
that they need, if that is less), times the switch. (The aggregated linking of capacitated facility
location, Cornuéjols et al. 1991.)

Columns, besides those of `model` with the same names:

    ("at", app, server)        the part of the app on the server, 0 to 1
    ("peak", level, server)    the server leaves room for install peaks of the level (a number)
    ("used", server)           only where the number of servers is limited
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from smartcity_pkg.selection.highs import Vertex
from smartcity_pkg.selection.model import Column, LinearModel, Row
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.table import LIMITS, Array, Table


@dataclass(frozen=True)
class Priced:
    """Row `row` limits what `users` (a mask over the apps) take of one limit of one server.

    `switches` are the columns of which one must be on for them; empty where the row is of all apps.
    """

    row: int
    server: int
    limit: int
    users: Array
    switches: tuple[Column, ...]


@dataclass(frozen=True)
class Aim:
    """What is to be minimised, and what must not be given up for it.

    Without `benefit`, as much benefit as possible. With it, at least so much, and as many apps as
    possible stay on the server where they run; `stay` and `servers` are at least so many of
    them, and at most so many servers in use.
    """

    benefit: int | None = None
    stay: int = 0
    servers: int | None = None


@dataclass
class Relaxation:
    """The model, what to minimise, its switches, and the rows that say what a limit is worth."""

    table: Table
    aim: Aim
    model: LinearModel
    objective: dict[Column, int]
    switches: tuple[Column, ...]
    layers: tuple[Column, ...]
    priced: list[Priced] = field(default_factory=list)


def relax(table: Table, aim: Aim, *, layered: bool) -> Relaxation:
    """The relaxation of a question under an aim; layers take disk in it only where `layered`."""
    model = LinearModel()
    switches, layers = _columns(table, model, limited=aim.servers is not None, layered=layered)
    relaxation = Relaxation(table, aim, model, objective_of(table, aim), switches, layers)
    _apps_rows(table, model)
    _switch_rows(table, model)
    choosers = list(_choosers(table))
    for number, server in enumerate(table.servers):
        for limit in range(len(LIMITS)):
            _limit_rows(relaxation, choosers, number, limit)
        if aim.servers is not None:
            _used_rows(table, model, number, server)
    if aim.servers is not None:
        model.at_most({("used", s): 1 for s in table.servers}, aim.servers)
    _shared_rows(table, model)
    hold(table, aim, model)
    return relaxation


def objective_of(table: Table, aim: Aim) -> dict[Column, int]:
    """What to minimise: minus the benefit, or minus the number of apps that stay."""
    return _benefit(table) if aim.benefit is None else _staying(table)


def hold(table: Table, aim: Aim, model: LinearModel) -> None:
    """Add the rows by which nothing of earlier aims is given up."""
    if aim.benefit is not None:
        model.at_most(_benefit(table), -aim.benefit)
    if aim.stay:
        model.at_most(_staying(table), -aim.stay)


def _benefit(table: Table) -> dict[Column, int]:
    pairs = zip(table.names, table.benefit, strict=True)
    return {("chosen", n): -int(b) for n, b in pairs if b}


def _staying(table: Table) -> dict[Column, int]:
    return {
        ("at", table.names[i], table.servers[table.home[i]]): -1
        for i in np.flatnonzero(table.home >= 0)
        if table.fits[i, table.home[i]]
    }


def setup_of(table: Table, on: dict[Column, bool]) -> Setup:
    """The setup that switches (platform apps and peak levels) say."""
    platforms = [[on.get(("at", p, s), True) for p in table.platforms] for s in table.servers]
    levels = [
        max((v + 1 for v in range(len(table.peaks)) if on[("peak", str(v), s)]), default=0)
        for s in table.servers
    ]
    return Setup(
        table,
        np.array(platforms, dtype=bool).reshape(len(table.servers), -1),
        np.array(levels, dtype=int),
        np.array([on.get(("used", s), True) for s in table.servers], dtype=bool),
    )


def _columns(
    table: Table, model: LinearModel, *, limited: bool, layered: bool
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Add all columns; the switches, and the layers, which are never branched on."""
    for i, name in enumerate(table.names):
        model.add(("chosen", name), lower=int(table.candidate(i).must), whole=False)
        for s, server in enumerate(table.servers):
            model.add(("at", name, server), upper=int(table.fits[i, s]), whole=False)
    platforms = zip(table.platforms, table.weak, strict=True)
    switches: list[Column] = [
        ("at", p, s) for p, weak in platforms for s in table.servers if not weak
    ]
    switches += [("peak", str(v), s) for v in range(len(table.peaks)) for s in table.servers]
    switches += [("used", s) for s in table.servers if limited]
    for column in switches:
        model.add(column)
    layers: list[Column] = [
        ("at", table.platforms[k], s)
        for k in np.flatnonzero(table.weak)
        for s in table.servers
        if layered
    ]
    for column in layers:
        model.add(column, whole=False)
    return tuple(switches), tuple(layers)


def _apps_rows(table: Table, model: LinearModel) -> None:
    """A chosen app stands somewhere; what it requires or conflicts with, where no switch says it.

    Apps that may take one of several platform apps are linked to them together, in `_limit_rows`.
    """
    apps = set(table.names)
    for i, name in enumerate(table.names):
        candidate = table.candidate(i)
        here: dict[Column, int] = {("at", name, s): 1 for s in table.servers}
        model.rows.append(Row({**here, ("chosen", name): -1}, lower=0, upper=0))
        together: list[tuple[str, ...]] = [(o,) for o in candidate.requires if o in apps]
        together += [choices for choices in candidate.one_of if apps & set(choices)]
        for choices in together:
            for server in table.servers:
                there: list[Column] = [("at", other, server) for other in choices]
                model.at_least({**dict.fromkeys(there, 1), ("at", name, server): -1}, 0)
    for first, second in table.question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)


def _switch_rows(table: Table, model: LinearModel) -> None:
    """What switches say of each other, and where a must-have platform app has to be."""
    for number, name in enumerate(table.platforms):
        platform = table.question.candidates[name]
        here: list[Column] = [("at", name, s) for s in table.servers]
        if here[0] not in model.bounds:
            continue
        if platform.must:
            model.at_least(dict.fromkeys(here, 1), 1)
        for column in here:
            server = column[2]
            if not platform.runs_on(server):
                model.fix(column, 0)
            groups = [*((other,) for other in platform.requires), *platform.one_of]
            groups = [g for g in groups if ("at", g[0], server) in model.bounds]
            for choices in groups:
                there: list[Column] = [("at", other, server) for other in choices]
                model.at_least({**dict.fromkeys(there, 1), column: -1}, 0)
            if level := int(table.peak_of[number]):
                model.at_least({("peak", str(level - 1), server): 1, column: -1}, 0)
    for level in range(1, len(table.peaks)):
        for server in table.servers:
            model.at_most(
                {("peak", str(level), server): 1, ("peak", str(level - 1), server): -1}, 0
            )


def _limit_rows(
    relaxation: Relaxation, choosers: list[tuple[tuple[str, ...], Array]], server: int, limit: int
) -> None:
    """One limit of one server: all that takes of it, and the same for the users of each switch.

    Among the users of a switch are the platform apps that need it. `choosers` (`_choosers`) are
    the users of any of several.
    """
    table, model = relaxation.table, relaxation.model
    candidates = table.question.candidates
    levels = dict(zip(table.platforms, table.peak_of, strict=True))
    name, supply = table.servers[server], int(table.supply[server, limit])
    takes: dict[Column, int] = {
        ("at", p, name): int(table.takes[k, limit])
        for k, p in enumerate(table.platforms)
        if ("at", p, name) in model.bounds
    }
    peaks = [0, *(int(n) for n in table.peaks)] if LIMITS[limit] == "memory_mib" else []
    steps: dict[Column, int] = {
        ("peak", str(v), name): peak - below for v, (below, peak) in enumerate(pairwise(peaks))
    }

    def row(
        users: Array, rest: dict[Column, int], on: tuple[Column, ...] = (), upper: int | None = None
    ) -> None:
        taking = np.flatnonzero(users & (table.needs[:, limit] > 0) & table.fits[:, server])
        terms: dict[Column, int] = {
            ("at", table.names[i], name): int(table.needs[i, limit]) for i in taking
        }
        if not terms and upper is None:
            return
        if upper is None:  # they never take more than all that they need
            most = sum(terms.values()) + sum(n for n in rest.values() if n > 0)
            rest = {column: max(n, -most) for column, n in rest.items()}
        relaxation.priced.append(Priced(len(model.rows), server, limit, users, on))
        model.at_most({**terms, **{c: n for c, n in rest.items() if n}}, upper or 0)

    row(np.ones(len(table.names), dtype=bool), {**takes, **steps}, upper=supply)
    left: dict[Column, int] = {}  # what a server with the platform app has for its users
    for k, platform in enumerate(table.platforms):
        column: Column = ("at", platform, name)
        if column in takes:
            own = peaks[table.peak_of[k]] if peaks else 0  # its peak comes with it
            left[column] = supply - takes[column] - own
            users = {c: n for c, n in takes.items() if platform in candidates[c[1]].requires}
            row(table.uses[:, k], {**users, column: -left[column]}, (column,))
    for v in range(len(peaks) - 1):
        higher = {c: n for c, n in steps.items() if int(c[1]) > v}
        users = {c: n for c, n in takes.items() if levels[c[1]] > v}
        column = ("peak", str(v), name)
        row(table.level > v, {**users, **higher, column: peaks[v + 1] - supply}, (column, *higher))
    for choices, choosing in choosers:
        offering: dict[Column, int] = {("at", p, name): -left["at", p, name] for p in choices}
        row(choosing, offering, tuple(offering))


def _choosers(table: Table) -> Iterator[tuple[tuple[str, ...], Array]]:
    """The lists of platform apps of which apps need one, each with a mask of those apps.

    An app that requires one of the list, or another app that needs one, is among them.
    """
    candidates = table.question.candidates
    needed = [
        {g for n in table.question.family(name) for g in candidates[n].one_of}
        for name in table.names
    ]
    for choices in sorted(set().union(*needed)):
        if set(choices) <= set(table.platforms):
            columns = [table.platforms.index(p) for p in choices]
            users = np.array([choices in groups for groups in needed], dtype=bool)
            yield choices, users | table.uses[:, columns].any(axis=1)


def _used_rows(table: Table, model: LinearModel, number: int, server: str) -> None:
    """A server that is not used has nothing on it."""
    for limit in range(len(LIMITS)):
        supply = int(table.supply[number, limit])
        taking = np.flatnonzero((table.needs[:, limit] > 0) & table.fits[:, number])
        terms: dict[Column, int] = {
            ("at", table.names[i], server): int(table.needs[i, limit]) for i in taking
        }
        model.at_most({**terms, ("used", server): -supply}, 0)
    for platform in table.platforms:
        if ("at", platform, server) in model.bounds:
            model.at_most({("at", platform, server): 1, ("used", server): -1}, 0)


def _shared_rows(table: Table, model: LinearModel) -> None:
    for limit, available in table.question.shared.items():
        terms: dict[Column, int] = {}
        for i, name in enumerate(table.names):
            if amount := table.candidate(i).needs.get(limit, 0):
                terms[("chosen", name)] = amount
        for platform in table.platforms:
            if amount := table.question.candidates[platform].needs.get(limit, 0):
                terms |= {("at", platform, s): amount for s in table.servers}
        model.at_most(terms, available)


def layers_matter(relaxation: Relaxation, vertex: Vertex) -> bool:
    """Whether all layers on all servers would cost anything, by the prices of an optimum."""
    table = relaxation.table
    sizes = table.takes[table.weak].sum(axis=0)
    cost = sum(-vertex.prices[p.row] * sizes[p.limit] for p in relaxation.priced if not p.switches)
    return bool(cost >= 1)
