"""Where the entries of a layer's tar lie, and what is equal in two of them: file-aware patching.

A layer is read by position, so that memory does not grow with it. A layer that is no sound tar has
no map, and then no patch; nothing here judges what a layer may hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAP_VERSION = 1
_READ_BYTES = 1 << 20


class NoTarError(Exception):
    """The layer cannot be read as a tar."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: headers at `start`, content (padded to blocks) from `content` to `end`, in bytes.

    `digest` is that of the content with its padding, b"" where there is none. The last entry of a
    map has no name and holds what follows the tar's last file.
    """

    name: str
    start: int
    content: int
    end: int
    digest: bytes


class RawLayer:
    """A layer opened, in a file that is gone when it is closed; read by position from any thread.

    Raises what `chunks` raises.
    """

    def __init__(self, chunks: Iterable[bytes], folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        try:
            for chunk in chunks:
                self._file.write(chunk)
            self._file.flush()
        except BaseException:
            self._file.close()
            raise
        self.size_bytes = self._file.tell()

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`."""
        return os.pread(self._file.fileno(), end - start, start)

    def entries(self) -> tuple[Entry, ...]:
        """The map of the tar; NoTarError where it is none."""
        found: list[tuple[str, int, int]] = []
        self._file.seek(0)
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    found.append((member.name, member.offset, member.offset_data))
                    archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                after = archive.offset
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise NoTarError(str(error)) from error
        after = after if found else 0
        ends = [start for _name, start, _content in (*found[1:], ("", after, after))]
        entries = [
            Entry(name, start, content, end, self._digest(content, end))
            for (name, start, content), end in zip(found, ends, strict=False)
        ]
        tail = Entry("", after, after, self.size_bytes, self._digest(after, self.size_bytes))
        return (*entries, tail)

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def _digest(self, start: int, end: int) -> bytes:
        if start == end:
            return b""
        hasher = hashlib.blake2b(digest_size=16)
        for at in range(start, end, _READ_BYTES):
            hasher.update(self.read(at, min(at + _READ_BYTES, end)))
        return hasher.digest()


def to_json(entries: tuple[Entry, ...]) -> bytes:
    """The map as JSON; names that are no Unicode keep their bytes (PEP 383)."""
    rows = [[e.name, e.start, e.content, e.end, e.digest.hex()] for e in entries]
    return json.dumps(rows, separators=(",", ":")).encode()


def from_json(text: bytes) -> tuple[Entry, ...]:
    """What `to_json` wrote."""
    return tuple(
        Entry(name, start, content, end, bytes.fromhex(digest))
        for name, start, content, end, digest in json.loads(text)
    )
