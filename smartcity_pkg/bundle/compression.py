"""Layers in and out of compression, in bounded memory; knows nothing of bundles.

The compressed bytes are a pure function of the layer's bytes, the settings below and the version of
libzstd: with one worker or more, zstd cuts its input into jobs of a fixed size, so neither the
number of workers nor the size of the reads matters (zstd.h, `ZSTD_c_nbWorkers`; held by a test).
No size is pledged, because a stream's size is not known before its end.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Protocol, cast

from smartcity_pkg.core.i18n import _

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 9
JOB_BYTES = 8 << 20
_OVERLAP_LOG = 8
# Each worker takes about 50 MB; four of them are faster than an engine's export.
_MOST_WORKERS = 4
# Level 9 uses a window of 2^22. Whatever asks for more than this was not made here.
_WINDOW_LOG_MAX = 23
_READ_BYTES = 256 << 10
_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes((n,)) + b"\x2a\x4d\x18" for n in range(0x50, 0x60)))

ENCODER = f"zstd-{zstd.zstd_version}-l{LEVEL}"


class Readable(Protocol):
    """What bytes can be read from, at most `size` at a time; empty at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


class CorruptLayerError(Exception):
    """Compressed bytes are damaged, or are not what they should be; `str` says how."""


def compressor() -> zstd.ZstdCompressor:
    """A new compressor for one layer: feed it with `compress`, end it with `flush`."""
    parameter = zstd.CompressionParameter
    return zstd.ZstdCompressor(
        options={
            parameter.compression_level: LEVEL,
            parameter.checksum_flag: 1,
            parameter.nb_workers: min(os.cpu_count() or 1, _MOST_WORKERS),
            parameter.job_size: JOB_BYTES,
            parameter.overlap_log: _OVERLAP_LOG,
        }
    )


def compressed_like(
    data: bytes, dictionary: bytes, effort: Mapping[int, int] = MappingProxyType({})
) -> bytes:
    """`data` as one frame, with `dictionary` before it; `zstd -d -D` opens it with the same.

    Both in memory; the window is at most 8 MiB. `effort` are zstd's parameters (level 19 if none).
    There is no checksum: whoever opens it knows the sum of what must come out.
    """
    parameter = zstd.CompressionParameter
    window_log = min(max(10, len(data).bit_length()), _WINDOW_LOG_MAX)
    options = {
        parameter.compression_level: 19,
        **effort,
        parameter.window_log: window_log,
        parameter.checksum_flag: 0,
    }
    prefix = zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary else None
    return zstd.compress(data, options=options, zstd_dict=prefix)


def decompressed(stream: Readable, limit_bytes: int | None = None) -> Iterator[bytes]:
    """The content of the one zstd frame in `stream`, at most 1 MiB at a time.

    Raises CorruptLayerError where the frame is damaged, cut, followed by anything, wants a window
    over 8 MiB, or holds more than `limit_bytes`: a bomb is stopped at its first byte too many.
    """
    opener = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    )
    total = 0
    while not opener.eof:
        packed = stream.read(_READ_BYTES) if opener.needs_input else b""
        if opener.needs_input and not packed:
            raise CorruptLayerError(_("the compressed data ends too early"))
        try:
            chunk = opener.decompress(packed, _CHUNK_BYTES)
        except zstd.ZstdError as error:
            raise CorruptLayerError(str(error)) from error
        total += len(chunk)
        if limit_bytes is not None and total > limit_bytes:
            raise CorruptLayerError(
                _("it opens to more than {limit} bytes").format(limit=limit_bytes)
            )
        if chunk:
            yield chunk
    if opener.unused_data or stream.read(1):
        raise CorruptLayerError(_("something follows the compressed data"))


def is_compressed(head: bytes) -> bool:
    """Whether a stream that begins with these four bytes or more is gzip or zstd."""
    return head.startswith((_GZIP_MAGIC, *_ZSTD_MAGICS))


def raw_chunks(stream: io.BufferedReader) -> Iterator[bytes]:
    """A layer's own bytes from an image source: gzip and zstd are opened, anything else is raw.

    Sources are the packer's own, and what comes out is checked against a diffID, so nothing is
    limited here except memory. Raises CorruptLayerError where the compressed data is damaged.
    """
    head = stream.peek(4)[:4]
    opened: BinaryIO = stream
    if head.startswith(_GZIP_MAGIC):
        opened = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    elif is_compressed(head):
        opened = cast(BinaryIO, zstd.ZstdFile(stream))
    try:
        while chunk := opened.read(_CHUNK_BYTES):
            yield chunk
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError, EOFError) as error:
        raise CorruptLayerError(str(error)) from error
