"""Boxes of switches: the lowest and the highest value that each may have, 0 or 1.

`lower`, `upper` and `values` (what a relaxation makes of the switches) are arrays of one entry a
switch; all functions give new arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from smartcity_pkg.selection.setups.table import Array

LARGE = 5000
"""Apps times servers from which on the first setup is looked for with care: branching hardly comes
to another one in time. Where it does, all switches in use are simply turned on."""

_WHOLE = 1e-6
_SURELY_ON, _SURELY_OFF, _STEPS = 0.9, 0.05, 10
"""With care: switches above and below these go on and off, and of the others a tenth a step."""


def undecided(values: Array) -> Array:
    """A mask of the switches that are neither on nor off."""
    mask: Array = np.minimum(values, 1 - values) > _WHOLE
    return mask


def all_on(lower: Array, upper: Array, values: Array) -> tuple[Array, Array]:
    """The box with all switches on that are in use.

    On a large server a switch costs little, and what it opens is worth more.
    """
    low = lower.copy()
    low[values > _WHOLE] = 1
    return low, upper.copy()


def with_care(lower: Array, upper: Array, values: Array) -> tuple[Array, Array]:
    """The box with only the surest switches decided, and of the undecided at least one."""
    low, high = lower.copy(), upper.copy()
    split = np.flatnonzero(undecided(values))
    low[values > _SURELY_ON] = 1
    highest = split[np.argsort(-values[split], kind="stable")]
    low[highest[: math.ceil(len(split) / _STEPS)]] = 1
    high[undecided(values) & (values < _SURELY_OFF) & (low < 1)] = 0
    return low, high


def fixed(
    lower: Array, upper: Array, values: Array, reduced: Array, far: Array
) -> tuple[Array, Array]:
    """The box with switches fixed where they are, where moving would lead too `far` (a mask).

    `reduced` are the reduced costs of the switches (Dantzig, Fulkerson and Johnson 1954).
    """
    low, high = lower.copy(), upper.copy()
    low[far & (values > 1 - _WHOLE) & (reduced < 0)] = 1
    high[far & (values < _WHOLE) & (reduced > 0)] = 0
    return np.minimum(low, high), high


def others(lower: Array, upper: Array, values: Array) -> Iterator[tuple[Array, Array]]:
    """The rest of a box without the point `values`: one part for each switch that is free."""
    low, high = lower.copy(), upper.copy()
    for j in np.flatnonzero(lower < upper):
        other_low, other_high = low.copy(), high.copy()
        other_low[j] = other_high[j] = 1 - values[j]
        yield other_low, other_high
        low[j] = high[j] = values[j]
