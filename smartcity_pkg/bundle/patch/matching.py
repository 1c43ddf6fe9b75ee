"""Which bytes of a new layer are in an old one, and which are like others there: pure.

Files are matched by content, then by path, then by path without numbers (`libssl.so.3.0.17` and
`libssl.so.3.0.22`). What is equal and long is copied; the rest is compressed with its old likes as
the dictionary, in segments that are small enough for the server's memory and for every match to be
found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from smartcity_pkg.bundle.patch.tarmap import Entry

# A copy costs the server one process, about 2 ms, and the patch a dozen bytes.
COPY_BYTES = 64 << 10
SEGMENT_BYTES = 2 << 20
DICTIONARY_BYTES = 12 << 20
# A file that is longer than a segment is cut; its likes may have moved by this much.
_DRIFT_BYTES = 3 << 20
_GAP_BYTES = 4 << 10
# Build numbers, versions and hashes inside of names.
_NUMBERS = re.compile(r"[0-9a-f]{7,}|[0-9]+")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `end` of the new layer; `old` are their likes, `equal` or not."""

    start: int
    end: int
    old: Range | None
    equal: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes of the old layer that come next in the new one."""

    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Take:
    """So many bytes of what the segments hold come next."""

    size_bytes: int


@dataclass(frozen=True)
class Segment:
    """Ranges of the new layer that are compressed together, after those of the old one."""

    new: tuple[Range, ...]
    old: tuple[Range, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the new layer."""
        return sum(end - start for start, end in self.new)


@dataclass(frozen=True)
class Recipe:
    """How the new layer is put together: `assembly` takes from the `segments`, both in order."""

    assembly: tuple[Copy | Take, ...]
    segments: tuple[Segment, ...]


def recipe(
    old: Sequence[Entry], new: Sequence[Entry], equal: Callable[[Range, Range], bool]
) -> Recipe:
    """The recipe; `equal` compares bytes of the old layer with bytes of the new one."""
    assembly: list[Copy | Take] = []
    fresh: list[Piece] = []
    for run in _runs(_pieces(old, new, equal)):
        first, last = run[0], run[-1]
        size_bytes = last.end - first.start
        if first.equal and first.old and size_bytes >= COPY_BYTES:
            assembly.append(Copy(first.old[0], size_bytes))
            continue
        fresh += run
        if assembly and isinstance(assembly[-1], Take):
            size_bytes += assembly.pop().size_bytes
        assembly.append(Take(size_bytes))
    return Recipe(tuple(assembly), tuple(_segments(fresh)))


def likeness(old: Sequence[Entry], new: Sequence[Entry]) -> float:
    """About how many bytes of `new` the layer `old` spares: the equal, half of the alike."""
    contents = {e.digest for e in old}
    names = {_NUMBERS.sub("#", e.name): e.end - e.content for e in old}
    score = 0.0
    for entry in new:
        length = entry.end - entry.content
        if entry.digest in contents:
            score += length
        else:
            score += min(length, names.get(_NUMBERS.sub("#", entry.name), 0)) / 2
    return score


def _pieces(
    old: Sequence[Entry], new: Sequence[Entry], equal: Callable[[Range, Range], bool]
) -> Iterator[Piece]:
    """Each entry's headers and content, with their likes; what is empty is left out."""
    by_content = {e.digest: e for e in reversed(old) if e.digest}
    by_name = {e.name: e for e in reversed(old)}
    by_likeness = {_NUMBERS.sub("#", e.name): e for e in reversed(old)}
    for entry in new:
        named = by_name.get(entry.name) or by_likeness.get(_NUMBERS.sub("#", entry.name))
        same = by_content.get(entry.digest)
        if same and named and named.digest == entry.digest:
            same = named
        header, like = named or same, same or named
        mine = (entry.start, entry.content)
        its = (header.start, header.content) if header else None
        if mine[0] < mine[1]:
            fits = its is not None and its[1] - its[0] == mine[1] - mine[0]
            yield Piece(*mine, its, fits and its is not None and equal(its, mine))
        if entry.content < entry.end:
            content = (like.content, like.end) if like and like.content < like.end else None
            yield Piece(entry.content, entry.end, content, same is not None)


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Equal pieces that follow each other in both layers, together; others each alone."""
    run: list[Piece] = []
    for piece in pieces:
        follows = run and run[-1].equal and piece.equal and run[-1].old and piece.old
        if follows and run[-1].old and piece.old and run[-1].old[1] == piece.old[0]:
            run.append(piece)
            continue
        if run:
            yield run
        run = [piece]
    if run:
        yield run


def _segments(pieces: Iterable[Piece]) -> Iterator[Segment]:
    """Group what is compressed, in order; a long piece is cut and stands alone."""
    new: list[Range] = []
    old: list[Range] = []
    size_bytes, old_bytes = 0, 0
    for piece in _cut(pieces):
        length = piece.end - piece.start
        likes = piece.old[1] - piece.old[0] if piece.old else 0
        if new and (size_bytes + length > SEGMENT_BYTES or old_bytes + likes > DICTIONARY_BYTES):
            yield Segment(_joined(new, 0), _joined(old, _GAP_BYTES))
            new, old, size_bytes, old_bytes = [], [], 0, 0
        new.append((piece.start, piece.end))
        old += [piece.old] if piece.old else []
        size_bytes += length
        old_bytes += likes
    if new:
        yield Segment(_joined(new, 0), _joined(old, _GAP_BYTES))


def _cut(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, none longer than a segment; a cut one looks a little to each side for likes."""
    for piece in pieces:
        length = piece.end - piece.start
        count = -(-length // SEGMENT_BYTES)
        if count <= 1 and (piece.old is None or _length(piece.old) <= DICTIONARY_BYTES):
            yield piece
            continue
        for part in range(count):
            start = piece.start + length * part // count
            end = piece.start + length * (part + 1) // count
            yield Piece(start, end, _around(piece.old, part, count), False)


def _around(old: Range | None, part: int, count: int) -> Range | None:
    if old is None:
        return None
    length = _length(old)
    start = old[0] + length * part // count - _DRIFT_BYTES
    end = old[0] + length * (part + 1) // count + _DRIFT_BYTES
    start, end = max(start, old[0]), min(end, old[1])
    return (start, min(end, start + DICTIONARY_BYTES))


def _length(span: Range) -> int:
    return span[1] - span[0]


def _joined(ranges: Iterable[Range], gap_bytes: int) -> tuple[Range, ...]:
    """The ranges in order, those that overlap or nearly meet made one."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1] + gap_bytes:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)
