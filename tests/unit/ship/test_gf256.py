"""The field is the one that is described, by numbers of others and by the rules of any field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.ship.media.gf256 import Matrix, combination, inverse, product, quotient

NUMBERS = st.integers(0, 255)
NONZERO = st.integers(1, 255)


def long_product(a: int, b: int) -> int:
    """By the definition: polynomials over GF(2), then the rest of the division by 0x11d."""
    whole = 0
    for bit in range(8):
        whole ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        whole ^= (0x11D << (bit - 8)) * (whole >> bit & 1)
    return whole


def test_the_powers_of_two_are_those_of_the_qr_code() -> None:
    """ISO/IEC 18004 uses this field too; these are from its table of powers."""
    known = {0: 1, 1: 2, 7: 128, 8: 29, 9: 58, 25: 3, 50: 5, 100: 17, 254: 142}
    power, powers = 1, []
    for _ in range(255):
        powers.append(power)
        power = product(power, 2)
    assert power == 1
    assert sorted(powers) == list(range(1, 256))
    assert {exponent: powers[exponent] for exponent in known} == known


def test_every_product_is_that_of_the_definition() -> None:
    assert all(product(a, b) == long_product(a, b) for a in range(256) for b in range(256))


@given(NUMBERS, NONZERO)
def test_a_quotient_undoes_a_product(a: int, b: int) -> None:
    assert quotient(product(a, b), b) == a


def test_nothing_is_divided_by_zero() -> None:
    with pytest.raises(ZeroDivisionError):
        quotient(7, 0)


@given(st.lists(st.tuples(NUMBERS, st.binary(min_size=9, max_size=9)), min_size=1, max_size=8))
def test_a_combination_is_the_sum_of_the_products(pairs: list[tuple[int, bytes]]) -> None:
    expected = bytearray(9)
    for factor, block in pairs:
        for at, number in enumerate(block):
            expected[at] ^= long_product(factor, number)
    factors, blocks = zip(*pairs, strict=True)
    assert combination(factors, blocks) == expected


@st.composite
def _squares(draw: st.DrawFn) -> Matrix:
    size = draw(st.integers(1, 6))
    row = st.lists(NUMBERS, min_size=size, max_size=size)
    return draw(st.lists(row, min_size=size, max_size=size))


@given(_squares())
def test_an_inverse_undoes_its_matrix(matrix: Matrix) -> None:
    try:
        undone = inverse(matrix)
    except ValueError:
        # Only where the rows are not independent: some sum of them is nothing.
        assert _rank(matrix) < len(matrix)
        return
    columns = list(zip(*matrix, strict=True))
    for at, row in enumerate(undone):
        expected = [int(i == at) for i in range(len(matrix))]
        assert [combination(row, [bytes([n]) for n in c])[0] for c in columns] == expected


def _rank(matrix: Matrix) -> int:
    """By elimination without any division."""
    rows, rank = [list(row) for row in matrix], 0
    for column in range(len(matrix)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rank += 1
        rows.remove(pivot)
        rows = [
            [long_product(pivot[column], a) ^ long_product(row[column], b)
             for a, b in zip(row, pivot, strict=True)]
            for row in rows
        ]  # fmt: skip
    return rank


def test_a_matrix_with_two_like_rows_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        inverse([[1, 2, 3], [9, 9, 9], [1, 2, 3]])
