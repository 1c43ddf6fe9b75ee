"""Clusters of apps onto the servers of a setup, as a linear model; layers may be left to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.model import Column, LinearModel, Row
from smartcity_pkg.selection.setups.narrow import QUICK_NODES
from smartcity_pkg.selection.setups.packing import Cluster
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.setupmodel import add_layers
from smartcity_pkg.selection.setups.table import Array

OVER: Column = ("over",)
"""The column of which each unit gives as much again of every limit."""


@dataclass(frozen=True)
class Place:
    """Row `row` limits what stands on a server; with `layer`, only what needs that layer."""

    row: int
    server: int
    limit: int
    layer: int | None = None


def packing_model(
    setup: Setup, clusters: list[Cluster], layers: Array, *, over: bool = False
) -> tuple[LinearModel, list[Place]]:
    """Each cluster on one server; and the rows of limits.

    `layers` are the positions of the platform apps that stand for layers and are columns here.
    With `over` there is a column by which limits may be exceeded.
    """
    model, places = LinearModel(), list[Place]()
    if over:
        model.add(OVER, upper=1 << 20, whole=False)
    for k, cluster in enumerate(clusters):
        parts: list[Column] = [_at(k, int(s)) for s in np.flatnonzero(cluster.allowed)]
        for part in parts:
            model.add(part)
        model.rows.append(Row(dict.fromkeys(parts, 1), 1, 1))
    if len(layers):
        add_layers(setup, model, whole=True)
    for s, x in np.ndindex(setup.room.shape):
        _limit_rows(setup, clusters, layers, model, places, s, x)
    return model, places


def _limit_rows(
    setup: Setup,
    clusters: list[Cluster],
    layers: Array,
    model: LinearModel,
    places: list[Place],
    s: int,
    x: int,
) -> None:
    """One limit of one server: for all that stands there, and for the users of each layer."""
    table, room = setup.table, int(setup.room[s, x])
    more: dict[Column, int] = {OVER: -max(1, room)} if OVER in model.bounds else {}
    taking = {k: int(c.needs[x]) for k, c in enumerate(clusters) if c.allowed[s] and c.needs[x]}
    lying: dict[Column, int] = {
        ("at", table.platforms[k], table.servers[s]): int(table.takes[k, x]) for k in layers
    }
    places.append(Place(len(model.rows), s, x))
    here: dict[Column, int] = {_at(k, s): n for k, n in taking.items()}
    model.at_most({**here, **{c: n for c, n in lying.items() if n}, **more}, room)
    for w, (column, size) in enumerate(lying.items()):
        most = int(setup.most(table.uses[:, layers[w]])[s, x])
        using: dict[Column, int] = {
            _at(k, s): n
            for k, n in taking.items()
            if table.uses[list(clusters[k].apps), layers[w]].all()
        }
        if using:
            places.append(Place(len(model.rows), s, x, w))
            model.at_most({**using, column: -max(0, min(room - size, most)), **more}, 0)


def _at(cluster: int, server: int) -> Column:
    return ("at", str(cluster), str(server))


def pack_by_model(
    setup: Setup, clusters: list[Cluster], effort: Effort, layers: Array
) -> list[int] | None:
    """A server for each cluster, found by the solver within a number of branches."""
    model, _places = packing_model(setup, clusters, layers)
    outcome = highs.minimise(model, {}, replace(effort, most_nodes=QUICK_NODES))
    if not outcome.values:
        return None
    return [
        next(int(s) for s in np.flatnonzero(c.allowed) if outcome.values[_at(k, int(s))])
        for k, c in enumerate(clusters)
    ]
