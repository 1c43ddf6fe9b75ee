"""Whole apps near a relaxation's optimum: quick, good, and without a proof.

Nearly all apps come out whole where a setup's switches are, and stay as they are. The few others,
and those that are chosen or left out by a hair, are decided by the whole model of the setup
(relaxation enforced neighbourhood search, Berthold 2014).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from smartcity_pkg.selection import boxes, highs
from smartcity_pkg.selection.highs import Continuous, Effort, Vertex
from smartcity_pkg.selection.model import Column
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.relaxed import Aim, objective_of
from smartcity_pkg.selection.setup import Setup
from smartcity_pkg.selection.setupmodel import spots_of, whole_model
from smartcity_pkg.selection.table import Array
from smartcity_pkg.selection.verify import violations

_CLOSE = 60
"""Apps that are decided besides those that are split."""

_NODES = 1000
"""Branches of that model: a second or two, and ten times as many better it little."""


def nearby(setup: Setup, solver: Continuous, vertex: Vertex, effort: Effort) -> Placement | None:
    """A placement for the setup near `vertex`, an optimum of `solver` with its switches so."""
    table = setup.table
    chosen = solver.positions([("chosen", name) for name in table.names])
    spots: list[Column] = [("at", name, s) for name in table.names for s in table.servers]
    at = solver.positions(spots).reshape(len(table.names), -1)
    home = vertex.values[at].argmax(axis=1)
    model = whole_model(setup)
    for i in np.flatnonzero(~_open(setup, vertex, chosen, at)):
        name, on = table.names[i], bool(vertex.values[chosen[i]] > 0.5)
        model.fix(("chosen", name), int(on))
        for s, server in enumerate(table.servers):
            model.fix(("at", name, server), int(on and s == home[i]))
    effort = replace(effort, threads=1, seed=0, most_nodes=_NODES)
    outcome = highs.minimise(model, objective_of(table, Aim()), effort)
    placement = setup.placement(spots_of(table, outcome.values))
    return None if violations(table.question, placement) else placement


def _open(setup: Setup, vertex: Vertex, chosen: Array, at: Array) -> Array:
    """A mask of the apps to decide: the split ones, and those of which a change costs least."""
    values, reduced = vertex.values[at], vertex.reduced[at]
    split = boxes.undecided(values).any(axis=1)
    best = np.where(setup.admits, reduced, np.inf).min(axis=1)
    here = np.take_along_axis(reduced, values.argmax(axis=1)[:, None], axis=1)[:, 0]
    on, own = vertex.values[chosen] > 0.5, vertex.reduced[chosen]
    cost = np.where(split, -np.inf, np.where(on, -(here + own), best + own))
    mask = np.zeros(len(cost), dtype=bool)
    mask[np.argsort(cost, kind="stable")[: int(split.sum()) + _CLOSE]] = True
    return mask
