"""Minimise one model in a narrow window below its bound, where few columns stay open.

How a single run goes is in `highs`; which model, in `filling`.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace

import numpy as np

from smartcity_pkg.selection import highs
from smartcity_pkg.selection.highs import Continuous, Effort, Outcome, Status, Vertex
from smartcity_pkg.selection.model import LinearModel, Terms

WINDOWS = (0.3, 1.0)
"""How far from the bound the best choice is looked for first, in apps of average benefit."""

QUICK_NODES = 200
"""Branches after which a run that only serves to find something is over."""

SLACK = 0.05
"""A dual bound must exceed a whole number by this much to exclude it."""


def minimise(
    model: LinearModel,
    objective: Terms,
    cutoff: int | None,
    effort: Effort,
    least: int | None = None,
) -> Outcome:
    """The optimum with an objective of at most `cutoff`; INFEASIBLE where there is none.

    `least` is a bound that is known already: nothing below it is looked for. Columns are fixed by
    their reduced costs first (Dantzig, Fulkerson and Johnson 1954): in a narrow window below the
    bound, few stay open. Where a window is no quick matter, something good is looked for, and then
    whether there is anything better.
    """
    vertex = relaxed(model, objective)
    if vertex is None:
        return Outcome(Status.INFEASIBLE, {}, None)
    relaxed_least = math.ceil(vertex.value - SLACK)
    least = relaxed_least if least is None else max(least, relaxed_least)
    deadline = time.monotonic() + effort.time_limit_s

    def run(target: int | None, most_nodes: int | None) -> Outcome:
        if target is not None and target < least:
            return Outcome(Status.INFEASIBLE, {}, None)
        narrowed = model.copy()
        if target is not None:
            fix_by_reduced_costs(narrowed, vertex, target)
            narrowed.at_most(objective, target)
        left = deadline - time.monotonic()
        return highs.minimise(
            narrowed, objective, replace(effort, time_limit_s=left, most_nodes=most_nodes)
        )

    quick = QUICK_NODES if effort.most_nodes is None else min(QUICK_NODES, effort.most_nodes)
    found = Outcome(Status.STOPPED, {}, None)
    unit = max(1.0, statistics.fmean(abs(n) for n in objective.values()) if objective else 1.0)
    for window in WINDOWS:
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


def relaxed(model: LinearModel, objective: Terms) -> Vertex | None:
    """The optimum without whole numbers; None where nothing is allowed."""
    none = np.zeros(0)
    return Continuous(model, objective).solve(np.zeros(0, dtype=np.int32), none, none)


def fix_by_reduced_costs(model: LinearModel, vertex: Vertex, target: int) -> None:
    """Fix the whole columns that cannot leave their bound with an objective of at most `target`."""
    for j, (column, (lower, upper)) in enumerate(model.bounds.items()):
        reduced, value = vertex.reduced[j], vertex.values[j]
        if lower == upper or column not in model.counted:
            continue
        if vertex.value + abs(reduced) > target + SLACK:
            if reduced > 0 and value < lower + 1e-9:
                model.fix(column, lower)
            elif reduced < 0 and value > upper - 1e-9:
                model.fix(column, upper)
