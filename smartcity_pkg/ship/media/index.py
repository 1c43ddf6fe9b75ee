"""What lies on the disk, and under which names: the index of a release's parts, and finding it.

The index finds damage; it proves nothing. What is in the parts is verified like any other bundle.
Names are such that FAT32 takes them: no case that matters, no `:`; no file over 4 GiB - 1.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.pemda import RegionCode
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.units import MIB
from smartcity_pkg.ship.media.parity import MAX_TOGETHER

INDEX_FILES = ("smartcity.json", "smartcity-copy.json")
FOLDER_PREFIX = "smartcity-"
SUFFIX = ".part"
MAX_PART_BYTES = (4 << 30) - 1  # FAT32
MIN_PART_BYTES = 64 << 10
DEFAULT_PART_BYTES = 64 * MIB
MAX_PARTS = 9999
_MAX_INDEX_BYTES = 4 << 20

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
_RELEASE = r"[1-9][0-9]{0,8}-[0-9a-f]{12}"
ReleaseName = Annotated[str, StringConstraints(pattern=rf"^{_RELEASE}$")]


class MediaPart(Model):
    """One file of a release on the disk."""

    name: str
    size_bytes: int = Field(ge=1, le=MAX_PART_BYTES)
    digest: Digest


class MediaIndex(Model):
    """The parts of one release, in order; `root_digest` is that of the bundle, which is signed.

    Every part has the size of the first, the last one what is left. `parity` parts are as large as
    the first; any N of them stand in for any N other parts.
    """

    schema_version: Literal[1] = 1
    kind: Literal["media"] = "media"
    region: RegionCode
    pemda: str
    release: ReleaseName
    root_digest: Digest
    parts: tuple[MediaPart, ...] = Field(min_length=1, max_length=MAX_PARTS)
    parity: tuple[MediaPart, ...] = ()

    @property
    def part_bytes(self) -> int:
        """The size of every part but the last."""
        return self.parts[0].size_bytes

    @property
    def size_bytes(self) -> int:
        """The size of the tar."""
        return sum(part.size_bytes for part in self.parts)

    def to_json(self) -> bytes:
        """The file's bytes: the index and its sha256, so that damage to it is noticed."""
        body = self.model_dump(mode="json")
        return digest.canonical_json(
            {"digest": digest.of_bytes(digest.canonical_json(body)), "index": body}
        )


@dataclass(frozen=True)
class MediaRelease:
    """A release on a disk: its folder, and what should be in it."""

    folder: Path
    index: MediaIndex

    @property
    def serial(self) -> int:
        """The release's number."""
        return int(self.index.release.partition("-")[0])


def part_name(release: str, number: int) -> str:
    """The name of a part; `number` counts from 1."""
    return f"{release}.tar.{number:04d}"


def parity_name(release: str, number: int) -> str:
    """The name of a parity part; `number` counts from 1."""
    return f"{release}.tar.p{number:03d}"


def is_ours(release: str, name: str) -> bool:
    """Whether `name` is one that only smartcity gives to a file of `release`."""
    ours = rf"{re.escape(release)}\.tar\.(?:\d{{4}}|p\d{{3}})"
    indexes = "|".join(map(re.escape, INDEX_FILES))
    return re.fullmatch(rf"(?:{ours}|{indexes})(?:{re.escape(SUFFIX)})?", name) is not None


def release_folder(disk: Path, release: str) -> Path:
    """Where a release lies on the disk."""
    return disk / f"{FOLDER_PREFIX}{release}"


def disk_of(folder: Path) -> Path:
    """The disk, where `folder` may be a release's own one on it."""
    path = folder.resolve()
    own = re.fullmatch(rf"{re.escape(FOLDER_PREFIX)}{_RELEASE}", path.name)
    return path.parent if own else path


def check_disk(disk: Path) -> None:
    """InputError where `disk` is no folder: the disk is not connected, or the path is wrong."""
    if not disk.is_dir():
        raise InputError(
            Problem(_("expected the folder of a disk, got no folder"), str(disk)),
            _("Check the path, and that the disk is connected (df -h shows where)."),
        )


def releases_on(disk: Path) -> list[MediaRelease]:
    """The releases on a disk (or in one release's own folder), the highest number first.

    Raises InputError where there is none, or where the index of one cannot be read.
    """
    check_disk(disk)
    found = [read_release(f) for f in (disk, *_folders(disk)) if _has_index(f)]
    if not found:
        raise InputError(
            Problem(_no_release(unfinished_on(disk)), str(disk)),
            _("Copy one onto the disk where it was packed: smartcity ship BUNDLE --to media:DIR"),
        )
    return sorted(found, key=lambda r: (-r.serial, r.index.release))


def unfinished_on(disk: Path) -> tuple[str, ...]:
    """The folders of releases whose copy did not come to its end."""
    begun = (f for f in _folders(disk) if any(f.glob("*.tar.*")))
    return tuple(folder.name for folder in begun if not _has_index(folder))


def choose(disk: Path, region: str, release: str | None) -> MediaRelease:
    """The release for a pemda: `release`, else the highest number; InputError if there is none.

    Where `release` is named, the others on the disk may be damaged.
    """
    check_disk(disk)
    named = release_folder(disk, release) if release else disk
    found = [read_release(named)] if release and _has_index(named) else releases_on(disk)
    mine = [r for r in found if r.index.region == region]
    if release is not None:
        mine = [r for r in mine if r.index.release == release]
    if not mine:
        listed = ", ".join(f"{r.index.release} ({r.index.pemda}, {r.index.region})" for r in found)
        wanted = f"{region} ({release})" if release else region
        raise InputError(
            Problem(
                _("expected a release for {wanted}, got: {found}").format(
                    wanted=wanted, found=listed
                ),
                str(disk),
            ),
            _("Take the disk that was made for this pemda, or name the right pemda."),
        )
    if len(mine) > 1 and mine[0].serial == mine[1].serial:
        raise UsageError(
            _("the disk holds several releases with the number {serial}: {names}").format(
                serial=mine[0].serial,
                names=", ".join(r.index.release for r in mine if r.serial == mine[0].serial),
            ),
            _("say which one: --release NAME"),
        )
    return mine[0]


def read_release(folder: Path) -> MediaRelease:
    """The release in `folder` by the first of its two indexes that is whole; InputError if none."""
    faults = []
    for name in INDEX_FILES:
        try:
            return MediaRelease(folder, _parse(_read(folder / name)))
        except (OSError, ValueError) as error:
            faults.append(Problem(_fault(error), str(folder / name)))
    raise InputError(
        faults,
        _(
            "Copy the release onto the disk again (smartcity ship … --to media:DIR writes only what"
            " is damaged), or only these files from another disk with the same release. Another"
            " release of the disk can be named: --release NAME."
        ),
    )


def _folders(disk: Path) -> list[Path]:
    return sorted(disk.glob(f"{FOLDER_PREFIX}*-*/"))


def _has_index(folder: Path) -> bool:
    return any((folder / name).is_file() for name in INDEX_FILES)


def _no_release(unfinished: Sequence[str]) -> str:
    if unfinished:
        return _("expected a release, got copies that were not finished: {names}").format(
            names=", ".join(unfinished)
        )
    return _("expected a release that smartcity copied there, got none")


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError(errno.EINVAL, _("it is no regular file"))
    with path.open("rb") as stream:
        return stream.read(_MAX_INDEX_BYTES + 1)


def _fault(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return _("it is missing")
    if isinstance(error, OSError):
        return _("it cannot be read: {why}").format(why=os_text(error))
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return _("expected the index of a release, got damaged bytes ({why})").format(why=error)


def _parse(data: bytes) -> MediaIndex:
    """The index in `data`; ValueError where it is damaged or says what no writer of ours says."""
    value = strictjson.loads(data, _MAX_INDEX_BYTES)
    if not isinstance(value, dict) or set(value) != {"digest", "index"}:
        raise ValueError(_("no index"))
    body = digest.canonical_json(value["index"])
    if digest.of_bytes(body) != value["digest"]:
        raise ValueError(_("its sum is another"))
    index = MediaIndex.model_validate_json(body)
    numbered = [(part_name, index.parts), (parity_name, index.parity)]
    for name, parts in numbered:
        if [p.name for p in parts] != [name(index.release, n + 1) for n in range(len(parts))]:
            raise ValueError(_("its parts have other names than expected"))
    first = index.parts[0].size_bytes
    whole = (*index.parts[:-1], *index.parity)
    if any(p.size_bytes != first for p in whole) or index.parts[-1].size_bytes > first:
        raise ValueError(_("its parts have other sizes than expected"))
    if index.parity and len(index.parts) + len(index.parity) > MAX_TOGETHER:
        raise ValueError(_("it has more parts than parity can be made for"))
    return index
