"""Parity over the parts of a bundle, in stripes, so that memory does not grow with the parts.

A systematic Reed-Solomon code over GF(2^8) by zfec (the erasure code of Tahoe-LAFS): stripe for
stripe, the K parts' bytes give those of N parity parts, and any K of the K + N give back the rest.
Shorter than the others is only the last part; to the code it is filled up with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_STRIPES_BYTES = 16 << 20  # of all parts together
_LARGEST_STRIPE = 1 << 20
_SMALLEST_STRIPE = 16 << 10

Reader = Callable[[int, int, int], bytes]
"""Reads part I (from 0) from byte O on, N bytes at most; what is beyond its end is left out."""


def parity_stripes(read: Reader, parts: int, parity: int, part_bytes: int) -> Iterator[list[bytes]]:
    """The next bytes of each of `parity` parity parts, until each has `part_bytes`."""
    import zfec

    encoder = zfec.Encoder(parts, parts + parity)
    wanted = tuple(range(parts, parts + parity))
    for offset, size in _stripes(parts + parity, part_bytes):
        blocks = [read(i, offset, size).ljust(size, b"\0") for i in range(parts)]
        yield encoder.encode(blocks, wanted)


@dataclass(frozen=True)
class Loss:
    """Which parts are lost, and which parity parts stand in, as many: all counted from 0.

    To a `Reader` the parity parts are numbered on from the last of the `parts`.
    """

    parts: int
    parity: int
    lost: tuple[int, ...]
    stand_ins: tuple[int, ...]


def repaired_stripes(read: Reader, loss: Loss, part_bytes: int) -> Iterator[list[bytes]]:
    """The next bytes of each lost part, each filled up with zeros to `part_bytes`."""
    import zfec

    numbers = list(range(loss.parts))
    for at, stand_in in zip(loss.lost, loss.stand_ins, strict=True):
        numbers[at] = loss.parts + stand_in
    decoder = zfec.Decoder(loss.parts, loss.parts + loss.parity)
    for offset, size in _stripes(loss.parts + loss.parity, part_bytes):
        blocks = [read(n, offset, size).ljust(size, b"\0") for n in numbers]
        whole = decoder.decode(blocks, numbers)
        yield [whole[at] for at in loss.lost]


def _stripes(parts: int, part_bytes: int) -> Iterator[tuple[int, int]]:
    size = max(_SMALLEST_STRIPE, min(_LARGEST_STRIPE, _STRIPES_BYTES // parts))
    for offset in range(0, part_bytes, size):
        yield offset, min(size, part_bytes - offset)
