"""Bundles that this machine has read through or written, and that nobody has written to since.

A file is told by what the system keeps of it: device, inode, size, and the two times that change
with every write. Where a file system keeps whole seconds only (FAT), two writes may look like one,
so nothing is noted there; nor of directories and parts. The notes are no proof to anybody else.
"""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from smartcity_pkg.bundle.layout import PartedTar
from smartcity_pkg.core import atomic, digest

_SECOND_NS = 10**9


def file_state(source: Path | PartedTar) -> bytes | None:
    """A bundle's file as it is now, which any write changes; None where that cannot be told."""
    if isinstance(source, PartedTar):
        return None
    try:
        found = source.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_ctime_ns % _SECOND_NS:
        return None
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return " ".join(map(str, numbers)).encode()


class CheckedBundles:
    """One small file for each root digest; several processes may use the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def knows(self, root_digest: str, state: bytes | None) -> bool:
        """Whether the layers of this bundle were read through in this very state."""
        with contextlib.suppress(OSError):
            return state is not None and self._path(root_digest).read_bytes() == state
        return False

    def add(self, root_digest: str, state: bytes | None) -> None:
        """Note it; a cache that cannot be written only costs time."""
        if state is None:
            return
        with contextlib.suppress(OSError):
            atomic.write(self._path(root_digest), state)

    def _path(self, root_digest: str) -> Path:
        return self._folder / digest.hex_of(root_digest)
