"""The memory that a practice server really takes, and the most of it over a while.

Counted is what the kernel cannot give back: anonymous and shared memory (a tmpfs is that too) of
the server's control group, engine and containers and all. The page cache of files is left out, and
so is the kernel's own bookkeeping. What follows from it is for others to say.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from smartcity_pkg.lab.server import Server

PACE_S = 0.02  # a shorter spike than this may be missed


def used_bytes(group: Path) -> int:
    """Anonymous and shared memory of a control group and all below it; either cgroup version."""
    stat = {}
    for line in (group / "memory.stat").read_text().splitlines():
        key, _blank, number = line.partition(" ")
        stat[key] = int(number)
    if "total_rss" in stat:
        return stat["total_rss"] + stat["total_shmem"]
    return stat["anon"] + stat["shmem"]


def server_bytes(server: Server) -> int:
    """What the whole server takes now."""
    return used_bytes(server.memory_group)


def containers_bytes(server: Server) -> int:
    """What its containers take of that; Docker keeps their groups in one below the server's."""
    group = server.memory_group / "docker"
    return used_bytes(group) if group.is_dir() else 0


class MemoryWatch:
    """`with MemoryWatch(server) as watch: …`, then `watch.most_bytes` of `watch.samples` looks."""

    def __init__(self, server: Server) -> None:
        self.most_bytes = 0
        self.samples = 0
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="memory-watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._ended.wait(PACE_S):
            self._look()

    def _look(self) -> None:
        self.most_bytes = max(self.most_bytes, server_bytes(self._server))
        self.samples += 1
