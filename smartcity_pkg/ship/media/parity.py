"""Parity over the parts of a bundle, in stripes, so that memory does not grow with the parts.

A systematic Reed-Solomon code: stripe for stripe, the K parts' bytes give those of N parity parts,
and any K of the K + N give back the rest. Shorter than the others is only the last part; to the
code it is filled up with zeros. Its matrix is a Cauchy matrix, of which every square part has an
inverse (Blömer et al., "An XOR-based erasure-resilient coding scheme", 1995); each column is scaled
so that the first parity part is the plain XOR of all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from smartcity_pkg.ship.media.gf256 import Matrix, combination, inverse, product, quotient

MAX_TOGETHER = 255  # parts and parity parts: each has a number of the field to itself

_STRIPES_BYTES = 16 << 20  # of all parts together
_LARGEST_STRIPE = 1 << 20
_SMALLEST_STRIPE = 16 << 10

Reader = Callable[[int, int, int], bytes]
"""Reads part I (from 0) from byte O on, N bytes at most; what is beyond its end is left out."""


@dataclass(frozen=True)
class Loss:
    """Which parts are lost, and which parity parts stand in, as many: all counted from 0.

    To a `Reader` the parity parts are numbered on from the last of the `parts`. ValueError where
    there is not one parity part for each that is lost.
    """

    parts: int
    parity: int
    lost: tuple[int, ...]
    stand_ins: tuple[int, ...]

    def __post_init__(self) -> None:
        standing = set(self.stand_ins) & set(range(self.parity))
        if not len(standing) == len(self.stand_ins) == len(self.lost):
            raise ValueError(f"{len(self.lost)} parts lost, {len(standing)} parity parts stand in")


def parity_stripes(read: Reader, parts: int, parity: int, part_bytes: int) -> Iterator[list[bytes]]:
    """The next bytes of each of `parity` parity parts, until each has `part_bytes`."""
    return _combined(_rows(parts, parity), read, range(parts), part_bytes)


def repaired_stripes(read: Reader, loss: Loss, part_bytes: int) -> Iterator[list[bytes]]:
    """The next bytes of each lost part, each filled up with zeros to `part_bytes`."""
    sound = [number for number in range(loss.parts) if number not in loss.lost]
    rows = _repairing_rows(loss, sound)
    numbers = [*sound, *(loss.parts + stand_in for stand_in in loss.stand_ins)]
    return _combined(rows, read, numbers, part_bytes)


def _rows(parts: int, parity: int) -> Matrix:
    """The factors of every part in each parity part; a row is the same however many there are."""
    if parts + parity > MAX_TOGETHER:
        raise ValueError(f"{parts} parts and {parity} parity parts: at most {MAX_TOGETHER}")
    return [[quotient(255 ^ i, (255 - j) ^ i) for i in range(parts)] for j in range(parity)]


def _repairing_rows(loss: Loss, sound: list[int]) -> Matrix:
    """The factors of the sound parts, then of the parity parts, in each lost part.

    A parity part less what the sound parts gave to it is what the lost ones gave: as many
    equations as there are lost parts, solved once for all bytes.
    """
    rows = _rows(loss.parts, loss.parity)
    given = [rows[j] for j in loss.stand_ins]
    solved = inverse([[row[i] for i in loss.lost] for row in given])
    return [[*(_dot(line, [row[i] for row in given]) for i in sound), *line] for line in solved]


def _dot(a: list[int], b: list[int]) -> int:
    total = 0
    for left, right in zip(a, b, strict=True):
        total ^= product(left, right)
    return total


def _combined(
    rows: Matrix, read: Reader, numbers: Sequence[int], part_bytes: int
) -> Iterator[list[bytes]]:
    """For each row the next bytes of the parts `numbers`, combined with its factors."""
    size = max(_SMALLEST_STRIPE, min(_LARGEST_STRIPE, _STRIPES_BYTES // len(numbers)))
    for offset in range(0, part_bytes, size):
        wanted = min(size, part_bytes - offset)
        # No name for the blocks: they would still be there while the next ones are read.
        yield _combinations(rows, [read(n, offset, wanted).ljust(wanted, b"\0") for n in numbers])


def _combinations(rows: Matrix, blocks: list[bytes]) -> list[bytes]:
    return [combination(row, blocks) for row in rows]
