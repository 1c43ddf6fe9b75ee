"""A bundle as its one tar, read from any byte on, whatever form it has on the disk.

The tar that `write` makes of the same files, to the byte; nothing of it is written anywhere.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from smartcity_pkg.bundle import ustar
from smartcity_pkg.bundle.layout import Bundle, FilePart
from smartcity_pkg.core.digest import CHUNK_BYTES


@dataclass(frozen=True)
class _Run:
    """Bytes of the tar from `offset` on: these, or a file's."""

    offset: int
    content: bytes | FilePart


class TarForm:
    """The tar of an open bundle. Reads by position; one thread at a time."""

    def __init__(self, bundle: Bundle) -> None:
        self._runs: list[_Run] = []
        self._open: tuple[FilePart, BinaryIO] | None = None
        self.size_bytes = 0
        for name, size_bytes in sorted(bundle.sizes.items()):
            self._add(ustar.header(name, size_bytes), ustar.BLOCK_BYTES)
            self._add(bundle.place(name), size_bytes)
            fill = ustar.padding(size_bytes)
            self._add(fill, len(fill))
        self._add(ustar.END, len(ustar.END))
        self._offsets = [run.offset for run in self._runs]

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Exactly the bytes from `offset` on; fewer at the end. OSError where a file is short."""
        return b"".join(self._pieces(offset, min(size_bytes, self.size_bytes - offset)))

    def chunks(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        """The bytes from `offset` on, in pieces that are small enough to hold."""
        end = min(offset + size_bytes, self.size_bytes)
        for at in range(offset, end, CHUNK_BYTES):
            yield self.read(at, min(CHUNK_BYTES, end - at))

    def close(self) -> None:
        """Close the file that was read last; may be called twice."""
        if self._open:
            self._open[1].close()
            self._open = None

    def _add(self, content: bytes | FilePart, size_bytes: int) -> None:
        if size_bytes:
            self._runs.append(_Run(self.size_bytes, content))
            self.size_bytes += size_bytes

    def _pieces(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        index = bisect.bisect_right(self._offsets, offset) - 1
        while size_bytes > 0:
            run = self._runs[index]
            piece = self._of(run, offset - run.offset, size_bytes)
            yield piece
            offset, size_bytes, index = offset + len(piece), size_bytes - len(piece), index + 1

    def _of(self, run: _Run, skip: int, size_bytes: int) -> bytes:
        if isinstance(run.content, bytes):
            return run.content[skip : skip + size_bytes]
        wanted = min(size_bytes, run.content.size_bytes - skip)
        stream = self._stream(run.content)
        stream.seek(run.content.offset + skip)
        data = stream.read(wanted)
        if len(data) != wanted:
            raise OSError(f"{run.content.path}: shorter than it was")
        return data

    def _stream(self, part: FilePart) -> BinaryIO:
        if self._open is None or self._open[0] != part:
            self.close()
            self._open = (part, part.path.open("rb"))
        return self._open[1]
