"""Tables of what was measured, and each goal of the project with its verdict.

A time over a link on which it would have taken too long is computed: that of the slowest link on
which it was measured, plus what the bytes take longer. It is marked with ~. Our tool sends patches
only where they spare time, so its bytes depend on the link: the table has the fewest.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from codecs_of_layers import Encoded
from links import UNSHAPED, Cost
from peers import TOOLS

_OURS = "smartcity"
_MIB = 1 << 20


@dataclass
class Results:
    """Everything that one run found out."""

    measured: dict[tuple[str, str, int], list[Cost]] = field(default_factory=dict)
    plain: list[Cost] = field(default_factory=list)
    codecs: dict[tuple[str, str], Encoded] = field(default_factory=dict)
    opened_bytes: dict[str, int] = field(default_factory=dict)

    def add(self, tool: str, step: str, mbps: int, cost: Cost) -> None:
        """Keep what a step cost."""
        self.measured.setdefault((tool, step, mbps), []).append(cost)

    def wire_bytes(self, tool: str, step: str) -> float | None:
        """Bytes at the interface: of the link with the fewest, for a tool that looks at the link.

        None before anything was measured.
        """
        leanest = self._leanest(tool, step)
        return None if leanest is None else self._bytes(tool, step, leanest)

    def layer_bytes(self, step: str) -> float:
        """What of these bytes, with our tool, was layers or patches."""
        leanest = self._leanest(_OURS, step)
        return 0.0 if leanest is None else self._median(_OURS, step, leanest, _layer_bytes)

    def seconds(self, tool: str, step: str, mbps: int) -> tuple[float, bool] | None:
        """(seconds, whether computed) over a link; computed from the slowest that was measured."""
        if (tool, step, mbps) in self.measured:
            return self._median(tool, step, mbps, _seconds), False
        known = self._links(tool, step)
        if not known:
            return None
        there = min(known)
        longer_s = self._bytes(tool, step, there) * 8 / 1e6 * (1 / mbps - 1 / there)
        return self._median(tool, step, there, _seconds) + longer_s, True

    def worst(self, tool: str, step: str, of: Callable[[Cost], float]) -> float:
        """The largest value of a step with a tool over all links."""
        values = [
            of(cost)
            for (name, which, _mbps), found in self.measured.items()
            for cost in found
            if (name, which) == (tool, step)
        ]
        return max(values, default=0.0)

    def least_load_s(self, step: str) -> float | None:
        """The quickest that an engine took the images in, of all tools that load apart."""
        loads = [
            cost.phases["load"]
            for (_tool, which, _mbps), found in self.measured.items()
            for cost in found
            if which == step and "load" in cost.phases
        ]
        return min(loads, default=None)

    def to_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "measured": [
                {"tool": tool, "step": step, "mbps": mbps, **asdict(cost)}
                for (tool, step, mbps), found in self.measured.items()
                for cost in found
            ],
            "cat_ssh": [asdict(cost) for cost in self.plain],
            "codecs": [{"step": step, **asdict(e)} for (step, _name), e in self.codecs.items()],
            "opened_bytes": self.opened_bytes,
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Results:
        """What `to_json` gave."""
        results = cls(opened_bytes=data["opened_bytes"])
        for entry in data["measured"]:
            place = {name: entry.pop(name) for name in ("tool", "step", "mbps")}
            results.add(**place, cost=Cost(**entry))
        results.plain = [Cost(**entry) for entry in data["cat_ssh"]]
        for entry in data["codecs"]:
            encoded = Encoded(**{k: v for k, v in entry.items() if k != "step"})
            results.codecs[entry["step"], encoded.codec] = encoded
        return results

    def _links(self, tool: str, step: str) -> list[int]:
        """The shaped links on which a step was measured with a tool."""
        return [m for name, which, m in self.measured if (name, which) == (tool, step) and m]

    def _leanest(self, tool: str, step: str) -> int | None:
        known = self._links(tool, step)
        return min(known, key=lambda m: self._bytes(tool, step, m), default=None)

    def _bytes(self, tool: str, step: str, mbps: int) -> float:
        return self._median(tool, step, mbps, lambda c: c.wire_bytes)

    def _median(self, tool: str, step: str, mbps: int, of: Callable[[Cost], float]) -> float:
        return statistics.median(of(cost) for cost in self.measured[tool, step, mbps])


def _seconds(cost: Cost) -> float:
    return cost.seconds


def _layer_bytes(cost: Cost) -> float:
    return cost.layer_bytes


def text(results: Results, links: list[int], steps: list[str], tools: list[str]) -> str:
    """The tables and the goals."""
    runs = max(map(len, results.measured.values()), default=0)
    lines = [
        f"medians of {runs} runs; MB at the server's interface, both ways; seconds until loaded and"
        " verified; ~ is computed from the bytes",
        "",
        f"{'step':7}{'tool':11}{'MB':>10}" + "".join(f"{f's at {m}':>11}" for m in links)
        + f"{'CPU s':>8}{'engine':>8}{'sender':>8}{'server':>8} MiB",
    ]  # fmt: skip
    for step in steps:
        for tool in tools:
            lines += _row(results, links, step, tool)
        for (which, codec), found in results.codecs.items():
            if which == step:
                lines.append(f"{step:7}{codec:24} {found.size_bytes / 1e6:.3f} MB of patches alone,"
                             f" {found.seconds:.0f} s to make")  # fmt: skip
    if _OURS in tools:
        lines += ["", "Goals", *_Goals(results, links, steps, tools).lines()]
    return "\n".join(lines)


def _row(results: Results, links: list[int], step: str, tool: str) -> list[str]:
    """One line, or none where nothing was measured."""
    size = results.wire_bytes(tool, step)
    if size is None:
        return []
    row = f"{step:7}{tool:11}{size / 1e6:10.3f}"
    for mbps in links:
        found = results.seconds(tool, step, mbps)
        assert found is not None  # where bytes are known, there is a time
        seconds, computed = found
        row += f"{('~' if computed else '') + format(seconds, '.1f'):>11}"
    for of in (lambda c: c.cpu_s, lambda c: c.engine_cpu_s):
        row += f"{results.worst(tool, step, of):8.1f}"
    for memory in (lambda c: c.sender_bytes, lambda c: c.server_bytes):
        row += f"{results.worst(tool, step, memory) / _MIB:8.0f}"
    return [row]


class _Goals:
    """Each goal as a line: what was asked, what was found, reached or not."""

    _FEWER = {"app": 90, "fixes": 45, "deps": 45, "base": 40}
    _MOST_CPU_S = 60.0  # thirty seconds on two cores
    _SENDER_MIB, _SERVER_MIB = 500, 128

    def __init__(
        self, results: Results, links: list[int], steps: list[str], tools: list[str]
    ) -> None:
        self._results, self._links, self._steps = results, links, steps
        self._peers = [tool for tool in tools if tool != _OURS]

    def lines(self) -> list[str]:
        """All goals that this run can judge."""
        found = []
        for step in self._steps:
            found += self._bytes(step) + self._times(step)
            found += self._upgrade(step) if step != "first" else self._first()
        return found

    def _bytes(self, step: str) -> list[str]:
        ours = self._results.wire_bytes(_OURS, step)
        layer_level = step != "first"
        sizes = {
            tool: size
            for tool in self._peers
            if (size := self._results.wire_bytes(tool, step))
            and (TOOLS[tool].layer_level or not layer_level)
        }
        if not ours or not sizes:
            return []
        best = min(sizes, key=lambda tool: sizes[tool])
        ratio = sizes[best] / ours
        least = self._FEWER.get(step, 1)
        kind = "the best layer-level tool" if layer_level else "every peer"
        goal = (
            f"bytes, {least} times fewer than {kind}" if layer_level else f"fewer bytes than {kind}"
        )
        return [_line(step, goal, f"{ratio:.2f} times fewer than {best}", ratio >= least)]

    def _times(self, step: str) -> list[str]:
        found = []
        for mbps in self._links:
            ours = self._results.seconds(_OURS, step, mbps)
            times = {
                tool: time[0]
                for tool in self._peers
                if (time := self._results.seconds(tool, step, mbps))
            }
            if ours is None or not times or step == "first":
                continue
            best = min(times, key=lambda tool: times[tool])
            slack = 1.1 if mbps >= 100 else 1.0
            goal = f"{mbps} Mbit/s: " + ("within 10 % of the fastest" if slack > 1 else "fastest")
            said = f"{ours[0]:.1f} s, {best} {times[best]:.1f} s"
            found.append(_line(step, goal, said, ours[0] <= times[best] * slack))
        return found

    def _first(self) -> list[str]:
        results, found = self._results, []
        size, load = results.wire_bytes(_OURS, "first"), results.least_load_s("first")
        for mbps in self._links:
            ours = results.seconds(_OURS, "first", mbps)
            if ours is None or size is None or load is None:
                continue
            floor = size * 8 / 1e6 / mbps + load
            said = f"{ours[0]:.1f} s, floor {floor:.1f} s"
            found.append(_line("first", f"{mbps} Mbit/s: within 10 % of the floor", said,
                               ours[0] <= floor * 1.1))  # fmt: skip
        unshaped = results.measured.get((_OURS, "first", UNSHAPED))
        if unshaped and results.plain:
            flow = statistics.median(c.stream_bytes_s for c in unshaped)
            whole = statistics.median(c.wire_bytes / c.phases["ship"] for c in unshaped)
            plain = statistics.median(c.wire_bytes / c.phases["cat"] for c in results.plain)
            said = f"{flow / plain:.2f} while layers flow ({flow / 1e6:.0f} and {plain / 1e6:.0f}"
            said += f" MB/s), {whole / plain:.2f} with the checks before and after"
            found.append(_line("first", "unshaped, 0.65 of cat | ssh", said,
                               flow >= 0.65 * plain))  # fmt: skip
        return found

    def _upgrade(self, step: str) -> list[str]:
        results, found = self._results, []
        size, layers = results.wire_bytes(_OURS, step), results.layer_bytes(step)
        if size is None:
            return []
        if xdelta := results.codecs.get((step, "xdelta3 -9")):
            said = f"{size / xdelta.size_bytes:.2f} of it; patches and layers alone"
            said += f" {layers / xdelta.size_bytes:.2f}"
            found.append(_line(step, "bytes at most those of xdelta3 -9", said,
                               size <= xdelta.size_bytes))  # fmt: skip
        cpu = results.worst(_OURS, step, lambda c: c.cpu_s)
        found.append(_line(step, "at most 60 s of the sender's CPU (30 s on 2 cores)",
                           f"{cpu:.1f} s, all of it", cpu <= self._MOST_CPU_S))  # fmt: skip
        sender = results.worst(_OURS, step, lambda c: c.sender_bytes) / _MIB
        server = results.worst(_OURS, step, lambda c: c.server_bytes) / _MIB
        for name, value, most in (
            ("sender", sender, self._SENDER_MIB),
            ("server", server, self._SERVER_MIB),
        ):
            goal = f"memory of the {name} at most {most} MiB"
            found.append(_line(step, goal, f"{value:.0f} MiB", value <= most))
        return found


def _line(step: str, goal: str, found: str, reached: bool) -> str:
    return f"{'reached    ' if reached else 'NOT REACHED'} {step:6} {goal}: {found}"
