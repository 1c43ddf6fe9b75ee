"""The best apps for one setup: which to choose, and where each goes.

First the servers are pooled: one column an app, and rows that price what each app takes at least
wherever it stands (surrogate constraints, Glover 1968; the prices are the duals of a relaxation, so
that nothing of its bound is lost). What is chosen is then packed onto the servers; where that
fails, either a new price shows why, or the whole model of this setup is solved.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Effort, Outcome, Status
from smartcity_pkg.selection.model import Column, LinearModel, Row
from smartcity_pkg.selection.narrow import QUICK_NODES, fix_by_reduced_costs, minimise, relaxed
from smartcity_pkg.selection.packing import Cluster, clusters_of, pack, pack_most
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.relaxed import Aim, Relaxation, hold, objective_of
from smartcity_pkg.selection.setup import Setup
from smartcity_pkg.selection.setupmodel import linked_apps, pooled_model, whole_model
from smartcity_pkg.selection.table import LIMITS, Array
from smartcity_pkg.selection.verify import violations

_PRICE_UNITS = 10_000_000
"""Prices are rounded to so many parts of the highest: whole numbers keep the rows exact."""

_ROW_UNITS = 100_000_000
"""The size that surrogate rows are scaled to, far from what floats confuse."""

_LESS = (1, 4, 16, 64, 256)
"""Units of benefit that are given up, one try after the other, for apps that go in."""

_TAKEN_UNITS = 20_000
"""What all servers have is so many units, where apps are to take little of it."""


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
        self.linked = linked_apps(setup.table)
        self.model = pooled_model(setup, self.linked)
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
            if placement is None and clusters is not None:
                placement = self._packed_most(clusters)
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
        vertex = relaxed(model, self.objective)
        if vertex is None:
            return None
        fix_by_reduced_costs(model, vertex, target)
        model.at_most(self.objective, target)
        taken = {c: n for c, n in self.taken.items() if n}
        outcome = highs.minimise(model, taken, replace(self._left, most_nodes=QUICK_NODES))
        if not outcome.values:
            return None
        clusters = clusters_of(self.setup, self._chosen(outcome))
        return self._packed(clusters) if clusters is not None else None

    def whole(self, cutoff: int | None, most_nodes: int | None = None) -> Filled:
        """The best apps by the whole model of this setup: apps on servers."""
        effort = replace(self._left, most_nodes=most_nodes)
        model = self._whole_model()
        while True:
            outcome = minimise(model, self.objective, cutoff, effort)
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
            columns: list[Column] = [("at", n, self.table.servers[s]) for n, s in spots.items()]
            model.at_most(dict.fromkeys(columns, 1), len(columns) - 1)

    def _whole_model(self) -> LinearModel:
        model = whole_model(self.setup)
        hold(self.table, self.aim, model)
        if self.aim.benefit is not None:
            vertex = relaxed(model, objective_of(self.table, Aim()))
            if vertex is not None:
                fix_by_reduced_costs(model, vertex, -self.aim.benefit)
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
        return minimise(self.model, self.objective, cutoff, self._left)

    def _chosen(self, outcome: Outcome) -> Array:
        return np.array([outcome.values[("chosen", n)] for n in self.table.names], dtype=bool)

    def _packed(self, clusters: list[Cluster]) -> Placement | None:
        """A placement of the clusters that keeps every rule, if one is found."""
        servers = pack(clusters, self.setup.room)
        if servers is None:
            servers = _pack_by_model(clusters, self.setup.room, self._left)
        return self._placed(clusters, servers)

    def _packed_most(self, clusters: list[Cluster]) -> Placement | None:
        """A placement of most of the clusters that keeps every rule, if one is found."""
        table = self.table
        worth = [
            None
            if any(table.candidate(i).must for i in c.apps)
            else int(sum(table.benefit[i] for i in c.apps))
            for c in clusters
        ]
        servers = pack_most(clusters, self.setup.room, worth)
        return self._placed(clusters, servers)

    def _placed(self, clusters: list[Cluster], servers: list[int] | None) -> Placement | None:
        """The placement with clusters on servers (-1: left out), if it keeps every rule."""
        if servers is None:
            return None
        pairs = zip(clusters, servers, strict=True)
        spots = {self.table.names[i]: s for c, s in pairs if s >= 0 for i in c.apps}
        placement = self.setup.placement(spots)
        return None if violations(self.table.question, placement) else placement

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
    outcome = highs.minimise(model, {}, replace(effort, most_nodes=QUICK_NODES))
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
    vertex = relaxed(model, {over: 1})
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
