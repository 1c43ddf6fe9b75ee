"""Which entries of a layer say something about packages, and what: one layer at a time.

Layers are laid over each other in `image`. Nothing that a layer holds makes this fail: what cannot
be read is said in `LayerPackages.unread`, and the document of the image repeats it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smartcity_pkg.bundle.sbom import languages, system
from smartcity_pkg.bundle.sbom.found import MOST_PACKAGES, Found, LayerPackages, PathSet, path_hash
from smartcity_pkg.bundle.sbom.tarscan import (
    DamagedTarError,
    Entry,
    EntryKind,
    TarScan,
    normal_path,
)

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
# image-spec 1.1, layer.md, "Whiteouts"; other names of aufs say nothing about files.
_AUFS = ".wh..wh."
_MOST_TEXT = 32 << 20
_TEXT_OF_ENTRY = 256  # what Python itself needs for one, about
_MOST_FOLDERS = 200  # above a package's file; nested node_modules are far from it
_MOST_PATHS = 4 << 20
_MOST_UNREAD = 20


@dataclass(frozen=True)
class Reader:
    """Files that are read: which, how much of them, whether a part is enough, and by whom."""

    paths: re.Pattern[str]
    most_bytes: int
    part_is_enough: bool
    read: Callable[[bytes], Found]


READERS = (
    Reader(
        re.compile(r"var/lib/dpkg/(?:status|status\.d/(?!.*\.md5sums$)[^/]+)"),
        16 << 20,
        False,
        system.dpkg_status,
    ),
    Reader(re.compile(r"(?:usr/)?lib/apk/db/installed"), 16 << 20, False, system.apk_installed),
    Reader(re.compile(r"usr/share/doc/[^/]+/copyright"), 256 << 10, True, system.copyright_file),
    Reader(re.compile(r"(?:etc|usr/lib)/os-release"), 64 << 10, True, system.os_release),
    Reader(
        re.compile(
            r".*(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info|EGG-INFO/PKG-INFO)",
            re.DOTALL,
        ),
        256 << 10,
        True,
        languages.python_metadata,
    ),
    Reader(
        re.compile(
            r"(?:.*/)?node_modules/(?:@[^/]+/)?(?!node_modules/)[^/@][^/]*/package\.json",
            re.DOTALL,
        ),
        1 << 20,
        False,
        languages.npm_package,
    ),
)
# The last part of every path that a reader knows: most entries need no more than this look.
_LAST_PARTS = frozenset(
    {"status", "installed", "copyright", "os-release", "METADATA", "PKG-INFO", "package.json"}
)
_DOC_LINK = re.compile(r"usr/share/doc/[^/]+(/copyright)?")


def reader_of(path: str) -> Reader | None:
    """Who reads the file at `path`; None for a file that says nothing about packages."""
    last = path.rsplit("/", 1)[-1]
    if last not in _LAST_PARTS and not last.endswith(".egg-info") and "/status.d/" not in path:
        return None
    return next((r for r in READERS if r.paths.fullmatch(path)), None)


class LayerScan:
    """One layer: push its bytes in with `feed`, then `finish`.

    `also` are paths to read by a reader that does not know them: targets of hard links.
    """

    def __init__(self, also: dict[str, Reader] | None = None) -> None:
        self._visitor = _Visitor(also or {})
        self._tar = TarScan(self._visitor)
        self._damage = ""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the uncompressed tar."""
        if not self._damage:
            try:
                self._tar.feed(chunk)
            except DamagedTarError as error:
                self._damage = str(error)

    def finish(self) -> LayerPackages:
        """What was found."""
        if not self._damage:
            try:
                self._tar.finish()
            except DamagedTarError as error:
                self._damage = str(error)
        return self._visitor.result(self._damage)

    @property
    def linked(self) -> dict[str, Reader]:
        """Files of this layer, not read, that hard links give a name which is read."""
        return self._visitor.linked


def layer_packages(chunks: Callable[[], Iterable[bytes]]) -> LayerPackages:
    """What the layer says whose bytes `chunks` gives, each time it is called.

    It is called again only where a package's file is a hard link to a file with another name.
    """
    scan = scanned(chunks(), {})
    return scan.finish() if not scan.linked else scanned(chunks(), scan.linked).finish()


def scanned(chunks: Iterable[bytes], also: dict[str, Reader]) -> LayerScan:
    """A scan that has seen all of `chunks`."""
    scan = LayerScan(also)
    for chunk in chunks:
        scan.feed(chunk)
    return scan


class _Visitor:
    """Sorts the entries of one tar. A later entry replaces an earlier one of the same path."""

    def __init__(self, also: dict[str, Reader]) -> None:
        self._also = also
        self._found: dict[str, Found] = {}
        self._folders: set[str] = set()  # above what was found
        self._hides, self._opaque = array("Q"), array("Q")
        self._unread: set[str] = set()
        self._reader: Reader | None = None
        self._packages = self._text = 0
        self.linked: dict[str, Reader] = {}

    def entry(self, entry: Entry) -> int:
        if not entry.path:
            if entry.path is None:
                self._unread.add("path")
            return 0
        path = entry.path
        folder, _slash, last = path.rpartition("/")
        if last.startswith(_WHITEOUT):
            self._whiteout(folder, last)
            return 0
        self._reader = reader_of(path) or self._also.get(path)
        if entry.kind is not EntryKind.FOLDER or self._reader is not None:
            self._hide(self._hides, path)
            self._forget(path)
        if self._reader is not None and path.count("/") > _MOST_FOLDERS:
            self._unread.add("path")
            return 0
        if entry.kind is EntryKind.FILE and self._reader is not None:
            return self._wanted(entry)
        if entry.kind is EntryKind.HARD_LINK and self._reader is not None:
            self._hard_link(path, normal_path(entry.link), self._reader)
        if entry.kind is EntryKind.SYMLINK and (match := _DOC_LINK.fullmatch(path)):
            target = [part for part in entry.link.split("/") if part not in ("", ".", "..")]
            if match.group(1):
                target = target[:-1]
            if target:
                self._keep(path, Found(doc_of=target[-1]))
        return 0

    def content(self, entry: Entry, data: bytes) -> None:
        assert self._reader is not None
        assert entry.path is not None
        self._keep(entry.path, self._reader.read(data))

    def result(self, damage: str) -> LayerPackages:
        if damage:
            self._unread.add(damage)
        kept = {path: f for path, f in sorted(self._found.items()) if f != Found()}
        for path in self._also.keys() & kept.keys():
            del kept[path]  # only its other name is a package's file
        return LayerPackages(
            kept,
            PathSet(self._hides),
            PathSet(self._opaque),
            tuple(sorted(self._unread)),
        )

    def _wanted(self, entry: Entry) -> int:
        reader, path = self._reader, entry.path
        assert reader is not None
        assert path is not None
        if entry.sparse:
            self._note(f"sparse {path}")
            return 0
        if entry.size_bytes > reader.most_bytes and not reader.part_is_enough:
            self._note(f"too large {path}")
            return 0
        return reader.most_bytes

    def _whiteout(self, folder: str, last: str) -> None:
        if last == _OPAQUE:
            self._hide(self._opaque, folder)
        elif not last.startswith(_AUFS):
            name = last.removeprefix(_WHITEOUT)
            self._hide(self._hides, f"{folder}/{name}" if folder else name)

    def _hard_link(self, path: str, target: str | None, reader: Reader) -> None:
        if target is None:
            self._unread.add("path")
        elif target in self._found:
            self._keep(path, self._found[target])
        elif self._keep(path, Found(same_as=target)):
            self.linked[target] = reader

    def _keep(self, path: str, found: Found) -> bool:
        """Remember what a file says, unless this layer says too much already."""
        size = (
            _TEXT_OF_ENTRY * (1 + len(found.packages))
            + len(path)
            + sum(
                len(p.name) + len(p.version) + len(p.source) + sum(map(len, p.licences))
                for p in found.packages
            )
        )
        self._packages += len(found.packages)
        self._text += size + sum(map(len, found.licences)) + len(found.doc_of) + len(found.same_as)
        if self._packages > MOST_PACKAGES or self._text > _MOST_TEXT:
            self._unread.add("too many packages")
            return False
        self._found[path] = found
        while path and (path := path.rpartition("/")[0]) not in self._folders:
            self._folders.add(path)
            self._text += _TEXT_OF_ENTRY + len(path)
        return True

    def _forget(self, path: str) -> None:
        """What this tar had at `path` before, and below, is replaced."""
        self._found.pop(path, None)
        if path in self._folders:
            below = f"{path}/"
            self._found = {p: f for p, f in self._found.items() if not p.startswith(below)}
            self._folders.discard(path)

    def _hide(self, paths: array[int], path: str) -> None:
        if len(paths) < _MOST_PATHS:
            paths.append(path_hash(path))
        else:
            self._unread.add("too many files")

    def _note(self, text: str) -> None:
        if len(self._unread) < _MOST_UNREAD:
            self._unread.add(text[:200])
