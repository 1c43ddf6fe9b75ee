"""What the containers of one Compose project use on a host: memory, CPU time, volumes.

Read from the kernel's control groups (version 1 or 2) and from `du`; what follows from it is for
others to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.hosts.host import Host, script

_TIMEOUT_S = 60.0
# `docker stats` takes the same pages off that the kernel would give back first.
_SCRIPT = """# read what containers use
for id in $(docker ps -q --no-trunc --filter "label=com.docker.compose.project=$1"); do
  service=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' "$id")
  find /sys/fs/cgroup -type d -name "*$id*" 2>/dev/null | while read -r dir; do
    for file in memory.current memory.usage_in_bytes memory.peak memory.max_usage_in_bytes \
cpuacct.usage; do
      if [ -f "$dir/$file" ]; then echo "value $service $file $(cat "$dir/$file")"; fi
    done
    for file in memory.stat cpu.stat; do
      if [ -f "$dir/$file" ]; then
        grep -E '^(inactive_file|total_inactive_file|usage_usec) ' "$dir/$file" |
          while read -r key number; do echo "value $service $key $number"; done || true
      fi
    done
  done
done
for name in $(docker volume ls -q --filter "label=com.docker.compose.project=$1"); do
  at=$(docker volume inspect -f '{{.Mountpoint}}' "$name")
  echo "volume $name $(du -sk "$at" | cut -f1)"
done
"""


@dataclass(frozen=True)
class ServiceUsage:
    """One service now: memory without what the kernel gives back first, the kernel's peak (with
    that), and CPU seconds since its start.
    """

    memory_bytes: int
    peak_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class ProjectUsage:
    """All services of a project by name, and its volumes' sizes in bytes by name."""

    services: dict[str, ServiceUsage]
    volumes: dict[str, int]


def project_usage(host: Host, project: str) -> ProjectUsage:
    """What `project` uses on `host` now; services that do not run are left out."""
    return parse(host.run(script(_SCRIPT, project), timeout_s=_TIMEOUT_S).text)


def parse(text: str) -> ProjectUsage:
    """The usage from the script's output."""
    found: dict[str, dict[str, int]] = {}
    volumes: dict[str, int] = {}
    for line in text.splitlines():
        kind, name, *rest = line.split()
        if kind == "volume":
            volumes[name] = int(rest[0]) << 10
        elif kind == "value":
            found.setdefault(name, {})[rest[0]] = int(rest[1])
    return ProjectUsage({name: _usage(values) for name, values in found.items()}, volumes)


def _usage(values: dict[str, int]) -> ServiceUsage:
    inactive = values.get("total_inactive_file", values.get("inactive_file", 0))
    memory = values.get("memory.current", values.get("memory.usage_in_bytes", 0))
    peak = values.get("memory.peak", values.get("memory.max_usage_in_bytes", memory))
    cpu_s = values.get("usage_usec", 0) / 1e6 or values.get("cpuacct.usage", 0) / 1e9
    return ServiceUsage(max(0, memory - inactive), peak, cpu_s)
