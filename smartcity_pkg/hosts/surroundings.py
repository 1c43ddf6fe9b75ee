"""What stands around the apps on a server: other programs' ports, containers, names, the firewall.

Gathered together with the facts (`gather_all`), in the same round trip; judging it is `install`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from smartcity_pkg.hosts import facts
from smartcity_pkg.hosts.facts import FileSystem, ServerFacts
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths

_PROJECT_LABEL = "com.docker.compose.project"
_FILES_LABEL = "com.docker.compose.project.config_files"
_NOBODY = MappingProxyType[str, tuple[str, ...]]({})


@dataclass(frozen=True)
class FoundContainer:
    """Any container of the server, ours or not. `ports` are those that it publishes now."""

    name: str
    status: str
    project: str
    files: tuple[str, ...]
    ports: frozenset[int]
    restart_count: int = 0
    out_of_memory: bool = False
    health: str = ""
    image: str = ""
    id: str = ""


@dataclass(frozen=True)
class Inodes:
    """A file system's inodes; `total` is 0 where it has no fixed number (btrfs)."""

    free: int
    total: int


@dataclass(frozen=True)
class Surroundings:
    """One moment of what is around the apps.

    `listening` are TCP ports that some program listens on. `names` maps each name that was asked
    for to the addresses that the server finds, and `addresses` are the server's own.
    `firewall` are rules that may keep citizens out, as the firewall prints them; empty where
    `firewall_seen` is false means only that nothing could be read.
    """

    temporary_disk: FileSystem
    inodes: Mapping[str, Inodes]
    listening: frozenset[int] = frozenset()
    containers: tuple[FoundContainer, ...] = ()
    addresses: frozenset[str] = frozenset()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOBODY)
    firewall: tuple[str, ...] = ()
    firewall_seen: bool = False


# $1 the store's root, then public names. /proc/net/tcp: state 0A is LISTEN (proc(5)).
# DOCKER-USER is the chain that Docker leaves to people; published ports pass by INPUT.
_SCRIPT = """
root=$1; shift
cd /
mount_of() { at=$1; while [ ! -d "$at" ]; do at=$(dirname "$at"); done; echo "$at"; }
at=$(mount_of "${TMPDIR:-/tmp}")
echo "temporary $(stat -c %d "$at") $(stat -f -c '%S %a %b' "$at")"
engine=$(timeout 20 docker info -f '{{.DockerRootDir}}' 2>/dev/null || true)
for pair in "store $root" "temporary ${TMPDIR:-/tmp}" ${engine:+"engine $engine"}; do
  echo "inodes ${pair%% *} $(stat -f -c '%d %c' "$(mount_of "${pair#* }")")"
done
while read -r _slot local _remote state _rest; do
  if [ "$state" = 0A ]; then echo "listening ${local##*:}"; fi
done 2>/dev/null <<END || true
$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
END
hostname -I 2>/dev/null | tr ' ' '\\n' | sed -n 's/^\\(..*\\)$/address \\1/p' || true
for name; do
  echo "name $name $(timeout 10 getent ahosts "$name" 2>/dev/null | cut -d' ' -f1 |
    sort -u | tr '\\n' ' ')"
done
if command -v iptables >/dev/null 2>&1 && chains=$(iptables -S 2>/dev/null); then
  echo "firewall-seen"
  echo "$chains" | grep -E '^-A DOCKER-USER .*-j (DROP|REJECT)' | head -n 10 |
    sed 's/^/firewall /' || true
fi
if command -v firewall-cmd >/dev/null 2>&1 && firewall-cmd --state >/dev/null 2>&1; then
  echo "firewall-seen"; echo "firewall firewalld"
fi
command -v docker >/dev/null 2>&1 || exit 0
timeout 60 docker ps -aq --no-trunc 2>/dev/null | xargs -r docker inspect -f 'container \
{"name":{{json .Name}},"status":{{json .State.Status}},"labels":{{json .Config.Labels}},\
"ports":{{json .NetworkSettings.Ports}},"restarts":{{.RestartCount}},\
"oom":{{json .State.OOMKilled}},\
"image":{{json .Config.Image}},"id":{{json .Id}},\
"health":"{{with index .State "Health"}}{{.Status}}{{end}}"}' 2>/dev/null || true
"""


def gather_all(
    host: Host, paths: StorePaths | None = None, names: Sequence[str] = ()
) -> tuple[ServerFacts, Surroundings]:
    """The facts and the surroundings in one round trip; nothing is changed there.

    `names` are asked of the server's own resolver.
    """
    text, found = facts.gather_with(host, paths, _SCRIPT, names)
    return found, facts.understood(host, lambda: parse(text))


def parse(text: str) -> Surroundings:
    """The surroundings from the script's output; ValueError or KeyError where a line is bad."""
    listed: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, _space, rest = line.partition(" ")
        listed.setdefault(kind, []).append(rest)
    device, block, free, total = (int(n) for n in listed["temporary"][0].split())
    return Surroundings(
        temporary_disk=FileSystem(device, free * block, total * block),
        inodes=dict(_inodes(listed.get("inodes", ()))),
        listening=frozenset(int(port, 16) for port in listed.get("listening", ())),
        containers=tuple(
            sorted(map(_container, listed.get("container", ())), key=lambda c: c.name)
        ),
        addresses=frozenset(listed.get("address", ())),
        names={n.split()[0]: tuple(n.split()[1:]) for n in listed.get("name", ())},
        firewall=tuple(listed.get("firewall", ())),
        firewall_seen="firewall-seen" in listed,
    )


def _inodes(lines: Iterable[str]) -> Iterable[tuple[str, Inodes]]:
    for line in lines:
        name, free, total = line.split()
        yield name, Inodes(int(free), int(total))


def _container(line: str) -> FoundContainer:
    said: dict[str, Any] = json.loads(line)
    labels = said["labels"] or {}
    bound = [b for bindings in (said["ports"] or {}).values() for b in bindings or ()]
    files = labels.get(_FILES_LABEL, "")
    return FoundContainer(
        name=said["name"].removeprefix("/"),
        status=said["status"],
        project=labels.get(_PROJECT_LABEL, ""),
        files=tuple(files.split(",")) if files else (),
        ports=frozenset(int(b["HostPort"]) for b in bound if b["HostPort"]),
        restart_count=said["restarts"],
        out_of_memory=said["oom"],
        image=said["image"],
        id=said["id"],
        health="" if said["health"] == "none" else said["health"],
    )
