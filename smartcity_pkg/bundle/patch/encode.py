"""Writing a patch: a recipe's segments compressed, most care where most is new.

The same two layers and the same libzstd give the same bytes, with any number of cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import IO

from smartcity_pkg.bundle.compression import compressed_like
from smartcity_pkg.bundle.patch.difference import difference
from smartcity_pkg.bundle.patch.matching import Copy, Recipe, Segment, recipe
from smartcity_pkg.bundle.patch.tarmap import Entry, RawLayer
from smartcity_pkg.hosts import patchform

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = f"2-zstd-{zstd.zstd_version}"
_P = zstd.CompressionParameter
# Measured on layers of 36 to 380 MB: 60, 14 and 4 MB a second on one core. Looking once for each
# match in a tree, and far ahead, finds nearly all where only times have changed; where files
# have changed, looking longer gives a tenth.
_QUICK: dict[int, int] = {_P.compression_level: 12}
_AHEAD: dict[int, int] = {
    _P.compression_level: 18,
    _P.chain_log: 22,
    _P.hash_log: 20,
    _P.search_log: 1,
    _P.target_length: 999,
}
_CAREFUL: dict[int, int] = {
    _P.compression_level: 19,
    _P.chain_log: 24,
    _P.hash_log: 22,
    _P.target_length: 999,
}
# What care costs, in bytes at the careful pace: 2 s on two cores, or 14.
SOME_CARE, MOST_CARE = 12 << 20, 96 << 20
# Where only times have changed, a frame has less than this part of what it opens to.
_NEW = 64
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
    """A compressed segment, or its `difference`: where the bytes lie in the spill file."""

    segment: Segment
    offset: int
    size_bytes: int
    difference: bool = False


def encode(
    old: Layer,
    new: Layer,
    out: IO[bytes],
    spill: IO[bytes],
    limit_bytes: int,
    care_bytes: int = MOST_CARE,
    *,
    perl: bool = False,
) -> int:
    """Write the patch from `old` to `new` into `out`; gives its size in bytes.

    `spill` is an empty file for what is in between; `care_bytes` says how much time the frames
    that hold most are given besides (`SOME_CARE`, `MOST_CARE`). With `perl`, only servers that have
    Perl can apply it, and compiled code takes half as much. Memory does not grow with the layers.
    Raises TooLargeError as soon as more than `limit_bytes` would be written.
    """
    plan = recipe(
        old.entries, new.entries, lambda mine, its: old.raw.read(*mine) == new.raw.read(*its)
    )
    segments = [_openable(segment, old.raw) for segment in plan.segments]
    work = _Encoder(old.raw, new.raw, spill)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        frames = list(_limited(work.compress(pool, segments, _QUICK), limit_bytes))
        careful, ahead = _worth_more(frames, care_bytes)
        if perl:
            _better(frames, careful, work.differences(pool, [frames[i].segment for i in careful]))
            careful = [i for i in careful if not frames[i].difference]
        for chosen, effort in ((careful, _CAREFUL), (ahead, _AHEAD)):
            again = work.compress(pool, [frames[i].segment for i in chosen], effort)
            _better(frames, chosen, again)
    program = compressed_like(_program(plan, frames), b"")
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
        self, pool: Executor, segments: Sequence[Segment], effort: Mapping[int, int]
    ) -> Iterator[_Frame]:
        """The frames of `segments`, in order."""
        packed = pool.map(lambda segment: self._frame(segment, effort), segments)
        for segment, data in zip(segments, packed, strict=True):
            yield self._spilt(_Frame(segment, self._end, len(data)), data)

    def differences(self, pool: Executor, segments: Sequence[Segment]) -> Iterator[_Frame | None]:
        """The frames of `segments` as differences, in order; None where there is none."""
        packed = pool.map(self._difference, segments)
        for segment, data in zip(segments, packed, strict=True):
            frame = _Frame(segment, self._end, len(data or b""), difference=True)
            yield self._spilt(frame, data) if data is not None else None

    def _spilt(self, frame: _Frame, data: bytes) -> _Frame:
        self._spill.seek(frame.offset)
        self._spill.write(data)
        self._end += frame.size_bytes
        return frame

    def _frame(self, segment: Segment, effort: Mapping[int, int]) -> bytes:
        old, new = self._bytes(segment)
        return compressed_like(new, old, effort)

    def _difference(self, segment: Segment) -> bytes | None:
        data = difference(*self._bytes(segment))
        return compressed_like(data, b"", _CAREFUL) if data is not None else None

    def _bytes(self, segment: Segment) -> tuple[bytes, bytes]:
        old = b"".join(self._old.read(*span) for span in segment.old)
        return old, b"".join(self._new.read(*span) for span in segment.new)


def _openable(segment: Segment, old: RawLayer) -> Segment:
    """`segment` without its dictionary where a server's zstd would take that for a trained one."""
    start = segment.old[0][0] if segment.old else 0
    trained = segment.old and old.read(start, start + len(_TRAINED)) == _TRAINED
    return replace(segment, old=()) if trained else segment


def _better(frames: list[_Frame], chosen: Sequence[int], others: Iterable[_Frame | None]) -> None:
    """Put each of `others` in the place of that of the `chosen` frames, if it is smaller."""
    for i, other in zip(chosen, others, strict=True):
        if other is not None and other.size_bytes < frames[i].size_bytes:
            frames[i] = other


def _worth_more(frames: list[_Frame], care_bytes: int) -> tuple[list[int], list[int]]:
    """Frames to make again: the largest that hold much with care; others looking ahead."""
    order = sorted(range(len(frames)), key=lambda i: (-frames[i].size_bytes, i))
    new = [i for i in order if frames[i].size_bytes * _NEW > frames[i].segment.size_bytes]
    careful = _first(new, frames, care_bytes)
    taken = frozenset(careful)
    rest = [i for i in order if i not in taken]
    return careful, _first(rest, frames, 2 * care_bytes)


def _first(order: list[int], frames: list[_Frame], most_bytes: int) -> list[int]:
    chosen = []
    for i in order:
        most_bytes -= frames[i].segment.size_bytes
        if most_bytes < 0:
            break
        chosen.append(i)
    return chosen


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
        lines.append(f"{'a' if frame.difference else 'z'} {frame.size_bytes}\n")
    for step in plan.assembly:
        if isinstance(step, Copy):
            lines.append(f"c {step.start} {step.size_bytes}\n")
        else:
            lines.append(f"t {step.size_bytes}\n")
    return "".join(lines).encode()
