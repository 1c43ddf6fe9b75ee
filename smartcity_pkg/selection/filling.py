"""The best apps for one setup: which to choose, and where each goes.

First the servers are pooled: one column an app, and rows that price what each app takes at least
wherever it stands (surrogate constraints, Glover 1968; the prices are the duals of a relaxation, so
that nothing of its bound is lost). What is chosen is then packed onto the servers; where that
fails, either a new price shows why, or the whole model of this setup is solved.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Continuous, Effort, Outcome, Status
from smartcity_pkg.selection.model import Column, LinearModel, Row, Terms
from smartcity_pkg.selection.packing import Cluster, clusters_of, pack
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.relaxed import Aim, Relaxation, hold, objective_of
from smartcity_pkg.selection.setup import Setup
from smartcity_pkg.selection.table import LIMITS, Array, Table
from smartcity_pkg.selection.verify import violations

_DISK = LIMITS.index("disk_mib")
_PRICE_UNITS = 10_000_000
"""Prices are rounded to so many parts of the highest: whole numbers keep the rows exact."""

_ROW_UNITS = 100_000_000
"""The size that surrogate rows are scaled to, far from what floats confuse."""

_WINDOWS = (0.3, 1.0)
"""How far from the bound the best choice is looked for first, in apps of average benefit."""

_LESS = (1, 4, 16, 64, 256)
"""Units of benefit that are given up, one try after the other, for apps that go in."""

_TAKEN_UNITS = 20_000
"""What all servers have is so many units, where apps are to take little of it."""

_MOST_NODES = 200
"""Branches after which a choice that only serves to find something is good enough."""

_SLACK = 0.05
"""A dual bound must exceed a whole number by this much to exclude it."""


@dataclass(frozen=True)
class Filled:
    """The outcome: `placement` is the best for the setup, or None where none is good enough.

    `value` is its objective (to be minimised). `bound` is given where the question was left open:
    no placement of this setup has an objective below it.
    """

    placement: Placement | None = None
    value: int = 0
    bound: int | None = None


class Filling:
    """One setup, to be filled with apps whose objective is at most `cutoff` (None: any)."""

    def __init__(self, setup: Setup, aim: Aim, effort: Effort, deadline: float) -> None:
        self.setup = setup
        self.table = setup.table
        self.aim = aim
        self.effort = replace(effort, threads=1, seed=0)
        self.deadline = deadline
        self.objective = objective_of(self.table, aim)
        self.linked = _linked(setup.table)
        self.model = _pooled(setup, self.linked)
        self.taken: dict[Column, int] = {}
        for limit in range(len(LIMITS)):
            weights = np.zeros_like(setup.room)
            weights[:, limit] = 1
            self._price(self.table.needs @ weights.T, int((setup.room * weights).sum()))

    def price_by(self, relaxation: Relaxation, prices: Array) -> None:
        """Add the row that the duals of the relaxation's optimum for this setup give."""
        each = np.zeros((len(self.table.names), *self.setup.room.shape), dtype=np.int64)
        total = np.zeros_like(self.setup.room)
        weights = _whole([-prices[p.row] for p in relaxation.priced])
        for priced, weight in zip(relaxation.priced, weights, strict=True):
            if weight and (not priced.switches or self._on(priced.switches)):
                each[priced.users, priced.server, priced.limit] += weight
                total[priced.server, priced.limit] += weight
        self._price((self.table.needs[:, None, :] * each).sum(axis=2), self._worth(total))
        last = self.model.rows[-1].terms
        self.taken = {c: n * _TAKEN_UNITS // _ROW_UNITS for c, n in last.items()}

    def _on(self, switches: tuple[Column, ...]) -> bool:
        table, setup = self.table, self.setup
        for column in switches:
            server = table.servers.index(column[2])
            if column[0] == "peak" and setup.level[server] > int(column[1]):
                return True
            if column[0] == "at" and setup.on[server, table.platforms.index(column[1])]:
                return True
        return False

    def _worth(self, weights: Array) -> int:
        return int((self.setup.room * weights).sum())

    def _price(self, cost: Array, worth: int) -> None:
        """Let what is chosen cost at most `worth`; `cost` (N, S) is each app's on each server."""
        table, admits = self.table, self.setup.admits
        unit = max(1, worth) / _ROW_UNITS
        terms: dict[Column, int] = {}
        for i in np.flatnonzero(admits.any(axis=1)):
            name = table.names[i]
            if self.linked[i]:
                for s in np.flatnonzero(admits[i]):
                    terms[("at", name, table.servers[s])] = math.floor(cost[i, s] / unit)
                continue
            terms[("chosen", name)] = math.floor(cost[i][admits[i]].min() / unit)
        self.model.at_most({c: n for c, n in terms.items() if n}, math.ceil(worth / unit))

    def best(self, cutoff: int | None) -> Filled:
        """The best apps by pooling, pricing and packing; left open where none of these decides."""
        while True:
            outcome = self._choose(cutoff)
            if not outcome.values:
                return Filled(bound=outcome.bound if outcome.status is Status.STOPPED else None)
            clusters = clusters_of(self.setup, self._chosen(outcome))
            over = time.monotonic() >= self.deadline
            if clusters is not None and not over and self._price_why_not(clusters):
                continue
            placement = self._packed(clusters) if clusters is not None else None
            if placement is None and outcome.bound is not None:
                placement = self._taking_least(outcome.bound)
            if placement is None:
                return Filled(bound=outcome.bound)
            value = self.value(placement)
            return Filled(placement, value, outcome.bound if value != outcome.bound else None)

    def roughly(self, cutoff: int | None, least: int) -> Filled:
        """A good placement where the best apps, of the objective `least`, do not go in; no proof.

        A little benefit is given up, more and more of it, for apps that take less.
        """
        for less in _LESS:
            target = least + less if cutoff is None else min(cutoff, least + less)
            placement = self._taking_least(target)
            if placement is not None:
                return Filled(placement, self.value(placement))
            if target == cutoff:
                break
        return Filled()

    def _taking_least(self, target: int) -> Placement | None:
        """A placement with an objective of at most `target` of apps that take little of servers."""
        model = self.model.copy()
        vertex = _relaxed(model, self.objective)
        if vertex is None:
            return None
        _fix_by_reduced_costs(model, vertex, target)
        model.at_most(self.objective, target)
        taken = {c: n for c, n in self.taken.items() if n}
        outcome = highs.minimise(model, taken, replace(self._left, most_nodes=_MOST_NODES))
        if not outcome.values:
            return None
        clusters = clusters_of(self.setup, self._chosen(outcome))
        return self._packed(clusters) if clusters is not None else None

    def whole(self, cutoff: int | None, most_nodes: int | None = None) -> Filled:
        """The best apps by the whole model of this setup: apps and layers on servers.

        Layers come into it only when a placement without them proves to be too much.
        """
        effort = replace(self._left, most_nodes=most_nodes)
        model = self._whole_model(layers=False)
        with_layers = False
        while True:
            outcome = _minimise(model, self.objective, cutoff, effort)
            if not outcome.values:
                return Filled(bound=outcome.bound if outcome.status is Status.STOPPED else None)
            spots = {
                name: s
                for name in self.table.names
                for s, server in enumerate(self.table.servers)
                if outcome.values.get(("at", name, server))
            }
            placement = self.setup.placement(spots)
            if not violations(self.table.question, placement):
                return Filled(placement, self.value(placement), outcome.bound)
            if not with_layers:
                model, with_layers = self._whole_model(layers=True), True
                continue
            columns: list[Column] = [("at", n, self.table.servers[s]) for n, s in spots.items()]
            model.at_most(dict.fromkeys(columns, 1), len(columns) - 1)

    def _whole_model(self, *, layers: bool) -> LinearModel:
        model = _whole_model(self.setup, layers=layers)
        hold(self.table, self.aim, model)
        if self.aim.benefit is not None:
            vertex = _relaxed(model, objective_of(self.table, Aim()))
            if vertex is not None:
                _fix_by_reduced_costs(model, vertex, -self.aim.benefit)
        return model

    def value(self, placement: Placement) -> int:
        """The objective of a placement."""
        question = self.table.question
        if self.aim.benefit is None:
            return -sum(question.candidates[n].benefit for n in placement)
        return -sum(placement.get(n) == (s,) for n, s in question.running.items())

    @property
    def _left(self) -> Effort:
        return replace(self.effort, time_limit_s=self.deadline - time.monotonic())

    def _choose(self, cutoff: int | None) -> Outcome:
        return _minimise(self.model, self.objective, cutoff, self._left)

    def _chosen(self, outcome: Outcome) -> Array:
        return np.array([outcome.values[("chosen", n)] for n in self.table.names], dtype=bool)

    def _packed(self, clusters: list[Cluster]) -> Placement | None:
        """A placement of the clusters that keeps every rule, if one is found.

        The first try keeps the room of all shared layers free, the second of none.
        """
        layers = self._shared_layers(clusters)
        for room in ([self.setup.room - layers] if layers.any() else []) + [self.setup.room]:
            servers = pack(clusters, room) or _pack_by_model(clusters, room, self._left)
            if servers is not None:
                spots = {
                    self.table.names[i]: s
                    for c, s in zip(clusters, servers, strict=True)
                    for i in c.apps
                }
                placement = self.setup.placement(spots)
                if not violations(self.table.question, placement):
                    return placement
        return None

    def _shared_layers(self, clusters: list[Cluster]) -> Array:
        """(S, L): the disk of all layers of several apps that could come to each server."""
        question, table = self.table.question, self.table
        shared = table.shared_layers
        layers = np.zeros_like(self.setup.room)
        for s in range(len(table.servers)):
            here = {table.names[i] for c in clusters if c.allowed[s] for i in c.apps}
            lying = {n for name in here for n in question.candidates[name].layers}
            lying |= self.setup.layers_of_platforms(s)
            layers[s, _DISK] = sum(size for n, size in shared.items() if n in lying)
        return layers

    def _price_why_not(self, clusters: list[Cluster]) -> bool:
        """Add a price by which these clusters cost too much even if split; False if none does."""
        weights = _prices_of(clusters, self.setup.room)
        worth = self._worth(weights)
        least = sum(int((c.needs @ weights.T)[c.allowed].min()) for c in clusters)
        if least <= worth * (1 + 4 * len(self.table.names) / _ROW_UNITS):
            return False
        self._price(self.table.needs @ weights.T, worth)
        return True


def _pack_by_model(clusters: list[Cluster], room: Array, effort: Effort) -> list[int] | None:
    """A server for each cluster, as `pack`, found by the solver within a number of branches."""
    model = LinearModel()
    _packing_rows(clusters, room, model, {})
    outcome = highs.minimise(model, {}, replace(effort, most_nodes=_MOST_NODES))
    if not outcome.values:
        return None
    return [
        next(int(s) for s in np.flatnonzero(c.allowed) if outcome.values[("at", str(k), str(s))])
        for k, c in enumerate(clusters)
    ]


def _packing_rows(
    clusters: list[Cluster], room: Array, model: LinearModel, over: dict[Column, int]
) -> list[tuple[int, int]]:
    """Each cluster on one server, then a row for each (server, limit), which are returned.

    `over` is a column of which each unit gives as much again of every limit.
    """
    for k, cluster in enumerate(clusters):
        parts: list[Column] = [("at", str(k), str(s)) for s in np.flatnonzero(cluster.allowed)]
        for part in parts:
            model.add(part)
        model.rows.append(Row(dict.fromkeys(parts, 1), 1, 1))
    places = [(s, x) for s in range(room.shape[0]) for x in range(room.shape[1])]
    for s, x in places:
        terms: dict[Column, int] = {
            ("at", str(k), str(s)): int(c.needs[x])
            for k, c in enumerate(clusters)
            if c.allowed[s] and c.needs[x]
        }
        more = {c: -n * max(1, int(room[s, x])) for c, n in over.items()}
        model.at_most({**terms, **more}, int(room[s, x]))
    return places


def _prices_of(clusters: list[Cluster], room: Array) -> Array:
    """(S, L): what a unit of each limit is worth to clusters that may be split; 0 if they fit."""
    model, over = LinearModel(), ("over",)
    model.add(over, upper=1 << 20, whole=False)
    places = _packing_rows(clusters, room, model, {over: 1})
    vertex = _relaxed(model, {over: 1})
    weights = np.zeros_like(room)
    if vertex is not None and vertex.value > 1e-9:
        whole = _whole(list(-vertex.prices[-len(places) :]))
        for (s, x), weight in zip(places, whole, strict=True):
            weights[s, x] = weight
    return weights


def _whole(prices: list[float]) -> list[int]:
    """Prices as whole numbers in about the same proportions; never below nothing."""
    highest = max([*prices, 0.0])
    return [round(max(0.0, p) / highest * _PRICE_UNITS) if highest else 0 for p in prices]


def _minimise(model: LinearModel, objective: Terms, cutoff: int | None, effort: Effort) -> Outcome:
    """The optimum with an objective of at most `cutoff`; INFEASIBLE where there is none.

    Columns are fixed by their reduced costs first (Dantzig, Fulkerson and Johnson 1954): in a
    narrow window below the bound, few stay open. Where a window is no quick matter, something good
    is looked for, and then whether there is anything better.
    """
    vertex = _relaxed(model, objective)
    if vertex is None:
        return Outcome(Status.INFEASIBLE, {}, None)
    least = math.ceil(vertex.value - _SLACK)
    deadline = time.monotonic() + effort.time_limit_s

    def run(target: int | None, most_nodes: int | None) -> Outcome:
        if target is not None and target < least:
            return Outcome(Status.INFEASIBLE, {}, None)
        narrowed = model.copy()
        if target is not None:
            _fix_by_reduced_costs(narrowed, vertex, target)
            narrowed.at_most(objective, target)
        left = deadline - time.monotonic()
        return highs.minimise(
            narrowed, objective, replace(effort, time_limit_s=left, most_nodes=most_nodes)
        )

    quick = _MOST_NODES if effort.most_nodes is None else min(_MOST_NODES, effort.most_nodes)
    found = Outcome(Status.STOPPED, {}, None)
    unit = max(1.0, statistics.fmean(abs(n) for n in objective.values()) if objective else 1.0)
    for window in _WINDOWS:
        target = least + round(window * unit)
        if cutoff is None or target < cutoff:
            found = run(target, quick)
            if found.status is Status.OPTIMAL:
                return found
            if found.status is Status.STOPPED:
                break
    if not found.values:
        found = run(cutoff, quick)
        if found.status is not Status.STOPPED:
            return found
    reached = sum(n * found.values[column] for column, n in objective.items() if found.values)
    better = run(reached - 1 if found.values else cutoff, effort.most_nodes)
    if better.status is Status.INFEASIBLE and found.values:
        return replace(found, status=Status.OPTIMAL, bound=reached)
    bound = least if better.bound is None else max(least, better.bound)
    return replace(better if better.values else found, status=better.status, bound=bound)


def _relaxed(model: LinearModel, objective: Terms) -> highs.Vertex | None:
    none = np.zeros(0)
    return Continuous(model, objective).solve(np.zeros(0, dtype=np.int32), none, none)


def _fix_by_reduced_costs(model: LinearModel, vertex: highs.Vertex, target: int) -> None:
    for j, (column, (lower, upper)) in enumerate(model.bounds.items()):
        reduced, value = vertex.reduced[j], vertex.values[j]
        if lower == upper or column not in model.counted:
            continue
        if vertex.value + abs(reduced) > target + _SLACK:
            if reduced > 0 and value < lower + 1e-9:
                model.fix(column, lower)
            elif reduced < 0 and value > upper - 1e-9:
                model.fix(column, upper)


def _linked(table: Table) -> Array:
    """(N,): the apps that must share a server with another app, or that one may have to."""
    index, linked = table.index, np.zeros(len(table.names), dtype=bool)
    for i, name in enumerate(table.names):
        candidate = table.question.candidates[name]
        others = [*candidate.requires, *(c for choices in candidate.one_of for c in choices)]
        for other in others:
            if other in index:
                linked[[i, index[other]]] = True
    return linked


def _pooled(setup: Setup, linked: Array) -> LinearModel:
    """Which apps are chosen: all rules but the servers' limits.

    Only linked apps have columns for their servers, and may be split over them.
    """
    table, model = setup.table, LinearModel()
    somewhere = np.asarray(setup.admits.any(axis=1))
    for i, name in enumerate(table.names):
        chosen: Column = ("chosen", name)
        model.add(chosen, lower=int(table.candidate(i).must))
        if not somewhere[i]:
            model.at_most({chosen: 1}, 0)
        if linked[i]:
            servers = [table.servers[s] for s in np.flatnonzero(setup.admits[i])]
            for server in servers:
                model.add(("at", name, server), whole=False)
            here: dict[Column, int] = {("at", name, server): 1 for server in servers}
            model.rows.append(Row({**here, chosen: -1}, 0, 0))
    for app in np.flatnonzero(linked):
        _together_rows(setup, model, int(app))
    for first, second in table.question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)
    _shared_rows(setup, model)
    return model


def _together_rows(setup: Setup, model: LinearModel, app: int) -> None:
    """What an app requires of other apps: to be chosen, and on the same server."""
    table = setup.table
    candidate, apps = table.candidate(app), set(table.names)
    groups: list[tuple[str, ...]] = [(o,) for o in candidate.requires if o in apps]
    groups += [choices for choices in candidate.one_of if apps & set(choices)]
    for choices in groups:
        there = [c for c in choices if c in apps]
        if there == list(choices):
            chosen: dict[Column, int] = {("chosen", c): -1 for c in there}
            model.at_most({("chosen", candidate.name): 1, **chosen}, 0)
        for s in np.flatnonzero(setup.admits[app]):
            if not any(setup.has(c, int(s)) for c in choices):
                columns: list[Column] = [("at", c, table.servers[s]) for c in there]
                rest = {c: -1 for c in columns if c in model.bounds}
                model.at_most({("at", candidate.name, table.servers[s]): 1, **rest}, 0)


def _shared_rows(setup: Setup, model: LinearModel) -> None:
    """The limits of the whole pemda, without what the setup's platform apps take."""
    table = setup.table
    instances = setup.on.sum(axis=0)
    for limit, available in table.question.shared.items():
        taken = sum(
            table.question.candidates[p].needs.get(limit, 0) * int(n)
            for p, n in zip(table.platforms, instances, strict=True)
        )
        terms: dict[Column, int] = {}
        for i, name in enumerate(table.names):
            if amount := table.candidate(i).needs.get(limit, 0):
                terms[("chosen", name)] = amount
        model.at_most(terms, available - taken)


def _whole_model(setup: Setup, *, layers: bool) -> LinearModel:
    """Every rule and limit for one setup: whole apps on servers, and the layers they bring."""
    table, question = setup.table, setup.table.question
    index, model = table.index, LinearModel()
    for i, name in enumerate(table.names):
        model.add(("chosen", name), lower=int(table.candidate(i).must))
        here: dict[Column, int] = {}
        for s, server in enumerate(table.servers):
            model.add(("at", name, server), upper=int(setup.admits[i, s]))
            here[("at", name, server)] = 1
        model.rows.append(Row({**here, ("chosen", name): -1}, lower=0, upper=0))
    for s, server in enumerate(table.servers):
        lying = setup.layers_of_platforms(s)
        for layer in table.shared_layers if layers else ():
            model.add(("layer", layer, server), lower=int(layer in lying), whole=False)
    for i, name in enumerate(table.names):
        candidate = table.candidate(i)
        groups: list[tuple[str, ...]] = [(o,) for o in candidate.requires if o in index]
        groups += [choices for choices in candidate.one_of if set(choices) & set(index)]
        for s, server in enumerate(table.servers):
            at: Column = ("at", name, server)
            for layer in candidate.layers:
                if ("layer", layer, server) in model.bounds:
                    model.at_most({at: 1, ("layer", layer, server): -1}, 0)
            for choices in groups:
                if not any(setup.has(c, s) for c in choices):
                    apps: list[Column] = [("at", c, server) for c in choices if c in index]
                    model.at_most({at: 1, **dict.fromkeys(apps, -1)}, 0)
    for first, second in question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)
    _shared_rows(setup, model)
    _server_rows(setup, model)
    return model


def _server_rows(setup: Setup, model: LinearModel) -> None:
    """The servers' limits, image layers counted once a server."""
    table = setup.table
    for s, server in enumerate(table.servers):
        for x in range(len(LIMITS)):
            terms: dict[Column, int] = {
                ("at", name, server): int(table.needs[i, x])
                for i, name in enumerate(table.names)
                if table.needs[i, x] and setup.admits[i, s]
            }
            if x == _DISK:
                for layer, size in table.shared_layers.items():
                    if ("layer", layer, server) in model.bounds and size:
                        terms[("layer", layer, server)] = size
            model.at_most(terms, int(setup.room[s, x]))
