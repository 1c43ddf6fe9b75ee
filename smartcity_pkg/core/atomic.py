"""Files that are either whole or absent: written aside, synced, renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, replacing what is there, surviving a power cut at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(mode)
        part.replace(path)
        sync_directory(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Make renames inside `path` survive a power cut."""
    _sync(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to build a file or a directory at; renamed over `path` on success.

    On any failure what was built is removed and `path` is as before. A file is synced; a directory
    only at its top: callers that write many files into it sync those that must last. A power cut
    while a directory takes the place of another may leave the old one in the folder beside it.
    """
    path = path.absolute()  # "." has no name to build beside
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    part = scratch / path.name
    try:
        yield part
        _sync(part)
        _swap(part, path, aside=scratch / f"{path.name}.old")
        sync_directory(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap(part: Path, path: Path, *, aside: Path) -> None:
    """Rename `part` to `path`; a directory in the way waits at `aside`, and comes back on failure.

    rename(2) replaces a file by a file, but no directory that holds anything.
    """
    in_the_way = part.is_dir() and path.is_dir()
    if in_the_way:
        path.rename(aside)
    try:
        part.replace(path)
    except BaseException:
        if in_the_way:
            aside.rename(path)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
