"""Whole apps near a relaxation's optimum: quick, good, and without a proof.

Nearly all apps come out whole where a setup's switches are, and stay as they are. The few others,
and those that are chosen or placed by a hair, are decided by the whole model of the setup
(relaxation enforced neighbourhood search, Berthold 2014). What that found is bettered a few servers
at a time (large neighbourhood search, Shaw 1998).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial

import numpy as np

from smartcity_pkg.selection.abreast import Work
from smartcity_pkg.selection.highs import Again, Continuous, Effort, Vertex
from smartcity_pkg.selection.model import Column
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.setups import boxes
from smartcity_pkg.selection.setups.relaxed import Aim, objective_of
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.setupmodel import whole_model
from smartcity_pkg.selection.setups.table import Array
from smartcity_pkg.selection.verify import violations

_OPEN = 60
"""Apps that are decided at once, besides those that the relaxation splits."""

_OPEN_FIRST = (_OPEN, 4 * _OPEN, 16 * _OPEN)
"""The same at first: more where so many are not enough for must-have apps to find a place."""

_SERVERS = 4
"""Servers that are looked at together."""

_FIRST_NODES, _NODES = 1000, 300
"""Branches of a run: a second or two at first, then a quarter of one."""

_STALE = 20
"""Pairs of runs without anything better after which it is enough."""

_MUCH = 1e6
"""The most that a place counts as costing: one where the app cannot be."""


class Nearby:
    """Whole apps for a setup near `vertex`, an optimum of `solver` with its switches so.

    `placement` is the best found, None where there is none.
    """

    def __init__(self, setup: Setup, solver: Continuous, vertex: Vertex, effort: Effort) -> None:
        self.setup, self.effort = setup, replace(effort, threads=1, seed=0)
        table = self.table = setup.table
        self.count = len(table.servers)
        chosen: list[Column] = [("chosen", name) for name in table.names]
        spots: list[Column] = [("at", name, s) for name in table.names for s in table.servers]
        own, at = solver.positions(chosen), solver.positions(spots).reshape(-1, self.count)
        must = [[table.candidate(i).must] for i in range(len(chosen))]
        prices = vertex.reduced[at] + vertex.reduced[own][:, None]
        # (N, S + 1): what it costs to have an app on each server, and (last) nowhere.
        self.costs = np.hstack([np.where(setup.admits, prices, np.inf), np.where(must, np.inf, 0)])
        values = vertex.values[at]
        self.split: Array = np.asarray(boxes.undecided(values).any(axis=1))
        self.places = np.where(vertex.values[own] > 0.5, values.argmax(axis=1), self.count)
        model = whole_model(setup)
        self.solvers = [Again(model, objective_of(table, Aim())) for _side in (0, 1)]
        self.columns = self.solvers[0].positions([*spots, *chosen])
        self.placement: Placement | None = None

    def search(self, until: float) -> Work:
        """Look for placements until then, or until nothing better turns up."""
        order, stale = np.random.default_rng(0), 0
        for count in _OPEN_FIRST:
            if self.placement is None and time.monotonic() < until:
                yield from self._decide(until, [np.arange(self.count)], count, _FIRST_NODES)
        while self.placement is not None and stale < _STALE and time.monotonic() < until:
            servers = order.permutation(self.count)
            groups = [servers[:_SERVERS], servers[_SERVERS : 2 * _SERVERS]]
            before = self.benefit
            yield from self._decide(until, [g for g in groups if len(g)], _OPEN, _NODES)
            stale = 0 if self.benefit > before else stale + 1

    @property
    def benefit(self) -> int:
        """That of the apps that are somewhere."""
        return self._benefit(self.places)

    def _benefit(self, places: Array) -> int:
        return int(self.table.benefit[places < self.count].sum())

    def _decide(self, until: float, groups: list[Array], count: int, most_nodes: int) -> Work:
        """Decide anew on the `count` apps that matter most to each group of servers.

        What is better is kept.

        Two groups go side by side; what the second changes is kept if it goes with the first's.
        """
        left = until - time.monotonic()
        effort = replace(self.effort, time_limit_s=left, most_nodes=most_nodes)
        before = self.places
        found = yield tuple(
            partial(self._decided, side, group, count, effort) for side, group in enumerate(groups)
        )
        for places in found:
            if places is not None:
                self._keep(np.where(places != before, places, self.places))

    def _keep(self, places: Array) -> None:
        if self.placement is not None and self._benefit(places) <= self.benefit:
            return
        spots = {self.table.names[i]: int(places[i]) for i in np.flatnonzero(places < self.count)}
        placement = self.setup.placement(spots)
        if not violations(self.table.question, placement):
            self.places, self.placement = places, placement

    def _decided(self, side: int, servers: Array, count: int, effort: Effort) -> Array | None:
        """The places of apps, those open decided anew: on these servers or nowhere."""
        here = np.append(servers, self.count)
        free = self._open(here, count)
        upper = np.eye(self.count + 1)[self.places]
        lower = upper.copy()
        lower[free] = 0
        upper[np.ix_(free, here)] = np.isfinite(self.costs[np.ix_(free, here)])
        lows = np.hstack([lower[:, :-1].ravel(), 1 - upper[:, -1]])
        highs = np.hstack([upper[:, :-1].ravel(), 1 - lower[:, -1]])
        most = math.inf if self.placement is None else -self.benefit - 1
        values = self.solvers[side].minimise(self.columns, lows, highs, most, effort)
        if values is None:
            return None
        at = values[self.columns[: upper[:, :-1].size]].reshape(-1, self.count)
        return np.where(at.any(axis=1), at.argmax(axis=1), self.count)

    def _open(self, here: Array, count: int) -> Array:
        """The `count` apps to decide on: another place is worth nearly as much to them, or more.

        At first, all that the relaxation splits are among them.
        """
        near = np.flatnonzero(
            np.isin(self.places, here) & np.isfinite(self.costs[:, here[:-1]]).any(axis=1)
        )
        costs = np.sort(self.costs[np.ix_(near, here)], axis=1)
        loss = np.minimum(self.costs[near, self.places[near]], _MUCH) - costs[:, 0]
        score = costs[:, 1] - costs[:, 0] - 2 * loss
        split = self.split[near] & (self.placement is None)
        score[split] = -np.inf
        return near[np.argsort(score, kind="stable")[: count + int(split.sum())]]
