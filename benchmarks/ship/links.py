"""What a way of shipping costs: bytes at the server's interface, time, CPU and memory.

Links are shaped between network namespaces (tc tbf, both ways). Bytes are those that the kernel
counts on the server's own interface, sent and received, packet headers and acknowledgements too.
"""

from __future__ import annotations

import abc
import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from smartcity_pkg.lab.server import Server

UNSHAPED = 0  # as a link's Mbit/s: as fast as the machine goes
_PACE_S = 0.04
# What belongs to the engine, and what it starts to unpack layers, is not the tool's.
_ENGINE = re.compile(r"^(dockerd|containerd.*|docker-.*|unpigz)$")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What one step with one tool cost.

    `seconds` from "the new images exist at the sender" to "loaded and verified"; `phases` are its
    parts, `phase_bytes` the wire's bytes in them. `cpu_s` is the sender's: the tool and its
    children; `engine_cpu_s` what the sender's engine spent for it. `sender_bytes` is the largest
    sum of the peaks (VmHWM) of the processes of one phase, `server_bytes` the largest sum of
    resident memory of what ran on the server beside its engine. `layer_bytes` is what of the wire's
    bytes was layers or patches, and `stream_bytes_s` how fast they flowed, where the tool says so.
    """

    seconds: float
    wire_bytes: int
    cpu_s: float
    engine_cpu_s: float
    sender_bytes: int
    server_bytes: int
    phases: Mapping[str, float] = field(default_factory=dict)
    phase_bytes: Mapping[str, int] = field(default_factory=dict)
    layer_bytes: int = 0
    stream_bytes_s: float = 0.0


def shape(server: Server, mbps: int) -> None:
    """Give the server's cable this rate, or take the limit away."""
    server.rate(mbps * 1_000_000 if mbps != UNSHAPED else None)


def wire_bytes(server: Server) -> int:
    """Bytes that the server's interface has sent and received so far."""
    for line in server.run(["cat", "/proc/net/dev"]).stdout.splitlines():
        name, _colon, numbers = line.partition(":")
        if name.strip() == "eth0":
            counts = numbers.split()
            return int(counts[0]) + int(counts[8])
    raise AssertionError("the server has no eth0")


class Meter:
    """Runs the commands of one step and adds up what they cost."""

    def __init__(self, sender: Server, server: Server, folder: Path) -> None:
        self._sender, self._server, self._folder = sender, server, folder
        self.errors = folder / "stderr"  # what the last command wrote there
        self._phases: dict[str, float] = {}
        self._phase_bytes: dict[str, int] = {}
        self._sender_bytes = 0
        self.layer_bytes = 0
        self.stream_bytes_s = 0.0

    @contextmanager
    def step(self) -> Iterator[list[Cost]]:
        """Everything run inside is one step; its cost is in the list afterwards."""
        found: list[Cost] = []
        self._phases, self._phase_bytes = {}, {}
        self._sender_bytes = self.layer_bytes = 0
        self.stream_bytes_s = 0.0
        memory = _ServerMemory(self._server.memory_group)
        cpu, engine, wire = _cpu_s(), _group_cpu_s(self._sender), wire_bytes(self._server)
        began = time.monotonic()
        yield found
        found.append(
            Cost(
                seconds=time.monotonic() - began,
                wire_bytes=wire_bytes(self._server) - wire,
                cpu_s=_cpu_s() - cpu,
                engine_cpu_s=_group_cpu_s(self._sender) - engine,
                sender_bytes=self._sender_bytes,
                server_bytes=memory.end(),
                phases=dict(self._phases),
                phase_bytes=dict(self._phase_bytes),
                layer_bytes=self.layer_bytes,
                stream_bytes_s=self.stream_bytes_s,
            )
        )

    def run(
        self, phase: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> str:
        """Run `argv` on the sender as a part of `phase`; gives its output, asserts status 0."""
        errors = self.errors
        began, wire = time.monotonic(), wire_bytes(self._server)
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                argv, cwd=self._folder, env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
            peaks = _Peaks(process.pid)
            output, _none = process.communicate()
        self._sender_bytes = max(self._sender_bytes, peaks.end())
        self._phases[phase] = self._phases.get(phase, 0) + time.monotonic() - began
        moved = wire_bytes(self._server) - wire
        self._phase_bytes[phase] = self._phase_bytes.get(phase, 0) + moved
        assert process.returncode == 0, f"{' '.join(argv)}: {errors.read_text()[-2000:]}"
        return output


class _Sampler(abc.ABC):
    """Looks again and again, in a thread, until `end`."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_PACE_S):
            self._look()

    @abc.abstractmethod
    def _look(self) -> None:
        """Take one sample."""


class _Peaks(_Sampler):
    """The sum of the peaks of resident memory of a process and all that it starts."""

    def __init__(self, pid: int) -> None:
        self._root, self._peaks = pid, dict[int, int]()
        super().__init__()

    def end(self) -> int:
        self._stop()
        return sum(self._peaks.values())

    def _look(self) -> None:
        waiting = [self._root]
        while waiting:
            pid = waiting.pop()
            self._peaks[pid] = max(self._peaks.get(pid, 0), _status_bytes(pid, "VmHWM"))
            children = Path(f"/proc/{pid}/task/{pid}/children")
            waiting += map(int, _text(children).split())


class _ServerMemory(_Sampler):
    """The most that the processes of a server, those that were there before aside, take at once."""

    def __init__(self, group: Path) -> None:
        self._group, self._most = group, 0
        self._before = set(self._pids())
        super().__init__()

    def end(self) -> int:
        self._stop()
        return self._most

    def _look(self) -> None:
        mine = [p for p in self._pids() if p not in self._before and not _of_engine(p)]
        self._most = max(self._most, sum(_status_bytes(pid, "VmRSS") for pid in mine))

    def _pids(self) -> list[int]:
        return [int(line) for line in _text(self._group / "cgroup.procs").split()]


def _of_engine(pid: int) -> bool:
    """Whether a process, or one that it comes from, is the engine."""
    while pid > 1:
        stat = _text(Path(f"/proc/{pid}/stat"))
        name = stat[stat.find("(") + 1 : stat.rfind(")")]
        if not stat or _ENGINE.match(name):
            return True
        pid = int(stat.rpartition(")")[2].split()[1])
    return False


def _status_bytes(pid: int, name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+)", _text(Path(f"/proc/{pid}/status")))
    return int(found[1]) << 10 if found else 0


def _text(file: Path) -> str:
    """What a file of /proc says; nothing where its process has ended."""
    try:
        return file.read_text()
    except OSError:
        return ""


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _group_cpu_s(server: Server) -> float:
    """CPU time that the processes of a server have used so far, children that ended too."""
    ticks = 0
    for pid in _text(server.memory_group / "cgroup.procs").split():
        fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS
