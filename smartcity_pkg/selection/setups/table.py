"""A question's apps as arrays: what each needs, what it uses and where it may run.

Numbers are those of the question, exact in 64-bit whole numbers. Platform apps and install peaks
are *switches* of a server here: an app runs only where the switches that it uses are on, and a
switch that is on takes its share of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.setups.layers import as_platforms, is_layer

Array = np.ndarray[Any, np.dtype[Any]]
LIMITS = limits.SERVER_LIMITS


@dataclass(frozen=True)
class Table:
    """The arrays. Shapes: N apps, S servers, L server limits, P platform apps, V peak levels.

    `needs` (N, L). `uses` (N, P): platform apps that it requires. `level` (N,): how many peak
    levels it needs with all that it requires (0: none). `home` (N,): the position of the server
    where it runs now, else -1. `takes` (P, L): what a platform app takes of its server; `peak_of`
    (P,): its peak's level, with all that it requires; `weak` (P,): whether it stands for an image
    layer. `peaks` (V,) in MiB, rising. `supply` (S, L).
    `fits` (N, S): right architecture, and room for it alone.
    """

    question: Question
    names: tuple[str, ...]
    platforms: tuple[str, ...]
    servers: tuple[str, ...]
    needs: Array
    uses: Array
    level: Array
    home: Array
    fits: Array
    benefit: Array
    takes: Array
    peak_of: Array
    peaks: Array
    weak: Array
    supply: Array

    @cached_property
    def index(self) -> dict[str, int]:
        """The position of each app."""
        return {name: i for i, name in enumerate(self.names)}

    def candidate(self, app: int) -> Candidate:
        """The app at a position."""
        return self.question.candidates[self.names[app]]


def table_of(asked: Question) -> Table:
    """The arrays of a question, whose image layers become platform apps."""
    question = as_platforms(asked)
    apps, platforms = question.apps, question.platforms
    peaks = sorted({c.peak for c in question.candidates.values()} - {0})
    rising = np.array(peaks, dtype=np.int64)
    place = {server: i for i, server in enumerate(question.servers)}

    def needed(candidate: Candidate) -> list[int]:
        return [candidate.needs.get(limit, 0) for limit in LIMITS]

    return Table(
        question=question,
        names=tuple(c.name for c in apps),
        platforms=tuple(p.name for p in platforms),
        servers=question.servers,
        needs=np.array([needed(c) for c in apps], dtype=np.int64).reshape(-1, len(LIMITS)),
        uses=np.array(
            [[p.name in c.requires for p in platforms] for c in apps], dtype=bool
        ).reshape(len(apps), len(platforms)),
        level=np.searchsorted(rising, [_peak(question, c) for c in apps], side="right"),
        home=np.array([place.get(question.running.get(c.name, ""), -1) for c in apps], dtype=int),
        fits=np.array([_fits(question, c) for c in apps], dtype=bool).reshape(
            len(apps), len(place)
        ),
        benefit=np.array([c.benefit for c in apps], dtype=np.int64),
        takes=np.array([needed(p) for p in platforms], dtype=np.int64).reshape(-1, len(LIMITS)),
        peak_of=np.searchsorted(rising, [_peak(question, p) for p in platforms], side="right"),
        peaks=rising,
        weak=np.array([is_layer(p.name) for p in platforms], dtype=bool),
        supply=np.array(
            [[of[limit] for limit in LIMITS] for of in question.supply.values()], dtype=np.int64
        ),
    )


def _peak(question: Question, candidate: Candidate) -> int:
    """The install peak (MiB) that a server with the candidate leaves room for at least.

    Counts what it requires, and the least of what it may take as one of several.
    """
    family = [question.candidates[n] for n in question.family(candidate.name)]
    peaks = [c.peak for c in family]
    for choices in (choices for c in family for choices in c.one_of):
        peaks.append(min(_highest(question, other) for other in choices))
    return max(peaks)


def _highest(question: Question, name: str) -> int:
    return max(question.candidates[n].peak for n in question.family(name))


def _fits(question: Question, candidate: Candidate) -> list[bool]:
    """For each server whether it carries the app and what it requires, even if nothing else."""
    family = [question.candidates[n] for n in question.family(candidate.name)]
    load = question.load(c.name for c in family)
    return [
        all(c.runs_on(server) for c in family) and all(load[limit] <= of[limit] for limit in LIMITS)
        for server, of in question.supply.items()
    ]
