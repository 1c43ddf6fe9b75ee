"""A blob as it travels: its bytes in order, hashed on the way; where they go is not known here."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from smartcity_pkg.bundle.compression import CorruptLayerError, decompressed
from smartcity_pkg.bundle.contents import BlobReader
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.store import PartState
from smartcity_pkg.hosts.streams import WRITE_BYTES
from smartcity_pkg.ship.plan import PlannedBlob

_GZIP_LEVEL = 6
_GZIP_FORMAT = (
    31  # zlib.h, deflateInit2: 15 bits of window, and 16 for gzip's header without a time
)


class Wire:
    """The encoded bytes of one blob, read once from the start; to be closed."""

    def __init__(self, bundle: BlobReader, blob: PlannedBlob) -> None:
        self.blob = blob
        self.offset = 0
        self._hasher = hashlib.sha256()
        self._chunks = _encoded(bundle, blob)
        self._left = b""

    def skip(self, state: PartState) -> bool:
        """Read past what the server holds; False where that is not how this blob begins."""
        while self.offset < state.size_bytes:
            chunk = self._next()
            if not chunk:
                return False
            keep = state.size_bytes - self.offset
            self._left = chunk[keep:]
            self._hasher.update(chunk[:keep])
            self.offset += len(chunk[:keep])
        return f"sha256:{self._hasher.hexdigest()}" == state.digest

    def rest(self, report: Callable[[int], None]) -> Iterator[bytes]:
        """What follows, in pieces that suit SSH; `report` is told the offset after each."""
        while chunk := self._next():
            self._hasher.update(chunk)
            yield chunk
            self.offset += len(chunk)
            report(self.offset)

    def check(self) -> None:
        """After the end: UntrustedBundleError unless the bytes were those that the bundle names."""
        if self.blob.wire_digest not in (None, f"sha256:{self._hasher.hexdigest()}"):
            raise _corrupt(self.blob)

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


def _encoded(bundle: BlobReader, blob: PlannedBlob) -> Generator[bytes, None, None]:
    with closing(bundle.open(blob.source)) as stream:
        if blob.encoding != "gzip":
            while chunk := stream.read(WRITE_BYTES):
                yield chunk
            return
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
        for raw in decompressed(stream, blob.size_bytes):
            if packed := packer.compress(raw):
                yield packed
        yield packer.flush()


def _corrupt(blob: PlannedBlob) -> UntrustedBundleError:
    return UntrustedBundleError(
        _("the bundle's blob {digest} is damaged: its bytes are not what its name says").format(
            digest=blob.source[:19]
        ),
        _("nothing of it is used; copy the bundle again from where it was packed, and verify it"),
    )
