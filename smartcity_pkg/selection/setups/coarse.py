"""A large question seen from afar: like apps become one column, and few enough are left.

Apps that need the same switches and may run on the same servers are alike, and of those the ones
that are worth about as much form a *lot*, of which any part may be on any server. The relaxation
of lots is some ten times smaller than that of apps. It bounds nothing, as lots cannot be sorted by
what each server has most of; but its best switches are a good guess.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Continuous, Effort, Vertex
from smartcity_pkg.selection.problem import Candidate
from smartcity_pkg.selection.setups.relaxed import Aim, relax
from smartcity_pkg.selection.setups.table import Array, Table

_LOTS = 6
"""Lots of apps that are alike, at most."""

_APPS = 3
"""Apps a lot, at least, where there are so many."""


def guess(
    table: Table, solver: Continuous, vertex: Vertex, effort: Effort, seconds: float
) -> Array | None:
    """The switches of a good setup, in the order of a relaxation's; None where none is found.

    `vertex` is the optimum of all by `solver`, and says what each app is worth.
    """
    effort = replace(effort, threads=1, seed=0, time_limit_s=seconds)
    at = solver.positions([("at", name, s) for name in table.names for s in table.servers])
    own = solver.positions([("chosen", name) for name in table.names])
    reduced = vertex.reduced[at].reshape(len(table.names), -1) + vertex.reduced[own][:, None]
    relaxation = relax(_lots(table, reduced.min(axis=1)), Aim(), layered=False)
    outcome = highs.minimise(relaxation.model, relaxation.objective, effort)
    if not outcome.values:
        return None
    return np.array([outcome.values[c] for c in relaxation.switches], dtype=float)


def _lots(table: Table, costs: Array) -> Table:
    """The table of lots; `costs` (N,) of choosing each app say which are worth about as much."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i in np.argsort(costs, kind="stable"):
        alike[_likeness(table, int(i))].append(int(i))
    lots = [
        part
        for apps in alike.values()
        for part in np.array_split(apps, min(_LOTS, math.ceil(len(apps) / _APPS)))
    ]
    first = [int(lot[0]) for lot in lots]
    candidates = {p.name: p for p in table.question.platforms}
    candidates |= {c.name: c for c in (_lot(table, lot) for lot in lots)}
    return replace(
        table,
        question=replace(table.question, candidates=candidates, conflicts=(), running={}),
        names=tuple(table.names[i] for i in first),
        needs=np.array([table.needs[lot].sum(axis=0) for lot in lots]),
        uses=table.uses[first],
        level=table.level[first],
        home=np.full(len(lots), -1),
        fits=table.fits[first],
        benefit=np.array([table.benefit[lot].sum() for lot in lots]),
    )


def _likeness(table: Table, app: int) -> tuple[object, ...]:
    """What apps have in common that are alike."""
    question, strong = table.question, ~table.weak
    family = question.family(table.names[app])
    choices = frozenset(g for n in family for g in question.candidates[n].one_of)
    must = table.candidate(app).must
    return (*table.uses[app, strong], *table.fits[app], int(table.level[app]), choices, must)


def _lot(table: Table, apps: Array) -> Candidate:
    """A lot as one app, with the name of its first."""
    question, members = table.question, [table.candidate(i) for i in apps]
    needs: dict[str, int] = defaultdict(int)
    for limit, amount in (pair for member in members for pair in member.needs.items()):
        needs[limit] += amount
    family = [question.candidates[n] for n in question.family(members[0].name)]
    choices = {g for member in family for g in member.one_of if set(g) <= set(table.platforms)}
    return replace(
        members[0],
        benefit=sum(member.benefit for member in members),
        needs=dict(needs),
        requires=tuple(n for n in members[0].requires if n in table.platforms),
        one_of=tuple(sorted(choices)),
    )
