"""A setup: which platform apps each server has, and which install peak it leaves room for.

With a setup given, choosing apps is a plain selection under limits: every switch is paid for. What
is left of the servers, and who may run where, is reckoned here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.setups.table import LIMITS, Array, Table


@dataclass(frozen=True, eq=False)
class Setup:
    """`on` (S, P): the platform apps of each server; `level` (S,): its peak level (0: none).

    `used` (S,): whether the server may have anything at all. While layers are undecided (`open`),
    they are on everywhere and take nothing.
    """

    table: Table
    on: Array
    level: Array
    used: Array
    open: bool = True

    @cached_property
    def room(self) -> Array:
        """(S, L): what each server has left for apps; negative where the switches are too much."""
        charged = self.on & ~self.table.weak if self.open else self.on
        room: Array = self.table.supply - charged.astype(np.int64) @ self.table.takes
        peaks = np.concatenate([[0], self.table.peaks])
        room[:, LIMITS.index("memory_mib")] -= peaks[self.level]
        return room

    @cached_property
    def admits(self) -> Array:
        """(N, S): where each app may run."""
        table = self.table
        admits: Array = table.fits & self.used[None, :]
        for k in range(len(table.platforms)):
            admits &= ~table.uses[:, k, None] | self.on[None, :, k]
        admits &= table.level[:, None] <= self.level[None, :]
        admits &= np.asarray((self.room >= 0).all(axis=1))[None, :]
        for i, name in enumerate(table.names):
            for choices in table.question.candidates[name].one_of:
                admits[i] &= self._offering(choices)
        alone, index = admits.copy(), table.index
        for i, name in enumerate(table.names):
            for other in table.question.candidates[name].requires:
                if other in index:
                    admits[i] &= alone[index[other]]
        return admits

    def _offering(self, choices: tuple[str, ...]) -> Array:
        """(S,): where one of `choices` is, or might be as it is no platform app."""
        columns = [k for k, p in enumerate(self.table.platforms) if p in choices]
        if len(columns) < len(choices):
            return np.ones(len(self.table.servers), dtype=bool)
        return np.asarray(self.on[:, columns].any(axis=1))

    def most(self, apps: Array) -> Array:
        """(S, L): what the apps of a mask need of each server if all are there that may be."""
        admits = self.admits[apps].T.astype(np.int64)
        return np.asarray(admits @ self.table.needs[apps])

    def with_layers(self, layers: Array) -> Setup:
        """This setup with `layers` (S, W) on the servers and no others."""
        on = self.on.copy()
        on[:, self.table.weak] = layers
        return replace(self, on=on, open=False)

    def placement(self, spots: dict[str, int]) -> Placement:
        """The placement with apps on servers (by position), and the platform apps they need.

        Of alternatives the one that others need there anyway comes first, then the list's first.
        A must-have platform app that nothing needs stands on the first server that has it.
        """
        table, question = self.table, self.table.question
        placed: dict[str, set[int]] = {}
        waiting = [(name, s) for name, s in sorted(spots.items())]
        late: list[tuple[str, int]] = []
        while waiting or late:
            if not waiting:
                name, s = late.pop(0)
                for choices in question.candidates[name].one_of:
                    if not any(s in placed.get(c, ()) for c in choices):
                        offered = [c for c in choices if self.has(c, s)]
                        waiting += [(c, s) for c in offered[:1]]
                continue
            name, s = waiting.pop(0)
            if s in placed.setdefault(name, set()):
                continue
            placed[name].add(s)
            candidate = question.candidates[name]
            waiting += [(r, s) for r in candidate.requires if r in table.platforms]
            late += [(name, s)] if candidate.one_of else []
        for k, name in enumerate(table.platforms):
            if question.candidates[name].must and name not in placed and self.on[:, k].any():
                first = int(np.argmax(self.on[:, k]))
                for member in question.family(name):
                    placed.setdefault(member, set()).add(first)
        return {
            name: tuple(server for s, server in enumerate(table.servers) if s in at)
            for name, at in sorted(placed.items())
        }

    @cached_property
    def layers_of_platforms(self) -> Array:
        """(S, W): the layers that the platform apps of each server bring there."""
        table, candidates = self.table, self.table.question.candidates
        layers = [p for p, weak in zip(table.platforms, table.weak, strict=True) if weak]
        strong = np.flatnonzero(~table.weak)
        brings = [
            [layer in candidates[table.platforms[k]].requires for layer in layers] for k in strong
        ]
        brought = np.array(brings, dtype=int).reshape(len(strong), len(layers))
        return np.asarray((self.on[:, strong].astype(int) @ brought) > 0)

    def has(self, platform: str, server: int) -> bool:
        """Whether a platform app is on a server; False for any other app."""
        names = self.table.platforms
        return platform in names and bool(self.on[server, names.index(platform)])
