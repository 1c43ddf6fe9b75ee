"""A blob as it travels: its bytes in order; where they go is not known here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from smartcity_pkg.bundle.compression import CorruptLayerError
from smartcity_pkg.bundle.contents import BlobReader
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.store import PartState
from smartcity_pkg.hosts.streams import WRITE_BYTES
from smartcity_pkg.ship.gziponce import GzipOnce
from smartcity_pkg.ship.plan import PlannedBlob


class Wire:
    """The encoded bytes of one blob, read once from the start; to be closed.

    The bytes are not hashed on their way: that would be done once for every server, and the server
    hashes what it got. `check` tells afterwards whose bytes were wrong.
    """

    def __init__(self, bundle: BlobReader, blob: PlannedBlob, gzips: GzipOnce) -> None:
        self.blob = blob
        self.offset = 0
        self._chunks = _encoded(bundle, blob, gzips)
        self._left = b""

    def skip(self, state: PartState) -> bool:
        """Read past what the server holds; False where that is not how this blob begins."""
        hasher = hashlib.sha256()
        while self.offset < state.size_bytes:
            chunk = self._next()
            if not chunk:
                return False
            keep = state.size_bytes - self.offset
            self._left = chunk[keep:]
            hasher.update(chunk[:keep])
            self.offset += len(chunk[:keep])
        return f"sha256:{hasher.hexdigest()}" == state.digest

    def rest(self, report: Callable[[int], None]) -> Iterator[bytes]:
        """What follows, in pieces that suit SSH; `report` is told the offset after each."""
        while chunk := self._next():
            yield chunk
            self.offset += len(chunk)
            report(self.offset)

    def close(self) -> None:
        """Stop reading."""
        self._chunks.close()

    def _next(self) -> bytes:
        if self._left:
            chunk, self._left = self._left, b""
            return chunk
        try:
            return next(self._chunks, b"")
        except CorruptLayerError as error:
            raise _corrupt(self.blob) from error


def check(bundle: BlobReader, blob: PlannedBlob) -> None:
    """UntrustedBundleError unless the bundle's bytes are still those that it names."""
    with closing(bundle.open(blob.source)) as stream:
        if digest.of_chunks(digest.read_chunks(stream)) != blob.source:
            raise _corrupt(blob)


def _encoded(
    bundle: BlobReader, blob: PlannedBlob, gzips: GzipOnce
) -> Generator[bytes, None, None]:
    if blob.encoding == "gzip":
        yield from gzips.open(blob.source, blob.size_bytes)
        return
    with closing(bundle.open(blob.source)) as stream:
        while chunk := stream.read(WRITE_BYTES):
            yield chunk


def _corrupt(blob: PlannedBlob) -> UntrustedBundleError:
    return UntrustedBundleError(
        _("the bundle's blob {digest} is damaged: its bytes are not what its name says").format(
            digest=blob.source[:19]
        ),
        _("nothing of it is used; copy the bundle again from where it was packed, and verify it"),
    )
