"""Copies a verified bundle onto a removable disk, in parts; copies only what is not there yet.

What lies there under our names is read from the disk itself and compared with the bundle. Nothing
else on the disk is touched. The index is written last: where it is, every part was copied and read
back. A run that is cut leaves parts that the next one finds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.layout import Bundle, reading
from smartcity_pkg.bundle.tarform import TarForm
from smartcity_pkg.core import atomic, digest
from smartcity_pkg.core.errors import DiskFullError, InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer, no_progress
from smartcity_pkg.core.units import MIB, bytes_text
from smartcity_pkg.ship.media import files
from smartcity_pkg.ship.media.index import (
    INDEX_FILES,
    MediaIndex,
    MediaPart,
    check_disk,
    is_ours,
    parity_name,
    part_name,
    read_release,
    release_folder,
)
from smartcity_pkg.ship.media.parity import parity_stripes
from smartcity_pkg.ship.media.shape import Shape

_MARGIN_BYTES = 4 * MIB  # for the index, and for clusters that are not filled


@dataclass(frozen=True)
class CopyReport:
    """What one copy did. Parts are named by their files; `replaced` were there and damaged."""

    folder: str
    release: str
    region: str
    root_digest: str
    part_bytes: int
    parts: int
    parity: int
    copied: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]
    bytes_copied: int
    bytes_kept: int
    seconds: float

    @property
    def already_there(self) -> bool:
        """Whether nothing had to be copied."""
        return not self.copied


def copy_to_disk(
    bundle: Bundle,
    contents: BundleContents,
    disk: Path,
    shape: Shape,
    progress: Progress = no_progress,
) -> CopyReport:
    """Bring the bundle onto `disk` (a folder); it must have been verified.

    May be called again after any failure: what is there and sound is not copied again. Raises
    InputError where there is no disk, LockedError where another process copies to it, UsageError
    for an impossible shape, DiskFullError before anything is written or while writing,
    SmartCityError where the disk fails.
    """
    started = time.monotonic()
    check_disk(disk)
    tar = TarForm(bundle)
    try:
        with files.alone_on(disk), files.writing(disk):
            copy = _Copy(bundle.path, tar, contents, disk, shape, progress)
            copy.require_room()
            copy.write()
    finally:
        tar.close()
    return copy.report(time.monotonic() - started)


class _Copy:
    """One bundle on its way onto one disk. Made, it knows what is there and what is not."""

    def __init__(
        self,
        source: Path,
        tar: TarForm,
        contents: BundleContents,
        disk: Path,
        shape: Shape,
        progress: Progress,
    ) -> None:
        self._source, self._tar, self._contents, self._disk = source, tar, contents, disk
        self._progress = progress
        self._release = contents.release.name
        self._folder = release_folder(disk, self._release)
        self._present = _ours_in(self._folder, self._release)
        self._before = _index_in(self._folder)
        self._part_bytes, parity = shape.chosen(self._before, tar.size_bytes)
        self._looked_bytes = self._written_bytes = 0
        self._look_bytes = tar.size_bytes + sum(self._present.values())
        self._parts = self._wanted_parts()
        self._parity_names = [parity_name(self._release, n + 1) for n in range(parity)]
        self._parity = self._known_parity()
        known = [*self._parts, *self._parity.values()]
        self._sound = {part.name for part in known if self._is_sound(part)}
        self._looked(self._look_bytes - self._looked_bytes)  # what is of no use was not read
        self._to_copy = [part for part in self._parts if part.name not in self._sound]
        self._parity_to_copy = [n for n in self._parity_names if n not in self._sound]

    # -- what is there --------------------------------------------------------------------------

    def _wanted_parts(self) -> tuple[MediaPart, ...]:
        offsets = range(0, self._tar.size_bytes, self._part_bytes)
        return tuple(
            MediaPart(
                name=part_name(self._release, number),
                size_bytes=min(self._part_bytes, self._tar.size_bytes - offset),
                digest=digest.of_chunks(self._chunks(offset, self._looked)),
            )
            for number, offset in enumerate(offsets, start=1)
        )

    def _known_parity(self) -> dict[str, MediaPart]:
        """Parity parts by name: of the index that is there, or made for comparing; else unknown."""
        before = self._before
        if before and before.parts == self._parts:
            return {p.name: p for p in before.parity if p.name in self._parity_names}
        if not any(name in self._present for name in self._parity_names):
            return {}
        hashers = [sha256() for _name in self._parity_names]
        for stripe in self._parity_stripes():
            for hasher, data in zip(hashers, stripe, strict=True):
                hasher.update(data)
        return self._as_parity(hashers)

    def _is_sound(self, part: MediaPart) -> bool:
        if self._present.get(part.name) != part.size_bytes:
            return False
        try:
            return files.hash_from_disk(self._folder / part.name, self._looked) == part.digest
        except OSError:
            return False  # a bad sector: written anew

    def require_room(self) -> None:
        """DiskFullError where what is to be copied does not fit; nothing has been changed then."""
        usage = shutil.disk_usage(self._disk)
        freed = sum(s for name, s in self._present.items() if name not in self._sound)
        need = self._copy_bytes + _MARGIN_BYTES
        if not self._copy_bytes or usage.free + freed >= need:
            return
        raise DiskFullError(
            _("{disk}: the disk has {free} free, {need} are needed").format(
                disk=self._disk, free=bytes_text(usage.free + freed), need=bytes_text(need)
            ),
            _("nothing was copied; make room on it, or take a larger one"),
        )

    @property
    def _copy_bytes(self) -> int:
        parity_bytes = len(self._parity_to_copy) * self._parts[0].size_bytes
        return sum(part.size_bytes for part in self._to_copy) + parity_bytes

    # -- copying --------------------------------------------------------------------------------

    def write(self) -> None:
        """Copy what is not there; the index comes last."""
        self._folder.mkdir(exist_ok=True)
        atomic.sync_directory(self._disk)
        self._clear()
        for part in self._to_copy:
            path = self._folder / part.name
            number = self._parts.index(part)
            chunks = self._chunks(number * self._part_bytes, lambda _n: None)
            files.write_aside(path, chunks, self._written)
            files.publish(path, part.digest)
        if self._parity_to_copy:
            self._write_parity()
        data = self._index().to_json()
        for name in INDEX_FILES:
            if not _holds(self._folder / name, data):
                files.put(self._folder / name, data)

    def _clear(self) -> None:
        """Remove files of ours that are of no use: cut short, damaged, of another shape.

        An index that will not hold any more goes first, so that no half copy looks whole.
        """
        stays = set(self._sound)
        if self._before is not None and self._before.parts == self._parts:
            stays.update(INDEX_FILES)
        useless = sorted(self._present.keys() - stays, key=lambda name: name not in INDEX_FILES)
        for name in useless:
            (self._folder / name).unlink()
        if useless:
            atomic.sync_directory(self._folder)

    def _write_parity(self) -> None:
        hashers = [sha256() for _name in self._parity_names]
        with ExitStack() as stack:
            outputs = {
                name: stack.enter_context(files.aside(self._folder / name).open("wb"))
                for name in self._parity_to_copy
            }
            for stripe in self._parity_stripes():
                for name, hasher, data in zip(self._parity_names, hashers, stripe, strict=True):
                    hasher.update(data)
                    if name in outputs:
                        outputs[name].write(data)
                        self._written(len(data))
            for output in outputs.values():
                files.settle(output)
        self._parity = self._as_parity(hashers)
        for name in self._parity_to_copy:
            files.publish(self._folder / name, self._parity[name].digest)

    def _index(self) -> MediaIndex:
        release = self._contents.release
        return MediaIndex(
            region=release.region,
            pemda=release.plan.pemda,
            release=release.name,
            root_digest=self._contents.root_digest,
            parts=self._parts,
            parity=tuple(self._parity[name] for name in self._parity_names),
        )

    def report(self, seconds: float) -> CopyReport:
        """What happened, after `write` came to its end."""
        copied = (*(part.name for part in self._to_copy), *self._parity_to_copy)
        sizes = {p.name: p.size_bytes for p in (*self._parts, *self._parity.values())}
        return CopyReport(
            folder=str(self._folder),
            release=self._release,
            region=self._contents.release.region,
            root_digest=self._contents.root_digest,
            part_bytes=self._parts[0].size_bytes,
            parts=len(self._parts),
            parity=len(self._parity_names),
            copied=copied,
            replaced=tuple(name for name in copied if name in self._present),
            kept=tuple(name for name in sizes if name in self._sound),
            bytes_copied=sum(sizes[name] for name in copied),
            bytes_kept=sum(sizes[name] for name in self._sound),
            seconds=round(seconds, 3),
        )

    # -- the bundle's bytes ---------------------------------------------------------------------

    def _chunks(self, offset: int, count: files.Count) -> Iterator[bytes]:
        """The part that begins at `offset`."""
        with reading(self._source):
            for chunk in self._tar.chunks(offset, self._part_bytes):
                yield chunk
                count(len(chunk))

    def _parity_stripes(self) -> Iterator[list[bytes]]:
        def read(number: int, offset: int, size_bytes: int) -> bytes:
            size_bytes = min(size_bytes, self._parts[number].size_bytes - offset)
            if size_bytes <= 0:
                return b""
            with reading(self._source):
                return self._tar.read(number * self._part_bytes + offset, size_bytes)

        counts = (len(self._parts), len(self._parity_names))
        return parity_stripes(read, *counts, self._parts[0].size_bytes)

    def _as_parity(self, hashers: list[Any]) -> dict[str, MediaPart]:
        size = self._parts[0].size_bytes
        return {
            name: MediaPart(name=name, size_bytes=size, digest=f"sha256:{hasher.hexdigest()}")
            for name, hasher in zip(self._parity_names, hashers, strict=True)
        }

    def _looked(self, size_bytes: int) -> None:
        self._looked_bytes += size_bytes
        done, total = self._looked_bytes, self._look_bytes
        self._progress(Transfer("media-look", _("Comparing with the disk"), done, total))

    def _written(self, size_bytes: int) -> None:
        self._written_bytes += size_bytes
        done, total = self._written_bytes, self._copy_bytes
        self._progress(Transfer("media-copy", _("Copying onto the disk"), done, total))


def _ours_in(folder: Path, release: str) -> dict[str, int]:
    """The files in the release's folder that have names of ours, and their sizes in bytes.

    Raises InputError where something that is no regular file has such a name.
    """
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_ours(release, path.name):
            if path.is_symlink() or not path.is_file():
                raise InputError(
                    Problem(_("expected a file of smartcity, got something else"), str(path)),
                    _("move it away; smartcity removes only what it wrote itself"),
                )
            found[path.name] = path.stat().st_size
    return found


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _index_in(folder: Path) -> MediaIndex | None:
    try:
        return read_release(folder).index
    except InputError:
        return None
