"""Whole apps near a relaxation's optimum: quick, good, and without a proof.

Nearly all apps come out whole where a setup's switches are, and stay as they are. The few others,
and those that are chosen or placed by a hair, are decided by the whole model of the setup
(relaxation enforced neighbourhood search, Berthold 2014). What that found is bettered a few servers
at a time (large neighbourhood search, Shaw 1998).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from smartcity_pkg.selection import boxes
from smartcity_pkg.selection.highs import Again, Continuous, Effort, Vertex
from smartcity_pkg.selection.model import Column
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.relaxed import Aim, objective_of
from smartcity_pkg.selection.setup import Setup
from smartcity_pkg.selection.setupmodel import whole_model
from smartcity_pkg.selection.table import Array
from smartcity_pkg.selection.verify import violations

_OPEN = 60
"""Apps that are decided at once, besides those that the relaxation splits."""

_SERVERS = 4
"""Servers that are looked at together."""

_FIRST_NODES, _NODES = 1000, 300
"""Branches of a run: a second or two at first, then a quarter of one."""

_STALE = 30
"""Runs without anything better after which it is enough."""


class Nearby:
    """Whole apps for a setup near `vertex`, an optimum of `solver` with its switches so."""

    def __init__(self, setup: Setup, solver: Continuous, vertex: Vertex, effort: Effort) -> None:
        table = self.table = setup.table
        self.setup, self.effort = setup, replace(effort, threads=1, seed=0)
        chosen: list[Column] = [("chosen", name) for name in table.names]
        spots: list[Column] = [("at", name, s) for name in table.names for s in table.servers]
        shape = (len(table.names), len(table.servers))
        at, own = solver.positions(spots).reshape(shape), solver.positions(chosen)
        values, prices = vertex.values[at], vertex.reduced[at] + vertex.reduced[own][:, None]
        must = [table.candidate(i).must for i in range(shape[0])]
        nowhere = np.where(must, np.inf, 0.0)[:, None]
        # What it costs that an app is on a server, or (the last column) nowhere: by a unit of it.
        self.costs = np.hstack([np.where(setup.admits, prices, np.inf), nowhere])
        self.split = boxes.undecided(values).any(axis=1)
        self.places = np.where(vertex.values[own] > 0.5, values.argmax(axis=1), shape[1])
        model = whole_model(setup)
        self.solvers = [Again(model, objective_of(table, Aim())) for _side in (0, 1)]
        self.columns = self.solvers[0].positions([*spots, *chosen])
        self.placement: Placement | None = None

    @property
    def benefit(self) -> int:
        """That of the apps that are somewhere."""
        return int(self.table.benefit[self.places < len(self.table.servers)].sum())

    def search(self, until: float) -> Generator[tuple[Callable[[], Any], ...], list[Any], None]:
        """Look for a placement until then, two runs at once (`abreast`)."""
        everywhere = range(len(self.table.servers))
        yield from self._try([everywhere], replace(self.effort, most_nodes=_FIRST_NODES), until)
        order, stale = random.Random(0), 0
        effort = replace(self.effort, most_nodes=_NODES)
        while self.placement is not None and stale < _STALE and time.monotonic() < until:
            before, servers = self.benefit, list(everywhere)
            order.shuffle(servers)
            groups = [servers[:_SERVERS], servers[_SERVERS : 2 * _SERVERS]]
            yield from self._try([g for g in groups if g], effort, until)
            stale = 0 if self.benefit > before else stale + len(groups)

    def _try(
        self, groups: list[Sequence[int]], effort: Effort, until: float
    ) -> Generator[tuple[Callable[[], Any], ...], list[Any], None]:
        """Decide anew on apps of each group of servers; keep what is better."""
        effort = replace(effort, time_limit_s=until - time.monotonic())
        found = yield tuple(
            partial(self._decided, side, list(group), effort) for side, group in enumerate(groups)
        )
        before = self.places
        for places in found:
            if places is not None:  # what the other has changed stays, if both go together
                moved = places != before
                self._keep(np.where(moved, places, self.places))

    def _keep(self, places: Array) -> None:
        somewhere = np.flatnonzero(places < len(self.table.servers))
        placement = self.setup.placement({self.table.names[i]: int(places[i]) for i in somewhere})
        if not violations(self.table.question, placement):
            self.places, self.placement = places, placement

    def _decided(self, side: int, servers: list[int], effort: Effort) -> Array | None:
        """Where apps go if those that matter most to these servers are decided anew."""
        first, count = self.placement is None, len(self.table.servers)
        here = [*servers, count]
        costs = self.costs[:, here]
        near = np.isin(self.places, here) & np.isfinite(costs[:, :-1]).any(axis=1)
        ranked = np.sort(costs, axis=1)
        own = np.take_along_axis(self.costs, self.places[:, None], axis=1)[:, 0]
        # The less the next best place costs more, and the more the present one, the sooner.
        score = ranked[:, 1] - ranked[:, 0] - 2 * np.maximum(0, own - ranked[:, 0])
        score = np.where(near, np.where(self.split & first, -np.inf, score), np.inf)
        free = np.argsort(score, kind="stable")[: _OPEN + int(self.split.sum()) * first]
        upper = np.eye(count + 1)[self.places]
        lower = np.where(np.isin(np.arange(len(upper)), free)[:, None], 0, upper)
        upper[np.ix_(free, here)] = np.isfinite(costs[free])
        low = np.hstack([lower[:, :count].ravel(), 1 - upper[:, count]])
        high = np.hstack([upper[:, :count].ravel(), 1 - lower[:, count]])
        most = np.inf if first else -self.benefit - 1
        values = self.solvers[side].minimise(self.columns, low, high, most, effort)
        if values is None:
            return None
        at = values[self.columns[: len(self.places) * count]].reshape(-1, count)
        return np.where(at.any(axis=1), at.argmax(axis=1), count)
