"""From a relaxation's optimum down to a first setup, and on to a better one near by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from smartcity_pkg.selection.highs import Vertex
from smartcity_pkg.selection.setups import boxes
from smartcity_pkg.selection.setups.table import Array

_AFAR, _TURNING = 0.2, 0.25
"""The parts of the time that is left for a guess from afar, and for turning switches over."""

_MOST_STEPS = 2000
"""Steps of the simplex that turning a switch over may take."""

_LEAST_GAIN = 0.5
"""By how much of the objective, a whole number, turning a switch over must better a setup."""


class Solve(Protocol):
    """The relaxation's optimum with the switches in a box, by one of the two solvers."""

    def __call__(
        self,
        lower: Array,
        upper: Array,
        basis: object,
        solver: int = 0,
        cutoff: float = math.inf,
        most_steps: int | None = None,
    ) -> Vertex | None:
        """None where nothing is in the box, or nothing below `cutoff`, or it takes more steps."""


@dataclass(frozen=True)
class Root:
    """The box of all `switches` (their positions in a vertex), and its optimum."""

    switches: Array
    lower: Array
    upper: Array
    vertex: Vertex


def from_both_sides(
    solve: Solve, root: Root, deadline: float, afar: Callable[[float], Array | None]
) -> Generator[tuple[Callable[[], Any], ...], list[Any], Vertex | None]:
    """The optimum of a good setup, for questions where branching hardly comes to another in time.

    Two guesses are made at once: one by a careful descent, one by `afar`, which is given seconds.
    From the better one, single switches are turned over.
    """
    left = deadline - time.monotonic()
    vertex, values = yield (
        partial(down, solve, root, deadline, careful=True),
        partial(afar, _AFAR * left),
    )
    if values is not None:
        cutoff = math.inf if vertex is None else vertex.value
        vertex = solve(values, values, root.vertex.basis, cutoff=cutoff) or vertex
    if vertex is None:
        return None
    left = deadline - time.monotonic()
    return (yield from _turned(solve, root.switches, vertex, time.monotonic() + _TURNING * left))


def down(solve: Solve, root: Root, deadline: float, *, careful: bool) -> Vertex | None:
    """An optimum with whole switches, by one path of rounding; None where that leads nowhere."""
    switches, lower, upper, vertex = root.switches, root.lower, root.upper, root.vertex
    while time.monotonic() < deadline:
        values = vertex.values[switches]
        split = np.flatnonzero(boxes.undecided(values))
        if not len(split):
            return vertex
        low, high = (boxes.with_care if careful else boxes.all_on)(lower, upper, values)
        deeper = solve(low, high, vertex.basis)
        if deeper is None:  # too much at once
            j = split[np.argmin(np.abs(values[split] - 0.5))]
            low, high = lower.copy(), upper.copy()
            low[j] = high[j] = np.round(values[j])
            deeper = solve(low, high, vertex.basis)
        if deeper is None:
            return None
        lower, upper, vertex = low, high, deeper
    return None


def _turned(
    solve: Solve, switches: Array, vertex: Vertex, until: float
) -> Generator[tuple[Callable[[], Any], ...], list[Any], Vertex]:
    """The best setup that turning single switches over leads to, two tried at once (`abreast`).

    The most promising by the reduced costs come first: guesses, as more moves with a switch.
    """
    tried: set[int] = set()
    while time.monotonic() < until:
        values = np.round(vertex.values[switches])
        gains = vertex.reduced[switches] * (2 * values - 1)
        order = [int(j) for j in np.argsort(-gains, kind="stable") if gains[j] > _LEAST_GAIN]
        now = [j for j in order if j not in tried][:2]
        if not now:
            break
        tried.update(now)
        points = [np.where(np.arange(len(values)) == j, 1 - values, values) for j in now]
        cutoff = vertex.value - _LEAST_GAIN
        found = yield tuple(
            partial(solve, point, point, vertex.basis, side, cutoff, _MOST_STEPS)
            for side, point in enumerate(points)
        )
        best = min((v for v in found if v is not None), key=lambda v: v.value, default=vertex)
        if best.value < cutoff:
            vertex, tried = best, set()
    return vertex
