"""A better bound than a relaxation's: apps whole, servers pooled, switches as a node has them.

All rows that say where something is become one, weighed by the duals of the node's optimum
(surrogate constraint, Glover 1968). As a linear program that loses nothing of the node's bound;
with whole apps it gains what the limits of the pemda and the sizes of apps make impossible.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np

from smartcity_pkg.selection.highs import Effort, Outcome, Status, Vertex
from smartcity_pkg.selection.model import Column, LinearModel, Row
from smartcity_pkg.selection.setups.narrow import minimise, relaxed
from smartcity_pkg.selection.setups.relaxed import Relaxation
from smartcity_pkg.selection.setups.table import LIMITS, Array, Table

ROUNDS = 3
"""Rows that are added at most."""

_SPLIT = 1e-5
"""The part of a server's supply that a choice must lack for a row to say so."""

_PRICE_UNITS = 10_000_000
"""Prices are rounded to so many parts of the highest: whole numbers keep the row exact."""

_ROW_UNITS = 100_000_000
"""The size that the row is scaled to, far from what floats confuse."""


class Tightened:
    """The pooled model of a node, whose switches are between `lower` and `upper`."""

    def __init__(self, relaxation: Relaxation, vertex: Vertex, lower: Array, upper: Array) -> None:
        self.relaxation = relaxation
        self.model = LinearModel()
        for name in relaxation.table.names:
            low, high = relaxation.model.bounds[("chosen", name)]
            self.model.add(("chosen", name), lower=low, upper=high)
        for column, low, high in zip(relaxation.switches, lower, upper, strict=True):
            self.model.add(column, lower=int(low), upper=int(high), whole=False)
        for column in relaxation.layers:
            self.model.add(column, whole=False)
        self.split = False
        self.placed: list[int] = []
        for number, row in enumerate(relaxation.model.rows):
            if all(column in self.model.bounds for column in row.terms):
                self.model.rows.append(row)
            elif row.lower != row.upper:
                self.placed.append(number)
        self.kept = len(self.model.rows)
        _together_rows(relaxation.table, self.model)
        _pooled_rows(relaxation, self.model)
        self._price(vertex.prices)

    def bound(self, cutoff: int | None, effort: Effort, least: int, *, split: bool) -> int | None:
        """A lower bound of the node's objective; None where nothing is at most `cutoff`.

        `least` is a bound that is known. First rows are added that say why a choice does not go in;
        where that is not enough, or from the beginning with `split`, every server comes into the
        model.
        """
        deadline = time.monotonic() + effort.time_limit_s
        for number in range(ROUNDS + 1):
            if number == ROUNDS or split:
                self.split = True
                self._split()
            left = replace(effort, time_limit_s=deadline - time.monotonic())
            outcome = minimise(self.model, self.relaxation.objective, cutoff, left, least)
            if outcome.status is Status.INFEASIBLE:
                return None
            if outcome.bound is not None:
                least = max(least, outcome.bound)
            if time.monotonic() >= deadline:
                break
            if self.split or outcome.status is Status.STOPPED or not self._price_why_not(outcome):
                break
        return least

    def _split(self) -> None:
        """Let apps be split over servers, but chosen as a whole, under all rows; switches whole."""
        model = self.relaxation.model.copy()
        for column, (low, high) in self.model.bounds.items():
            model.add(column, lower=low, upper=high)
        model.rows += self.model.rows[self.kept :]
        self.model = model

    def _price_why_not(self, outcome: Outcome) -> bool:
        """Add the row that shows why a choice does not go in even if split; False if it does."""
        relaxation, over = self.relaxation, ("over",)
        model = relaxation.model.copy()
        model.add(over, upper=1 << 20, whole=False)
        for column, (low, high) in self.model.bounds.items():
            model.bounds[column] = (low, high)
            if column[0] == "chosen":
                model.fix(column, outcome.values[column])
        first = {p.row: p for p in relaxation.priced}
        for number, priced in first.items():
            row = model.rows[number]
            supply = max(1, int(relaxation.table.supply[priced.server, priced.limit]))
            model.rows[number] = replace(row, terms={**row.terms, over: -supply})
        vertex = relaxed(model, {over: 1})
        if vertex is None or vertex.value < _SPLIT:
            return False
        self._price(vertex.prices)
        return True

    def _price(self, prices: Array) -> None:
        rows = self.relaxation.model.rows
        _surrogate_row(
            self.relaxation, self.model, [(rows[n], float(prices[n])) for n in self.placed]
        )


def _together_rows(table: Table, model: LinearModel) -> None:
    """An app is chosen only with the apps that it requires."""
    for i, name in enumerate(table.names):
        candidate = table.candidate(i)
        groups = [(other,) for other in candidate.requires] + list(candidate.one_of)
        for choices in groups:
            if all(other in table.index for other in choices):
                there: dict[Column, int] = {("chosen", other): -1 for other in choices}
                model.at_most({**there, ("chosen", name): 1}, 0)


def _surrogate_row(
    relaxation: Relaxation, model: LinearModel, placed: list[tuple[Row, float]]
) -> None:
    """One row for all of `placed`; each app counts as on the server where it costs least."""
    highest = max((abs(price) for _row, price in placed), default=0.0)
    if not highest:
        return
    cost: dict[Column, int] = defaultdict(int)
    worth = 0
    for row, price in placed:
        weight = round(abs(price) / highest * _PRICE_UNITS)
        # A price with the wrong sign is an error of rounding.
        if row.upper is not None and price < 0:
            worth += weight * row.upper
        elif row.lower is not None and price > 0:
            worth, weight = worth - weight * row.lower, -weight
        else:
            continue
        for column, factor in row.terms.items():
            cost[column] += weight * factor
    table, bounds = relaxation.table, relaxation.model.bounds
    switches = (*relaxation.switches, *relaxation.layers)
    apps: dict[Column, int] = {}
    for name in table.names:
        parts: list[Column] = [("at", name, server) for server in table.servers]
        least = [cost[c] for c in parts if bounds[c][1]]
        chosen: Column = ("chosen", name)
        if not least:
            model.at_most({chosen: 1}, 0)
            continue
        apps[chosen] = min(least) + cost[chosen]
    size = max(1, abs(worth), sum(abs(cost[c]) for c in switches), *map(abs, apps.values()))
    unit = size / _ROW_UNITS
    terms = {c: math.floor(n / unit) for c, n in [*apps.items(), *((c, cost[c]) for c in switches)]}
    model.at_most({c: n for c, n in terms.items() if n}, math.ceil(worth / unit))


def _pooled_rows(relaxation: Relaxation, model: LinearModel) -> None:
    """What all servers have of each limit."""
    table = relaxation.table
    for limit, name in enumerate(LIMITS):
        terms: dict[Column, int] = {
            ("chosen", table.names[i]): int(table.needs[i, limit])
            for i in np.flatnonzero(table.needs[:, limit])
        }
        for server in table.servers:
            for k, platform in enumerate(table.platforms):
                if table.takes[k, limit] and ("at", platform, server) in model.bounds:
                    terms[("at", platform, server)] = int(table.takes[k, limit])
            if name == "memory_mib":
                steps = np.diff(table.peaks, prepend=0)
                terms |= {("peak", str(v), server): int(step) for v, step in enumerate(steps)}
        model.at_most(terms, int(table.supply[:, limit].sum()))
