"""Files on a disk that may lie, be full, or be pulled out: written aside, synced, read back.

FAT32 knows no links and no permissions; a rename is all that is needed of it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from smartcity_pkg.core import atomic, digest
from smartcity_pkg.core.digest import CHUNK_BYTES
from smartcity_pkg.core.errors import DiskFullError, LockedError, SmartCityError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.ship.media.index import SUFFIX, disk_of

Count = Callable[[int], None]
"""Told how many bytes more have been dealt with."""


def hash_from_disk(path: Path, count: Count) -> str:
    """The digest of a regular file as the disk gives it, not the memory's copy of it; OSError."""
    hasher = hashlib.sha256()
    with _regular(path) as descriptor:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while data := os.read(descriptor, CHUNK_BYTES):
            hasher.update(data)
            count(len(data))
    return f"sha256:{hasher.hexdigest()}"


def aside(path: Path) -> Path:
    """Where `path` grows until it is whole."""
    return path.with_name(path.name + SUFFIX)


def write_aside(path: Path, chunks: Iterable[bytes], count: Count) -> None:
    """Write `chunks` beside `path`, onto the disk itself."""
    with aside(path).open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            count(len(chunk))
        settle(file)


def put(path: Path, data: bytes) -> None:
    """Put a small file at `path`, whole or not at all. Raises as `publish`, and OSError."""
    write_aside(path, [data], lambda _count: None)
    publish(path, digest.of_bytes(data))


def settle(file: BinaryIO) -> None:
    """Bring what was written onto the disk itself."""
    file.flush()
    os.fsync(file.fileno())


def publish(path: Path, expected: str) -> None:
    """Give what was written beside `path` its name, once the disk has given it back unchanged.

    SmartCityError where it has not; the bad file is removed then.
    """
    part = aside(path)
    if hash_from_disk(part, lambda _count: None) != expected:
        part.unlink()
        raise SmartCityError(
            _("{file}: the disk gives back other bytes than were written").format(file=path),
            _("the disk is failing or fake; take another one, and do not trust this one"),
        )
    part.replace(path)
    atomic.sync_directory(path.parent)


@contextmanager
def writing(disk: Path) -> Iterator[None]:
    """Tell what a disk refuses in our words: DiskFullError, else SmartCityError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                _("{disk}: the disk is full").format(disk=disk),
                _("make room on it, or take a larger one; what was copied is not copied again"),
            ) from error
        raise SmartCityError(
            _("{disk}: the disk cannot be written: {why}").format(disk=disk, why=os_text(error)),
            _("check its write protection, and that it is still connected (dmesg says more)"),
        ) from error


@contextmanager
def alone_on(disk: Path) -> Iterator[None]:
    """LockedError where another smartcity of this machine changes releases on the disk by now.

    The disk's own folder is locked (flock(2), also on FAT32): no file can be left behind, and the
    kernel ends the lock of a process that was killed. Raises as `writing`.
    """
    with writing(disk):
        descriptor = os.open(disk_of(disk), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                _("{disk}: another smartcity is copying or repairing on this disk").format(
                    disk=disk
                ),
                _("wait until it has come to its end, then run the same command again"),
            ) from error
        except OSError:
            # NFS locks no folders. The lock spares work; every part is read back all the same.
            pass
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _regular(path: Path) -> Iterator[int]:
    """An open descriptor of a regular file; OSError for anything else, links too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, _("it is no regular file"))
        yield descriptor
    finally:
        os.close(descriptor)
