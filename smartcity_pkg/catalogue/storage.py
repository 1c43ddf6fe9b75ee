"""What an app mounts or reads of the server: rules SC022 (the engine's socket) and SC023 (paths).

An app's own storage is its named volumes, tmpfs, and, to read only, the files of its release. All
else is the server's or another app's: bind mounts, but also volumes with driver options, volumes of
another project, and files that a secret, a config or an env_file names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import _

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# A colon, unless it stands inside ${…}.
_COLON = re.compile(r":(?![^{]*\})")
_SOCKETS = tuple(
    PurePosixPath(folder, socket)
    for folder in ("/run", "/var/run")
    for socket in (
        "docker.sock",
        "docker/containerd/containerd.sock",
        "containerd/containerd.sock",
        "podman/podman.sock",
        "crio/crio.sock",
    )
)
_SOCKET_NAMES = frozenset(s.name for s in _SOCKETS)

Found = Iterator[tuple[str, Path_, str]]


def of_service(at: Path_, fields: Mapping[str, Any]) -> Found:
    """Breaches in a service's `volumes` and `env_file`."""
    for i, volume in enumerate(_entries(fields.get("volumes"))):
        path = _of_mount(volume)
        if path is not None:
            yield from _of_path(path, (*at, "volumes", i))
    for i, entry in enumerate(_entries(fields.get("env_file"))):
        path = str(entry.get("path", "")) if isinstance(entry, dict) else str(entry)
        if not _inside(path):
            yield from _of_path(path, (*at, "env_file", i))


def of_top_level(data: Mapping[str, Any], secret_files: Collection[str]) -> Found:
    """Breaches in the top-level `volumes`, `secrets` and `configs`."""
    for name, volume in _mapping(data.get("volumes")):
        if volume.get("external") or "name" in volume:
            text = _("the volume “{name}” may be another app's: it has a name of its own")
            yield "SC023", ("volumes", name), text.format(name=name[:80])
        # Whatever the type says: with `o: bind` the device is a folder of the server.
        if volume.get("driver") not in (None, "local") or volume.get("driver_opts"):
            text = _("the volume “{name}” may be a path of the server: it has driver options")
            yield "SC023", ("volumes", name), text.format(name=name[:80])
    for kind in ("secrets", "configs"):
        for name, entry in _mapping(data.get(kind)):
            path = str(entry.get("file", "."))
            if not _inside(path) and path not in secret_files:
                yield from _of_path(path, (kind, name))


def is_socket(path: str) -> bool:
    """Whether whoever mounts `path` gets the socket of an engine."""
    wanted = PurePosixPath(posixpath.normpath(path))
    return wanted.name in _SOCKET_NAMES or any(s.is_relative_to(wanted) for s in _SOCKETS)


def _of_path(path: str, at: Path_) -> Found:
    if is_socket(path):
        text = _("mounts the engine's socket ({path}): whoever has it is root on the server")
        yield "SC022", at, text.format(path=path[:80])
    elif _inside(path):
        text = _("mounts {path} so that it can be written: the release's files must stay as signed")
        yield "SC023", at, text.format(path=path[:80])
    else:
        text = _("mounts {path}: it lies outside the release's own folder")
        yield "SC023", at, text.format(path=path[:80])


def _of_mount(volume: object) -> str | None:
    """The path that one entry of `volumes` mounts; None where it is the app's own storage."""
    if isinstance(volume, dict):
        kind, source = volume.get("type"), volume.get("source")
        if kind == "tmpfs" or (kind == "volume" and source is None):
            return None
        # A kind that we do not know, or a variable, may be anything.
        read_only = kind == "bind" and volume.get("read_only") is True
        path, named = str(source), kind == "volume"
    else:
        parts = _COLON.split(str(volume))
        path, named = parts[0], True
        if len(parts) == 1:
            return path if "$" in path else None
        read_only = len(parts) > 2 and "ro" in parts[2].split(",")
    if named and _NAME.fullmatch(path):
        return None
    return None if read_only and _inside(path) else path


def _inside(path: str) -> bool:
    """Whether a relative path stays in the release's folder."""
    first = posixpath.normpath(path).split("/")[0]
    return bool(path) and first not in ("", "..") and not first.startswith("~") and "$" not in path


def _entries(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mapping(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, fields in value.items() if isinstance(value, dict) else ():
        yield name, fields if isinstance(fields, dict) else {}
