"""Layers packed as gzip once in a run, however many servers and connections take them.

One thread packs into an unnamed temporary file; every taker reads along in it, and waits at its
end. What it is for is `ship.wire`'s business.
"""

from __future__ import annotations

import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from smartcity_pkg.bundle.compression import decompressed
from smartcity_pkg.bundle.contents import BlobReader
from smartcity_pkg.hosts.streams import WRITE_BYTES

_LEVEL = 6
# zlib.h, deflateInit2: 15 bits of window, and 16 for gzip's header without a time
_FORMAT = 31


def gzipped(bundle: BlobReader, source: str, size_bytes: int) -> Generator[bytes, None, None]:
    """The bundle's zstd blob `source`, which opens to `size_bytes`, as gzip; always the same."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _FORMAT)
    with closing(bundle.open(source)) as stream:
        for raw in decompressed(stream, size_bytes):
            if packed := packer.compress(raw):
                yield packed
    yield packer.flush()


class GzipOnce:
    """Packs each blob at most once; may be used by several threads; to be closed."""

    def __init__(self, bundle: BlobReader) -> None:
        self._bundle = bundle
        self._lock = threading.Lock()
        self._growing: dict[str, _Growing] = {}

    def open(self, source: str, size_bytes: int) -> Generator[bytes, None, None]:
        """As `gzipped`, from the start; raises what packing raised."""
        with self._lock:
            if source not in self._growing:
                self._growing[source] = _Growing(lambda: gzipped(self._bundle, source, size_bytes))
            growing = self._growing[source]
        at = 0
        while chunk := growing.read(at):
            yield chunk
            at += len(chunk)

    def close(self) -> None:
        """Stop packing and give the disk back."""
        for growing in self._growing.values():
            growing.close()


class _Growing:
    """A file that one thread writes and others read along."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        self._more = threading.Condition()
        self._size = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._writer = threading.Thread(target=self._fill, args=(chunks,), daemon=True)
        self._writer.start()

    def read(self, at: int) -> bytes:
        """What follows byte `at`, as soon as there is any; empty at the end."""
        with self._more:
            self._more.wait_for(lambda: self._size > at or self._ended)
            if self._size <= at and self._failure is not None:
                raise self._failure
            have = self._size - at
        return os.pread(self._file.fileno(), min(have, WRITE_BYTES), at) if have > 0 else b""

    def close(self) -> None:
        """End the writer."""
        with self._more:
            self._ended = True
            self._more.notify_all()
        self._writer.join()
        self._file.close()

    def _fill(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        try:
            for chunk in chunks():
                self._file.write(chunk)
                with self._more:
                    if self._ended:
                        return
                    self._size += len(chunk)
                    self._more.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised again in every reader
            self._failure = error
        finally:
            with self._more:
                self._ended = True
                self._more.notify_all()
