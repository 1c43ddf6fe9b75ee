"""Are a release's parts on the disk what its index says? All that are not are found and named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from smartcity_pkg.bundle.layout import FilePart, PartedTar, reading
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.progress import Progress, Transfer, no_progress
from smartcity_pkg.core.units import number_text
from smartcity_pkg.ship.media import files
from smartcity_pkg.ship.media.index import MediaPart, MediaRelease
from smartcity_pkg.ship.media.parity import Loss, parity_stripes, repaired_stripes


@dataclass(frozen=True)
class PartFault:
    """A part that is not what it should be: its file's name, and what is wrong, translated."""

    name: str
    why: str


@dataclass(frozen=True)
class MediaCheck:
    """The state of a release's parts and parity parts, all of them read."""

    release: MediaRelease
    faults: tuple[PartFault, ...]

    @property
    def bad_parts(self) -> tuple[int, ...]:
        """The parts that are bad, counted from 0."""
        return self._bad(self.release.index.parts)

    @property
    def bad_parity(self) -> tuple[int, ...]:
        """The parity parts that are bad, counted from 0."""
        return self._bad(self.release.index.parity)

    @property
    def readable(self) -> bool:
        """Whether the release can be read: nothing is bad, or parity stands in for all that is."""
        return len(self.bad_parts) <= len(self.release.index.parity) - len(self.bad_parity)

    def _bad(self, parts: tuple[MediaPart, ...]) -> tuple[int, ...]:
        named = {fault.name for fault in self.faults}
        return tuple(i for i, part in enumerate(parts) if part.name in named)


def check(release: MediaRelease, progress: Progress = no_progress) -> MediaCheck:
    """Read every part from the disk, whatever the memory still holds of it, and compare."""
    wanted = (*release.index.parts, *release.index.parity)
    by_digest = {p.digest: p.name for p in wanted}
    total, before = sum(p.size_bytes for p in wanted), 0
    faults = []
    for part in wanted:
        count = _Count(before, total, progress)
        if fault := _fault_of(release.folder / part.name, part, by_digest, count.add):
            faults.append(PartFault(part.name, fault))
        before += part.size_bytes
    progress(Transfer("media-check", _("Reading the disk"), total, total))
    return MediaCheck(release, tuple(faults))


class _Count:
    """Tells how far the reading of the disk is."""

    def __init__(self, before: int, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = before, total, progress

    def add(self, size_bytes: int) -> None:
        self._done += size_bytes
        self._progress(Transfer("media-check", _("Reading the disk"), self._done, self._total))


def _fault_of(path: Path, part: MediaPart, by_digest: Mapping[str, str], count: files.Count) -> str:
    """What is wrong with a part, translated; "" if nothing is."""
    try:
        size_bytes = path.lstat().st_size
        if size_bytes != part.size_bytes:
            return _("expected {expected}, got {got}").format(
                expected=_size_text(part.size_bytes), got=_size_text(size_bytes)
            )
        found = files.hash_from_disk(path, count)
    except FileNotFoundError:
        return _("it is missing")
    except OSError as error:
        return _("it cannot be read: {why}").format(why=os_text(error))
    if found == part.digest:
        return ""
    if found in by_digest:
        return _("it holds what {name} should hold").format(name=by_digest[found])
    return _("its content is damaged (sum {got}, expected {expected})").format(
        expected=part.digest[:19], got=found[:19]
    )


def _size_text(size_bytes: int) -> str:
    return _("{count} bytes").format(count=number_text(size_bytes))


def require_readable(found: MediaCheck) -> None:
    """UntrustedBundleError that names every bad part, where parity cannot repair them all."""
    if found.readable:
        return
    listed = "\n".join(f"{fault.name}: {fault.why}" for fault in found.faults)
    index = found.release.index
    names = ", ".join(index.parts[i].name for i in found.bad_parts)
    raise UntrustedBundleError(
        _(
            "{folder}: {count} of {all} parts are damaged or missing, parity can repair {most}:"
            "\n{list}"
        ).format(
            folder=found.release.folder,
            count=len(found.faults),
            all=len(index.parts) + len(index.parity),
            most=len(index.parity) - len(found.bad_parity),
            list=listed,
        ),
        _(
            "Nothing was changed. Only these files are needed again: {names}. Copy them from"
            " another disk with the same release, or run there where it was packed:"
            " smartcity ship … --to media:DIR, which writes only what is damaged."
        ).format(names=names),
    )


@contextmanager
def readable_tar(found: MediaCheck, progress: Progress = no_progress) -> Iterator[PartedTar]:
    """The release's tar, to read while the context lasts; bad parts are repaired in a scratch
    folder, and the disk stays as it is. Raises as `require_readable`, DiskFullError."""
    require_readable(found)
    folder = found.release.folder
    with ExitStack() as stack:
        places = {part.name: folder / part.name for part in found.release.index.parts}
        if found.bad_parts:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smartcity-")))
            places |= {path.name: path for path in repair(found, scratch, progress)}
        parts = (FilePart(places[p.name], 0, p.size_bytes) for p in found.release.index.parts)
        yield PartedTar(folder, tuple(parts))


def repaired_in_place(found: MediaCheck, progress: Progress = no_progress) -> None:
    """Write every bad part of the disk anew, parity parts too. Raises as `repair`."""
    if found.bad_parts:
        repair(found, found.release.folder, progress)
    if found.bad_parity:
        _remake_parity(found, progress)


def repair(found: MediaCheck, into: Path, progress: Progress = no_progress) -> list[Path]:
    """Make the bad parts anew in the folder `into` from all that is sound; their paths.

    Raises as `require_readable`; DiskFullError where `into` has no room.
    """
    require_readable(found)
    index, folder = found.release.index, found.release.folder
    sound = [i for i in range(len(index.parity)) if i not in found.bad_parity]
    lost = found.bad_parts
    loss = Loss(len(index.parts), len(index.parity), lost, tuple(sound[: len(lost)]))
    paths = [into / index.parts[i].name for i in lost]
    with ExitStack() as stack, files.writing(into):
        names = [part.name for part in (*index.parts, *index.parity)]
        reader = _Reader(folder, names, stack)
        outputs = [stack.enter_context(files.aside(path).open("wb")) for path in paths]
        done = 0
        for stripe in repaired_stripes(reader.read, loss, index.part_bytes):
            for output, data, at in zip(outputs, stripe, lost, strict=True):
                output.write(data[: max(0, index.parts[at].size_bytes - done)])
            done += len(stripe[0])
            progress(Transfer("media-repair", _("Repairing parts"), done, index.part_bytes))
        for output in outputs:
            files.settle(output)
    with files.writing(into):
        for path, at in zip(paths, lost, strict=True):
            files.publish(path, index.parts[at].digest)
    return paths


def _remake_parity(found: MediaCheck, progress: Progress) -> None:
    index, folder = found.release.index, found.release.folder
    paths = {i: folder / index.parity[i].name for i in found.bad_parity}
    with ExitStack() as stack, files.writing(folder):
        reader = _Reader(folder, [part.name for part in index.parts], stack)
        outputs = {i: stack.enter_context(files.aside(p).open("wb")) for i, p in paths.items()}
        done = 0
        counts = (len(index.parts), len(index.parity))
        for stripe in parity_stripes(reader.read, *counts, index.part_bytes):
            for i, output in outputs.items():
                output.write(stripe[i])
            done += len(stripe[0])
            progress(Transfer("media-repair", _("Repairing parts"), done, index.part_bytes))
        for output in outputs.values():
            files.settle(output)
    with files.writing(folder):
        for i, path in paths.items():
            files.publish(path, index.parity[i].digest)


class _Reader:
    """Reads the parts on the disk by number; each is opened when it is first needed."""

    def __init__(self, folder: Path, names: Sequence[str], stack: ExitStack) -> None:
        self._folder, self._names, self._stack = folder, names, stack
        self._opened: dict[int, BinaryIO] = {}

    def read(self, number: int, offset: int, size_bytes: int) -> bytes:
        with reading(self._folder):
            if number not in self._opened:
                path = self._folder / self._names[number]
                self._opened[number] = self._stack.enter_context(path.open("rb", buffering=0))
            return os.pread(self._opened[number].fileno(), size_bytes, offset)
