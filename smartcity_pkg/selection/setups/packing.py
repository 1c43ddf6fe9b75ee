"""Whole apps onto servers: a placement of given apps with a given setup, by local search.

Vector bin packing with many small items. Whole-number arithmetic and no chance: the same apps
always come to the same places. Not finding a placement proves nothing; that is for `filling`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.table import Array

_ROUNDS = 150
_SCALE = 1 << 20
"""Of overloads: parts of what all servers together have of the limit."""


@dataclass(frozen=True)
class Cluster:
    """Apps (by position) that must share a server: `needs` (L,), and where they may be (S,)."""

    apps: tuple[int, ...]
    needs: Array
    allowed: Array


def clusters_of(setup: Setup, chosen: Array) -> list[Cluster] | None:
    """The clusters of the chosen apps (a mask).

    None where a cluster has no server, or an app requires one that is not chosen.
    """
    table, index = setup.table, setup.table.index
    leader = list(range(len(table.names)))

    def find(i: int) -> int:
        while leader[i] != i:
            i = leader[i]
        return i

    for i in np.flatnonzero(chosen):
        for other in table.candidate(int(i)).requires:
            if other in index:
                if not chosen[index[other]]:
                    return None
                leader[find(int(i))] = find(index[other])
    members: dict[int, list[int]] = {}
    for i in np.flatnonzero(chosen):
        members.setdefault(find(int(i)), []).append(int(i))
    found = []
    for apps in members.values():
        allowed = np.asarray(setup.admits[apps].all(axis=0))
        if not allowed.any():
            return None
        found.append(Cluster(tuple(apps), table.needs[apps].sum(axis=0), allowed))
    return found


def pack(clusters: list[Cluster], room: Array) -> list[int] | None:
    """A server for each cluster so that no limit of `room` (S, L) is exceeded, or None.

    First each cluster, the largest first, goes where it leaves the load most even. Then clusters
    move and change places, as long as that lessens what is too much; in a dead end, the limits
    that are exceeded weigh more from then on (breakout local search, Morris 1993).
    """
    if not clusters:
        return []
    search = _Search(clusters, room)
    if (search.needs.sum(axis=0) > np.maximum(0, room).sum(axis=0)).any():
        return None
    search.run()
    return None if search.overloaded else [int(s) for s in search.at]


def pack_most(clusters: list[Cluster], room: Array, worth: list[int | None]) -> list[int] | None:
    """As `pack`, but clusters may be left out (-1), those of little `worth` first.

    What is worth None stays; None where that is too much.
    """
    if not clusters:
        return []
    search = _Search(clusters, room)
    search.run()
    while search.overloaded:
        if not search.leave_out(worth):
            return None
    return [int(s) for s in search.at]


class _Search:
    """Where each cluster is, and the load that results."""

    def __init__(self, clusters: list[Cluster], room: Array) -> None:
        self.needs = np.array([c.needs for c in clusters], dtype=np.int64)
        self.allowed = np.array([c.allowed for c in clusters], dtype=bool)
        self.room = room.astype(np.int64)
        self.units = np.maximum(1, np.maximum(self.room, 0).sum(axis=0))
        self.at = np.full(len(clusters), -1)
        self.load = np.zeros_like(self.room)
        self.weights = np.ones_like(self.room)

    @property
    def overloaded(self) -> bool:
        """Whether anything is too much anywhere."""
        return bool((self.load > self.room).any())

    def run(self) -> None:
        """Place all clusters, and lessen the overload for some rounds."""
        self.place_all()
        for _round in range(_ROUNDS):
            if not self.overloaded:
                return
            if not self.improve():
                self.weights += self.load > self.room

    def leave_out(self, worth: list[int | None]) -> bool:
        """Take away the cluster that gives up least for the overload it ends; False if none may."""
        best: tuple[float, int] | None = None
        for server in np.flatnonzero((self.load > self.room).any(axis=1)):
            now = int(self._overload(self.load[server], int(server)))
            for k in np.flatnonzero(self.at == server):
                value = worth[int(k)]
                less = now - int(self._overload(self.load[server] - self.needs[k], int(server)))
                if value is not None and less > 0 and (best is None or value / less < best[0]):
                    best = (value / less, int(k))
        if best is None:
            return False
        self.load[self.at[best[1]]] -= self.needs[best[1]]
        self.at[best[1]] = -1
        return True

    def place_all(self) -> None:
        """The first placement: those with the fewest servers, and the largest, first."""
        size = (self.needs * _SCALE // self.units).max(axis=1)
        order = np.lexsort((np.arange(len(size)), -size, self.allowed.sum(axis=1)))
        free = np.maximum(1, self.room)
        for i in order:
            fullest = ((self.load + self.needs[i]) * _SCALE // free).max(axis=1)
            fullest[~self.allowed[i]] = np.iinfo(np.int64).max
            self._put(int(i), int(np.argmin(fullest)))

    def _put(self, cluster: int, server: int) -> None:
        if self.at[cluster] >= 0:
            self.load[self.at[cluster]] -= self.needs[cluster]
        self.at[cluster] = server
        self.load[server] += self.needs[cluster]

    def _overload(self, load: Array, server: int) -> Array:
        """How much of `load` (…, L) is too much for a server, weighed; 0 exactly where none is."""
        over = np.maximum(0, load - self.room[server]) * _SCALE
        weighed: Array = (-(-over // self.units) * self.weights[server]).sum(axis=-1)
        return weighed

    def improve(self) -> bool:
        """Make the exchange out of an overloaded server that lessens the overload most."""
        best: tuple[int, list[tuple[int, int]]] = (0, [])
        for a in np.flatnonzero((self.load > self.room).any(axis=1)):
            for b in range(len(self.room)):
                if b != a:
                    best = min(best, self._exchange(int(a), b), key=lambda change: change[0])
        for cluster, server in best[1]:
            self._put(cluster, server)
        return bool(best[1])

    def _exchange(self, a: int, b: int) -> tuple[int, list[tuple[int, int]]]:
        """The best of moving or swapping between two servers: the change of overload, and moves."""
        mine, my_needs = self._offers(a, b)
        theirs, their_needs = self._offers(b, a)
        going = my_needs[:, None, :] - their_needs[None, :, :]
        cost = self._overload(self.load[a] - going, a) + self._overload(self.load[b] + going, b)
        i, j = divmod(int(np.argmin(cost)), len(theirs))
        now = int(self._overload(self.load[a], a) + self._overload(self.load[b], b))
        return int(cost[i, j]) - now, [(k, b) for k in mine[i]] + [(k, a) for k in theirs[j]]

    def _offers(self, a: int, b: int) -> tuple[list[tuple[int, ...]], Array]:
        """Nothing, and each cluster of `a` that may go to `b`; with what they need."""
        free = np.flatnonzero((self.at == a) & self.allowed[:, b])
        none = np.zeros((1, self.needs.shape[1]), dtype=np.int64)
        return [(), *((int(k),) for k in free)], np.concatenate([none, self.needs[free]])
