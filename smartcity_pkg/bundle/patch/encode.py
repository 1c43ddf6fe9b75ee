"""Writing a patch: a recipe's segments compressed, most care where most is new.

The same two layers and the same libzstd give the same bytes, with any number of cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from smartcity_pkg.bundle.patch.matching import Copy, Recipe, Segment, recipe
from smartcity_pkg.bundle.patch.tarmap import Entry, RawLayer
from smartcity_pkg.hosts import patchform

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = f"1-zstd-{zstd.zstd_version}"
_QUICK, _CAREFUL = 12, 19
# How many bytes of segments get level 19, which does 3 to 4 MB a second: 5 s on two cores, or 15.
SOME_CARE, MOST_CARE = 32 << 20, 96 << 20
_CHAIN_LOG, _HASH_LOG, _TARGET_LENGTH = 24, 22, 999
# Each thread takes about 130 MB at level 19.
_MOST_THREADS = 2
# A dictionary that began like this would be read as a trained one (RFC 8878, 5).
_TRAINED = b"\x37\xa4\x30\xec"


class TooLargeError(Exception):
    """The patch would be larger than what it is worth."""


@dataclass(frozen=True)
class Layer:
    """A layer's bytes and its map."""

    raw: RawLayer
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class _Frame:
    """A compressed segment: where its bytes lie in the spill file."""

    segment: Segment
    level: int
    offset: int
    size_bytes: int


def encode(
    old: Layer,
    new: Layer,
    out: IO[bytes],
    spill: IO[bytes],
    limit_bytes: int,
    care_bytes: int = MOST_CARE,
) -> int:
    """Write the patch from `old` to `new` into `out`; gives its size in bytes.

    `spill` is an empty file for what is in between; the largest frames, of `care_bytes` of the
    layer, are made with the most care. Memory does not grow with the layers. Raises
    TooLargeError as soon as more than `limit_bytes` would be written.
    """
    plan = recipe(
        old.entries, new.entries, lambda mine, its: old.raw.read(*mine) == new.raw.read(*its)
    )
    work = _Encoder(old.raw, new.raw, spill)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        frames = list(_limited(work.compress(pool, plan.segments, _QUICK), limit_bytes))
        chosen = _worth_more(frames, care_bytes)
        again = work.compress(pool, [frames[i].segment for i in chosen], _CAREFUL)
        for i, frame in zip(chosen, again, strict=True):
            frames[i] = min(frames[i], frame, key=lambda f: f.size_bytes)
    program = _compressed(_program(plan, frames), _CAREFUL)
    out.write(patchform.head(len(program)) + program)
    for frame in frames:
        spill.seek(frame.offset)
        out.write(spill.read(frame.size_bytes))
    size_bytes = patchform.HEAD_BYTES + len(program) + sum(f.size_bytes for f in frames)
    if size_bytes > limit_bytes:
        raise TooLargeError
    return size_bytes


class _Encoder:
    """Segments to frames in the spill file."""

    def __init__(self, old: RawLayer, new: RawLayer, spill: IO[bytes]) -> None:
        self._old = old
        self._new = new
        self._spill = spill
        self._end = 0

    def compress(
        self, pool: Executor, segments: tuple[Segment, ...] | list[Segment], level: int
    ) -> Iterator[_Frame]:
        """The frames of `segments`, in order."""
        packed = pool.map(lambda segment: self._frame(segment, level), segments)
        for segment, data in zip(segments, packed, strict=True):
            self._spill.seek(self._end)
            self._spill.write(data)
            yield _Frame(segment, level, self._end, len(data))
            self._end += len(data)

    def _frame(self, segment: Segment, level: int) -> bytes:
        dictionary = b"".join(self._old.read(*span) for span in segment.old)
        data = b"".join(self._new.read(*span) for span in segment.new)
        return _compressed(data, level, dictionary)


def _compressed(data: bytes, level: int, dictionary: bytes = b"") -> bytes:
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: level,
        parameter.window_log: min(max(10, len(data).bit_length()), patchform.MAX_WINDOW_LOG),
        parameter.checksum_flag: 0,
    }
    if level == _CAREFUL:
        options[parameter.chain_log] = _CHAIN_LOG
        options[parameter.hash_log] = _HASH_LOG
        options[parameter.target_length] = _TARGET_LENGTH
    prefix = zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary else None
    return zstd.compress(data, options=options, zstd_dict=prefix)


def _worth_more(frames: list[_Frame], care_bytes: int) -> list[int]:
    """Which frames to make again with care: the largest, as far as the time allows."""
    left = care_bytes
    chosen = []
    for i in sorted(range(len(frames)), key=lambda i: (-frames[i].size_bytes, i)):
        left -= frames[i].segment.size_bytes
        if left < 0:
            break
        chosen.append(i)
    return sorted(chosen)


def _limited(frames: Iterator[_Frame], limit_bytes: int) -> Iterator[_Frame]:
    # Care takes a tenth or two off what the quick level gives.
    left = limit_bytes * 5 // 4
    for frame in frames:
        left -= frame.size_bytes
        if left < 0:
            raise TooLargeError
        yield frame


def _program(plan: Recipe, frames: list[_Frame]) -> bytes:
    lines = []
    for frame in frames:
        lines += [f"d {start} {end - start}\n" for start, end in frame.segment.old]
        lines.append(f"z {frame.size_bytes}\n")
    for step in plan.assembly:
        if isinstance(step, Copy):
            lines.append(f"c {step.start} {step.size_bytes}\n")
        else:
            lines.append(f"t {step.size_bytes}\n")
    return "".join(lines).encode()
