"""From what an app was seen to use to what its entry should say; and where the two differ.

Pure. The rules are rough on purpose and said here: they replace guesses by measurements with some
room, not a load test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.units import MIB

RESERVED_STEP_MIB = 8
LIMIT_STEP_MIB = 16
LIMIT_FACTOR = 2.0
DISK_FACTOR = 2.0
DISK_STEP_MIB = 16
CPU_STEP = 0.01
PEAK_FACTOR = 1.25
PEAK_STEP_MIB = 16


@dataclass(frozen=True)
class Seen:
    """One service: memory at rest and the most seen under requests, in bytes; CPUs at rest and
    under requests, on average.
    """

    rest_bytes: int
    busy_bytes: int
    rest_cpus: float
    busy_cpus: float


@dataclass(frozen=True)
class PeakSeen:
    """A server's memory around one installation, in bytes: before anything was installed, its
    containers at rest afterwards, and the most of the whole server in between.
    """

    bare_bytes: int
    containers_bytes: int
    most_bytes: int

    @property
    def above_steady_bytes(self) -> int:
        """What the installation took beside system, engine and all apps at rest."""
        return max(0, self.most_bytes - self.bare_bytes - self.containers_bytes)


@dataclass(frozen=True)
class Proposed:
    """One value of the entry: its path, what it says now ("" for nothing), what is proposed."""

    at: Path_
    declared: str
    proposed: str
    value: Any


def propose(
    app: App,
    seen: Mapping[str, Seen],
    volumes_bytes: int,
    layers_mib: Mapping[str, float],
    peak_bytes: int,
) -> list[Proposed]:
    """What `app`'s entry should say.

    Memory: the reservation is what it uses at rest, the limit twice the most that was seen. CPU:
    the reservation is the average under requests; a CPU limit is left to people. Disk: twice what
    its volumes hold. Install peak: a quarter more than the installation was seen to take on top of
    all that rests. Layers: as they are.
    """
    rows: list[Proposed] = []
    for service in app.services:
        if (found := seen.get(service.name)) is None:
            continue
        at: Path_ = ("services", service.name, "deploy", "resources")
        reserved = _steps(found.rest_bytes / MIB, RESERVED_STEP_MIB)
        limit = _steps(LIMIT_FACTOR * max(found.busy_bytes, found.rest_bytes) / MIB, LIMIT_STEP_MIB)
        cpus = (
            f"{max(1, math.ceil(max(found.busy_cpus, found.rest_cpus) / CPU_STEP)) * CPU_STEP:.2f}"
        )
        rows += [
            _memory((*at, "reservations", "memory"), service.reservation.memory_mib, reserved),
            Proposed((*at, "reservations", "cpus"), _number(service.reservation.cpus), cpus, cpus),
            _memory((*at, "limits", "memory"), service.limit.memory_mib, limit),
        ]
    disk = max(DISK_STEP_MIB, _steps(DISK_FACTOR * volumes_bytes / MIB, DISK_STEP_MIB))
    demand: Path_ = ("x-smartcity", "demand", "disk_mib")
    rows.append(Proposed(demand, _number(app.spec.demand.disk_mib), str(disk), disk))
    peak = _steps(PEAK_FACTOR * peak_bytes / MIB, PEAK_STEP_MIB)
    at_peak: Path_ = ("x-smartcity", "install_peak_mib")
    rows.append(Proposed(at_peak, _number(app.spec.install_peak_mib), str(peak), peak))
    layers = dict(layers_mib)
    rows.append(
        Proposed(
            ("x-smartcity", "image_layers"),
            _number(sum(app.spec.image_layers.values())),
            f"{sum(layers.values()):g}",
            layers,
        )
    )
    return rows


def fragment(rows: list[Proposed]) -> dict[str, Any]:
    """The proposals as the part of a compose.yaml that says them."""
    tree: dict[str, Any] = {}
    for row in rows:
        place = tree
        for key in row.at[:-1]:
            place = place.setdefault(str(key), {})
        place[str(row.at[-1])] = row.value
    return tree


def _memory(at: Path_, declared_mib: float, proposed_mib: int) -> Proposed:
    said = f"{declared_mib:g}M" if declared_mib else ""
    return Proposed(at, said, f"{proposed_mib}M", f"{proposed_mib}M")


def _steps(value: float, step: int) -> int:
    return max(step, math.ceil(value / step) * step)


def _number(value: float) -> str:
    return f"{value:g}" if value else ""
