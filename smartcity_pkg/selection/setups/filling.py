"""The best apps for one setup: which to choose, and where each goes.

First the servers are pooled: one column an app, and rows that price what each app takes at least
wherever it stands (surrogate constraints, Glover 1968; the prices are the duals of a relaxation, so
that nothing of its bound is lost). What is chosen is then packed onto the servers; where that
fails, either a new price shows why, or the whole model of this setup is solved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Effort, Outcome, Status
from smartcity_pkg.selection.model import Column, LinearModel
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.setups.narrow import (
    QUICK_NODES,
    fix_by_reduced_costs,
    minimise,
    relaxed,
)
from smartcity_pkg.selection.setups.packing import Cluster, clusters_of, pack, pack_most
from smartcity_pkg.selection.setups.packmodel import OVER, pack_by_model, packing_model
from smartcity_pkg.selection.setups.relaxed import Aim, Relaxation, hold, objective_of
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.setupmodel import (
    add_layers,
    linked_apps,
    pooled_model,
    spots_of,
    whole_model,
)
from smartcity_pkg.selection.setups.table import LIMITS, Array
from smartcity_pkg.selection.verify import violations

_PRICE_UNITS = 10_000_000
"""Prices are rounded to so many parts of the highest: whole numbers keep the rows exact."""

_ROW_UNITS = 100_000_000
"""The size that surrogate rows are scaled to, far from what floats confuse."""

_LESS = (1, 4, 16, 64, 256)
"""Units of benefit that are given up, one try after the other, for apps that go in."""

_SPLIT = 1e-6
"""The part of what the servers have that clusters must lack for a price to say so."""

_PRICES = 3
"""Prices that are added before every server comes into the model."""

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


@dataclass(frozen=True)
class _Priced:
    """`each` (N, S) is what each app costs on each server; all may cost `worth` together."""

    each: Array
    layers: dict[Column, int]
    worth: int

    @property
    def size(self) -> int:
        """How large the numbers of this row are."""
        highest = int(np.abs(self.each).max(initial=0))
        return max(1, highest, abs(self.worth), sum(abs(n) for n in self.layers.values()))


class Filling:
    """One setup, to be filled with apps whose objective is at most `cutoff` (None: any)."""

    def __init__(
        self, setup: Setup, aim: Aim, effort: Effort, deadline: float, *, layered: bool
    ) -> None:
        self.setup = setup
        self.table = setup.table
        self.aim = aim
        self.effort = replace(effort, threads=1, seed=0)
        self.deadline = deadline
        self.objective = objective_of(self.table, aim)
        self.linked = linked_apps(setup.table)
        self.model = pooled_model(setup, self.linked)
        self.all_layers = np.flatnonzero(setup.table.weak)
        self.layers = self.all_layers if layered else self.all_layers[:0]
        self.users = setup.table.uses[:, self.all_layers].T
        if layered:
            self._add_layers()
        self.is_split = False
        self.prices = 0
        self.taken: dict[Column, int] = {}
        for limit in range(len(LIMITS)):
            weights = np.zeros_like(setup.room)
            weights[:, limit] = 1
            self._price_row(self._cost_of(weights, None, ()))

    def _add_layers(self) -> None:
        """Columns for layers, and room for an app only where its layers are."""
        table, setup = self.table, self.setup
        add_layers(setup, self.model, whole=True)
        for w, k in enumerate(self.layers):
            columns: list[Column] = [("at", table.platforms[k], server) for server in table.servers]
            room = np.minimum(setup.room - table.takes[k], setup.most(self.users[w]))
            for limit in range(len(LIMITS)):
                terms: dict[Column, int] = {
                    ("chosen", table.names[i]): int(table.needs[i, limit])
                    for i in np.flatnonzero(self.users[w] & (table.needs[:, limit] > 0))
                }
                there = {c: -max(0, int(r)) for c, r in zip(columns, room[:, limit], strict=True)}
                self.model.at_most({**terms, **there}, 0)

    def price_by(self, relaxation: Relaxation, prices: Array) -> None:
        """Add the row that the duals of the relaxation's optimum for this setup give."""
        weights = np.zeros_like(self.setup.room)
        linked = np.zeros((len(self.layers), *self.setup.room.shape), dtype=np.int64)
        users: list[tuple[Array, int, int, int]] = []
        layers = {
            column: n // len(self.table.servers) for n, column in enumerate(relaxation.layers)
        }
        whole = _whole([-prices[p.row] for p in relaxation.priced])
        for priced, weight in zip(relaxation.priced, whole, strict=True):
            if not priced.switches:
                weights[priced.server, priced.limit] += weight
            elif priced.switches[0] in layers:
                linked[layers[priced.switches[0]], priced.server, priced.limit] += weight
            elif weight and self._on(priced.switches):
                users.append((priced.users, priced.server, priced.limit, weight))
        self._price_row(self._cost_of(weights, linked, users))
        last = self.model.rows[-1].terms
        self.taken = {c: n * _TAKEN_UNITS // _ROW_UNITS for c, n in last.items() if n > 0}

    def _on(self, switches: tuple[Column, ...]) -> bool:
        table, setup = self.table, self.setup
        for column in switches:
            server = table.servers.index(column[2])
            if column[0] == "peak" and setup.level[server] > int(column[1]):
                return True
            if column[0] == "at" and setup.on[server, table.platforms.index(column[1])]:
                return True
        return False

    def _cost_of(
        self, weights: Array, linked: Array | None, users: Sequence[tuple[Array, int, int, int]]
    ) -> _Priced:
        """What each app costs where, by prices.

        `weights` (S, L) are the prices of the servers' limits; `linked` (W, S, L) those of what
        the users of a layer may take; `users` more such prices: (mask, server, limit, price).
        """
        table, room = self.table, self.setup.room
        each = np.broadcast_to(weights, (len(table.names), *weights.shape)).copy()
        worth = int((room * weights).sum())
        for mask, server, limit, weight in users:
            each[mask, server, limit] += weight
            most = self.setup.most(mask)[server, limit]
            worth += weight * int(min(room[server, limit], most))
        layers: dict[Column, int] = {}
        for w, k in enumerate(self.layers):
            cost = weights @ table.takes[k]
            if linked is not None:
                each[self.users[w]] += linked[w]
                left = np.minimum(room - table.takes[k], self.setup.most(self.users[w]))
                cost = cost - (linked[w] * np.maximum(0, left)).sum(axis=1)
            names = [("at", table.platforms[k], server) for server in table.servers]
            layers |= {c: int(n) for c, n in zip(names, cost, strict=True)}
        cost = (table.needs[:, None, :] * each).sum(axis=2)
        return _Priced(cost, layers, worth)

    def _price_row(self, priced: _Priced) -> None:
        """Let what is chosen cost no more than it may."""
        table, admits = self.table, self.setup.admits
        unit = priced.size / _ROW_UNITS
        terms: dict[Column, int] = {c: math.floor(n / unit) for c, n in priced.layers.items()}
        for i in np.flatnonzero(admits.any(axis=1)):
            name = table.names[i]
            if self.linked[i]:
                for s in np.flatnonzero(admits[i]):
                    terms[("at", name, table.servers[s])] = math.floor(priced.each[i, s] / unit)
                continue
            terms[("chosen", name)] = math.floor(priced.each[i][admits[i]].min() / unit)
        worth = math.ceil(priced.worth / unit)
        self.model.at_most({c: n for c, n in terms.items() if n}, worth)

    def best(self, cutoff: int | None, least: int, *, quick: bool = False) -> Filled:
        """The best apps by pooling, pricing and packing; left open where none of these decides.

        `least` is a known bound of the objective. With `quick`, servers do not come into the model.
        """
        while True:
            outcome = self._choose(cutoff, least)
            if not outcome.values:
                return Filled(bound=outcome.bound if outcome.status is Status.STOPPED else None)
            least = least if outcome.bound is None else outcome.bound
            clusters = clusters_of(self.setup, self._chosen(outcome))
            over = time.monotonic() >= self.deadline
            if clusters is not None and not over and self._deny(clusters, outcome, quick):
                continue
            placement = self._packed(clusters, outcome) if clusters is not None else None
            if placement is None and outcome.bound is not None:
                placement = self._taking_least(outcome.bound)
            if placement is None and clusters is not None:
                placement = self._packed_most(clusters, outcome)
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
        return self._packed(clusters, outcome) if clusters is not None else None

    def whole(self, cutoff: int | None, most_nodes: int | None = None) -> Filled:
        """The best apps by the whole model of this setup: apps on servers."""
        effort = replace(self._left, most_nodes=most_nodes)
        model = self._whole_model()
        while True:
            outcome = minimise(model, self.objective, cutoff, effort)
            if not outcome.values:
                return Filled(bound=outcome.bound if outcome.status is Status.STOPPED else None)
            spots = spots_of(self.table, outcome.values)
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

    def _choose(self, cutoff: int | None, least: int) -> Outcome:
        return minimise(self.model, self.objective, cutoff, self._left, least)

    def _chosen(self, outcome: Outcome) -> Array:
        return np.array([outcome.values[("chosen", n)] for n in self.table.names], dtype=bool)

    def _chosen_layers(self, outcome: Outcome) -> Setup:
        """The setup with the layers that the pooled model chose."""
        servers, platforms = self.table.servers, self.table.platforms
        lying = [[outcome.values[("at", platforms[k], s)] for k in self.layers] for s in servers]
        shape = (len(servers), len(self.layers))
        return self.setup.with_layers(np.array(lying, dtype=bool).reshape(shape))

    def _possible_layers(self, clusters: list[Cluster]) -> Setup:
        """The setup with every layer that one of the clusters could bring to a server."""
        lying: Array = self.setup.layers_of_platforms.copy()
        for cluster in clusters:
            lying |= np.outer(cluster.allowed, self.users[:, list(cluster.apps)].any(axis=1))
        return self.setup.with_layers(lying)

    def _packed(self, clusters: list[Cluster], outcome: Outcome) -> Placement | None:
        """A placement of the clusters that keeps every rule, if one is found.

        Where layers are in the pooled model, as it has them and as the solver likes; else with all
        that there could be, and in the hope that they find room.
        """
        setups = [self._possible_layers(clusters), self.setup]
        if len(self.layers):
            setups = [self._chosen_layers(outcome), *setups]
        chosen = self._chosen(outcome)
        for setup in setups:
            here = clusters_of(setup, chosen)
            if here is None:
                continue
            servers = pack(here, setup.room)
            if servers is None and not len(self.layers):
                servers = pack_by_model(setup, here, self._left, self.layers)
            placement = self._placed(here, servers)
            if placement is not None:
                return placement
        if not len(self.layers):
            return None
        return self._placed(clusters, pack_by_model(self.setup, clusters, self._left, self.layers))

    def _packed_most(self, clusters: list[Cluster], outcome: Outcome) -> Placement | None:
        """A placement of most of the clusters that keeps every rule, if one is found."""
        table = self.table
        setup = self._possible_layers(clusters)
        here = clusters_of(setup, self._chosen(outcome))
        if here is None:
            return None
        worth = [
            None
            if any(table.candidate(i).must for i in c.apps)
            else int(sum(table.benefit[i] for i in c.apps))
            for c in here
        ]
        return self._placed(here, pack_most(here, setup.room, worth))

    def _placed(self, clusters: list[Cluster], servers: list[int] | None) -> Placement | None:
        """The placement with clusters on servers (-1: left out), if it keeps every rule."""
        if servers is None:
            return None
        pairs = zip(clusters, servers, strict=True)
        spots = {self.table.names[i]: s for c, s in pairs if s >= 0 for i in c.apps}
        placement = self.setup.placement(spots)
        return None if violations(self.table.question, placement) else placement

    def split(self) -> None:
        """Let every server come into the model: apps chosen as a whole, but split over servers."""
        model = whole_model(self.setup, split=True)
        model.rows += self.model.rows
        self.model, self.is_split = model, True

    def _deny(self, clusters: list[Cluster], outcome: Outcome, quick: bool) -> bool:
        """Let the model not choose these again where they do not go in even if split.

        The first times a price says why; then every server comes into the model.
        """
        if self.is_split or not self._price_why_not(clusters, outcome):
            return False
        self.prices += 1
        if self.prices >= _PRICES and quick:
            return False
        if self.prices == _PRICES:
            self.split()
        return True

    def _price_why_not(self, clusters: list[Cluster], outcome: Outcome) -> bool:
        """Add a price by which this choice costs too much even if split; False if none does.

        The layers are where the pooled model has them (a cut of Benders 1962).
        """
        model, places = packing_model(self.setup, clusters, self.layers, over=True)
        for column in [c for c in model.bounds if c in self.model.bounds]:
            model.fix(column, outcome.values[column])
        vertex = relaxed(model, {OVER: 1})
        if vertex is None or vertex.value <= _SPLIT:
            return False
        weights = np.zeros_like(self.setup.room)
        linked = np.zeros((len(self.layers), *self.setup.room.shape), dtype=np.int64)
        whole = _whole([-vertex.prices[place.row] for place in places])
        for place, weight in zip(places, whole, strict=True):
            if place.layer is None:
                weights[place.server, place.limit] += weight
            else:
                linked[place.layer, place.server, place.limit] += weight
        priced = self._cost_of(weights, linked, ())
        least = sum(int(priced.each[list(c.apps)].sum(axis=0)[c.allowed].min()) for c in clusters)
        least += sum(n for column, n in priced.layers.items() if outcome.values[column])
        if least <= priced.worth + priced.size * 4 * len(self.table.names) / _ROW_UNITS:
            return False
        self._price_row(priced)
        return True


def _whole(prices: list[float]) -> list[int]:
    """Prices as whole numbers in about the same proportions; never below nothing."""
    highest = max([*prices, 0.0])
    return [round(max(0.0, p) / highest * _PRICE_UNITS) if highest else 0 for p in prices]
