"""Whatever is lost, if it is not more than the parity parts, comes back to the byte."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.core.units import MIB
from smartcity_pkg.ship.media.parity import Loss, Reader, parity_stripes, repaired_stripes

FEW, MANY = 12, 255


@dataclass(frozen=True)
class Case:
    """Parts, how many parity parts, and which of all are lost: as many as there is parity."""

    parts: list[bytes]
    parity: int
    lost: list[int]


def reader(parts: Sequence[bytes], missing: Sequence[int] = ()) -> Reader:
    def read(number: int, offset: int, size_bytes: int) -> bytes:
        assert number not in missing
        return parts[number][offset : offset + size_bytes]

    return read


def parity_of(parts: list[bytes], parity: int) -> list[bytes]:
    stripes = list(parity_stripes(reader(parts), len(parts), parity, len(parts[0])))
    return [b"".join(stripe[i] for stripe in stripes) for i in range(parity)]


@st.composite
def _cases(draw: st.DrawFn, together: int, size_bytes: int) -> Case:
    parity = draw(st.integers(1, together // 2))
    count = draw(st.integers(1, together - parity))
    size = draw(st.integers(1, size_bytes))
    noise = draw(st.randoms(use_true_random=False))
    parts = [noise.randbytes(size) for _ in range(count - 1)]
    parts.append(noise.randbytes(draw(st.integers(1, size)) if count > 1 else size))
    lost = noise.sample(range(count + parity), parity)
    return Case(parts, parity, sorted(lost))


def lost_and_made_again(case: Case) -> None:
    count, size = len(case.parts), len(case.parts[0])
    made = parity_of(case.parts, case.parity)
    assert all(len(part) == size for part in made)
    lost = tuple(number for number in case.lost if number < count)
    left = [i for i in range(case.parity) if count + i not in case.lost]
    loss = Loss(count, case.parity, lost, tuple(left[: len(lost)]))
    read = reader([*case.parts, *made], case.lost)
    repaired = list(repaired_stripes(read, loss, size))
    again = list(case.parts)
    for position, number in enumerate(lost):
        whole = b"".join(stripe[position] for stripe in repaired)
        again[number] = whole[: len(case.parts[number])]
    assert again == case.parts
    assert parity_of(again, case.parity) == made


@given(_cases(FEW, 40_000))
@settings(deadline=None, max_examples=60)
def test_as_many_as_there_is_parity_come_back(case: Case) -> None:
    lost_and_made_again(case)


@given(_cases(MANY, 30))
@settings(deadline=None, max_examples=15)
def test_they_come_back_out_of_up_to_255(case: Case) -> None:
    lost_and_made_again(case)


@given(_cases(FEW, 100), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_one_more_than_that_is_refused(case: Case, chance: random.Random) -> None:
    """Nothing is made up: there is no choice of parity parts that such a loss accepts."""
    count = case.parity + 1
    lost = tuple(range(count))
    stand_ins = [chance.randrange(case.parity) for _ in lost]
    for given_parity in (stand_ins, stand_ins[1:], [*range(count)]):
        with pytest.raises(ValueError, match="stand in"):
            Loss(count, case.parity, lost, tuple(given_parity))


def test_more_than_255_together_are_refused() -> None:
    with pytest.raises(ValueError, match="255"):
        parity_stripes(reader([b"a"] * 253), 253, 3, 1)


def test_the_parity_of_known_parts_stays_what_it_was() -> None:
    """The example of docs/formats.md: a disk of today is repaired by every later version."""
    made = parity_of([b"pemda", b"kirim", b"ke"], 3)
    assert [part.hex() for part in made] == ["70691f0d0c", "3b2d35440d", "5f7a326ff9"]


def test_a_part_of_parity_does_not_depend_on_how_many_there_are() -> None:
    parts = [b"satu", b"dua.", b"tiga"]
    assert parity_of(parts, 5)[:2] == parity_of(parts, 2)


def test_memory_does_not_grow_with_the_parts() -> None:
    """The stripes of all parts together are 16 MiB; a part here is 64."""

    def zeros(_number: int, _offset: int, size_bytes: int) -> bytes:
        return bytes(size_bytes)

    list(parity_stripes(zeros, 4, 2, 1))  # numpy is imported before memory is counted
    tracemalloc.start()
    try:
        for _stripe in parity_stripes(zeros, 40, 2, 64 * MIB):
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 24 * MIB
