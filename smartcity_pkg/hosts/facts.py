"""What a server is and has, gathered in one round trip; judging it is left to ship and install."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from smartcity_pkg.core.errors import EngineError, RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.packed import packed, unpacked
from smartcity_pkg.hosts.store import StorePaths

TIMEOUT_S = 90.0
_Read = TypeVar("_Read")
_SNAPSHOTTER = "io.containerd.snapshotter.v1"
# How `docker image inspect` is to print an image, for `engine_image`.
IMAGE_FORMAT = "image {{.Id}} {{json .RootFS.Layers}} {{json .RepoTags}}"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}


@dataclass(frozen=True)
class EngineFacts:
    """A Docker Engine that answers. `containerd_store`: images rest in containerd, not overlay2."""

    version: str
    driver: str
    containerd_store: bool
    root_dir: str
    swarm: str
    compose_version: str


@dataclass(frozen=True)
class EngineImage:
    """An image that the engine has: its id, its layers' diffIDs from the lowest, its tags.

    The id is the config's digest on overlay2, the manifest's in containerd's store.
    """

    image_id: str
    diff_ids: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system: `device` tells whether two paths share it."""

    device: int
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class ServerFacts:
    """One moment of one server.

    `engine` is None without Docker, and where its daemon does not answer (`docker_installed` tells
    which). `blobs` and `parts` map what the store holds to sizes in bytes; blobs are named by
    digest, parts by file name. `offers` are the releases wholly in the store.
    """

    clock_s: int
    architecture: str
    cpus: int
    memory_bytes: int
    memory_available_bytes: int
    tools: frozenset[str]
    store_disk: FileSystem
    docker_installed: bool = False
    engine: EngineFacts | None = None
    engine_disk: FileSystem | None = None
    images: tuple[EngineImage, ...] = ()
    blobs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    offers: frozenset[str] = frozenset()
    current: str = ""


# `xargs` ends with 123 when one image is broken: the others count all the same.
_SCRIPT = (
    """
echo "clock $(date +%s)"
echo "machine $(uname -m)"
echo "cpus $(nproc)"
while read -r key value unit; do
  case $key in MemTotal:|MemAvailable:) echo "memory $key $value" ;; esac
done </proc/meminfo
for tool in zstd gzip tar sha256sum dd stat timeout perl; do
  if command -v "$tool" >/dev/null 2>&1; then echo "tool $tool"; fi
done
disk() {
  at=$2
  while [ ! -d "$at" ]; do at=$(dirname "$at"); done
  echo "disk $1 $(stat -c %d "$at") $(stat -f -c '%S %a %b' "$at")"
}
disk store "$1"
# Parts first: one that gets its name meanwhile is then seen at least once.
for kind in parts blobs/sha256; do
  if cd "$1/store/$kind" 2>/dev/null; then
    for file in *; do if [ -f "$file" ]; then echo "$file"; fi; done |
      xargs -r stat -c "file $kind %s %n" 2>/dev/null || true
  fi
done
for file in "$1"/store/releases/*.json; do
  if [ -f "$file" ]; then echo "offer $(basename "$file" .json)"; fi
done
if [ -L "$1/current" ]; then echo "current $(basename "$(readlink "$1/current")")"; fi
cd /
command -v docker >/dev/null 2>&1 || exit 0
echo "docker"
said=$(timeout 20 docker info -f 'engine {"version":{{json .ServerVersion}},\
"driver":{{json .Driver}},"status":{{json .DriverStatus}},"root":{{json .DockerRootDir}},\
"swarm":{{json .Swarm.LocalNodeState}}}{{println}}root {{.DockerRootDir}}' 2>/dev/null) || exit 0
printf '%s\\n' "$said" | grep -v '^root '
echo "compose $(timeout 20 docker compose version --short 2>/dev/null || true)"
disk engine "$(printf '%s\\n' "$said" | sed -n 's/^root //p')"
timeout 60 docker image ls -aq --no-trunc | sort -u |
  xargs -r docker image inspect \
    -f '"""
    + IMAGE_FORMAT
    + """' 2>/dev/null || true
"""
)


def gather(host: Host, paths: StorePaths | None = None) -> ServerFacts:
    """Ask `host` everything; nothing is changed there."""
    return gather_with(host, paths, "", ())[1]


def gather_with(
    host: Host, paths: StorePaths | None, further: str, arguments: Sequence[str]
) -> tuple[str, ServerFacts]:
    """The facts, and all that the script and the `further` one printed, in one round trip.

    `further` is told the store's root and `arguments`.
    """
    root = str((paths or StorePaths()).root)
    text = packed(f"# gather facts\n(\n{_SCRIPT})\n{further}")
    done = host.run(script(text, root, *arguments), timeout_s=TIMEOUT_S)
    said = unpacked(host, done).decode(errors="replace").rstrip("\n")
    return said, understood(host, lambda: parse(said))


def understood(host: Host, read: Callable[[], _Read]) -> _Read:
    """What `read` makes of a server's answer; RemoteCommandError where there is no sense in it."""
    try:
        return read()
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RemoteCommandError(
            _("{host}: the server's answer about itself cannot be understood ({why})").format(
                host=host.name, why=error
            ),
            _("log in by hand and see whether the shell prints anything of its own at login"),
        ) from error


def parse(text: str) -> ServerFacts:
    """The facts from the script's output; ValueError or KeyError where a needed line is missing."""
    found: dict[str, str] = {}
    disks: dict[str, FileSystem] = {}
    files: dict[str, dict[str, int]] = {"blobs/sha256": {}, "parts": {}}
    images: list[EngineImage] = []
    listed: dict[str, set[str]] = {"tool": set(), "offer": set()}
    for line in text.splitlines():
        kind, _space, rest = line.partition(" ")
        if kind in listed:
            listed[kind].add(rest)
        elif kind == "disk":
            name, device, block, free, total = rest.split()
            disks[name] = FileSystem(int(device), int(free) * int(block), int(total) * int(block))
        elif kind == "file":
            folder, size, name = rest.split(" ", 2)
            files[folder][name] = int(size)
        elif kind == "image":
            images.append(engine_image(rest))
        elif kind == "memory":
            key, kib = rest.split()
            found[key] = kib
        else:
            found[kind] = rest
    return ServerFacts(
        clock_s=int(found["clock"]),
        architecture=_MACHINES.get(found["machine"], found["machine"]),
        cpus=int(found["cpus"]),
        memory_bytes=int(found["MemTotal:"]) << 10,
        memory_available_bytes=int(found.get("MemAvailable:", "0")) << 10,
        tools=frozenset(listed["tool"]),
        store_disk=disks["store"],
        docker_installed="docker" in found,
        engine=_engine(found),
        engine_disk=disks.get("engine"),
        images=tuple(sorted(images, key=lambda i: i.image_id)),
        blobs={f"sha256:{n}": s for n, s in files["blobs/sha256"].items() if len(n) == 64},
        parts={n: s for n, s in files["parts"].items() if n.endswith(".part")},
        offers=frozenset(listed["offer"]),
        current=found.get("current", ""),
    )


def need_engine(facts: ServerFacts, host: str) -> EngineFacts:
    """The engine; EngineError with the cure where there is none that answers."""
    if facts.engine:
        return facts.engine
    if facts.docker_installed:
        raise EngineError(
            _("{host}: Docker is installed, but its daemon does not answer").format(host=host),
            start_engine(),
        )
    raise EngineError(
        _("{host}: there is no Docker on the server").format(host=host),
        _(
            "install Docker Engine 20.10 or newer with Compose there; on Debian 13: "
            "apt-get install docker.io docker-cli docker-compose"
        ),
    )


def start_engine() -> str:
    """The cure for an engine that does not answer, in words."""
    return _("start it there: systemctl start docker; journalctl -u docker says why it stopped")


def make_room() -> str:
    """The cure for a full disk, in words."""
    return _("make room there: smartcity gc; df -h and docker system df show what fills it")


def engine_image(rest: str) -> EngineImage:
    """What IMAGE_FORMAT printed, without its first word; ValueError where it is not that."""
    image_id, arrays = rest.split(" ", 1)
    decoder = json.JSONDecoder()
    layers, end = decoder.raw_decode(arrays)
    tags, _end = decoder.raw_decode(arrays[end:].lstrip())
    return EngineImage(image_id, tuple(layers or ()), tuple(sorted(tags or ())))


def _engine(found: dict[str, str]) -> EngineFacts | None:
    if "engine" not in found:
        return None
    said: dict[str, Any] = json.loads(found["engine"])
    if not said["version"]:
        return None
    return EngineFacts(
        version=said["version"],
        driver=said["driver"],
        containerd_store=any(_SNAPSHOTTER in pair for pair in said["status"] or ()),
        root_dir=said["root"],
        swarm=said["swarm"],
        compose_version=found.get("compose", ""),
    )
