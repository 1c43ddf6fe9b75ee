"""Whether a tightened bound is worth its time at a node, learnt from the search so far."""

from __future__ import annotations

import math
import statistics

_GAIN = 0.3
"""How much the first tightened bound is expected to gain, in apps of average benefit."""

_FLAT, _STEP = 25, 0.9
"""Nodes in which the gap should shrink to this part; else another kind of bound is tried."""

_FLAT_HOPE = 3.0
"""The hope there, and at the root."""

_MORE, _LESS = 1.2, 0.7
"""How the hope that a tightened bound is enough grows and falls, in parts of the mean gain."""


class Outlook:
    """`unit` is the benefit of an average app; gaps and gains are in benefit too."""

    def __init__(self, unit: float) -> None:
        self._gains = [_GAIN * unit]
        self._hope = 0.5
        self._flat = 0
        self._gap = math.inf

    def watch(self, gap: float) -> None:
        """Count for how many nodes the relaxation's bound has hardly come nearer to the limit."""
        if gap < _STEP * self._gap:
            self._flat, self._gap = 0, gap
        else:
            self._flat += 1
            self._gap = min(self._gap, gap / _STEP)

    def promising(self, gap: float, *, first: bool, layered: bool) -> bool:
        """Whether a tightened bound might close a node's gap; `first`: that of the root."""
        hope = self._hope if layered else 0.0
        if first or self._flat >= _FLAT:  # branching moves the bound too little
            hope = _FLAT_HOPE
        return gap <= hope * statistics.fmean(self._gains)

    def learn(self, gain: float) -> None:
        """Note by how much whole apps were worse than a relaxation."""
        self._gains.append(max(0.0, gain))

    def judge(self, *, enough: bool) -> None:
        """Note whether a tightened bound closed its node's gap."""
        self._hope *= _MORE if enough else _LESS
