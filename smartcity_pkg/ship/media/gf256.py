"""The field GF(2^8) that parity is computed in, and what is done with whole blocks of its numbers.

A byte is a number; to add is to XOR; products are taken modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d),
in which 2 generates every number but 0: H. P. Anvin, "The mathematics of RAID-6".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

_POLYNOMIAL = 0x11D

Matrix = list[list[int]]
"""Rows of numbers of the field."""


def _powers_of_two() -> list[int]:
    powers = [1]
    while len(powers) < 255:
        doubled = powers[-1] << 1
        powers.append(doubled ^ _POLYNOMIAL if doubled > 255 else doubled)
    return powers


_POWERS = _powers_of_two()
_LOGARITHMS = {power: exponent for exponent, power in enumerate(_POWERS)}


def product(a: int, b: int) -> int:
    """a · b."""
    if a == 0 or b == 0:
        return 0
    return _POWERS[(_LOGARITHMS[a] + _LOGARITHMS[b]) % 255]


def quotient(a: int, b: int) -> int:
    """a / b; ZeroDivisionError where b is 0."""
    if b == 0:
        raise ZeroDivisionError
    return product(a, _POWERS[-_LOGARITHMS[b] % 255])


def combination(factors: Sequence[int], blocks: Sequence[bytes]) -> bytes:
    """The sum of every block times its factor; the blocks have one size, which is the result's."""
    import numpy as np

    total = np.zeros(len(blocks[0]), dtype=np.uint8)
    for factor, block in zip(factors, blocks, strict=True):
        multiplied = block if factor == 1 else block.translate(_multiples(factor))
        np.bitwise_xor(total, np.frombuffer(multiplied, dtype=np.uint8), out=total)
    return total.tobytes()


@cache
def _multiples(factor: int) -> bytes:
    return bytes(product(factor, number) for number in range(256))


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a square matrix, by Gauss and Jordan; ValueError where it has none."""
    size = len(matrix)
    rows = [[*row, *(int(i == at) for i in range(size))] for at, row in enumerate(matrix)]
    for at in range(size):
        pivot = next((i for i in range(at, size) if rows[i][at]), None)
        if pivot is None:
            raise ValueError("the matrix has no inverse")
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [quotient(number, rows[at][at]) for number in rows[at]]
        for i in range(size):
            if i != at and rows[i][at]:
                rows[i] = _without(rows[i], rows[i][at], rows[at])
    return [row[size:] for row in rows]


def _without(row: list[int], factor: int, other: list[int]) -> list[int]:
    """The row less `factor` times the other one; to subtract is to add."""
    return [a ^ product(factor, b) for a, b in zip(row, other, strict=True)]
