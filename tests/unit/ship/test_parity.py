"""Whatever is lost, if it is not more than the parity parts, comes back to the byte."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.ship.media.parity import Loss, parity_stripes, repaired_stripes


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[bytes], int, list[int], list[int]]:
    count, parity = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    size = draw(st.integers(1, 40_000))
    seed = draw(st.randoms(use_true_random=False))
    parts = [seed.randbytes(size) for _ in range(count - 1)]
    parts.append(seed.randbytes(draw(st.integers(1, size))))
    lost = draw(st.lists(st.integers(0, count - 1), max_size=parity, unique=True))
    stand_ins = draw(st.permutations(range(parity)))[: len(lost)]
    return parts, parity, lost, list(stand_ins)


@given(_cases())
@settings(deadline=None, max_examples=60)
def test_any_lost_parts_come_back(case: tuple[list[bytes], int, list[int], list[int]]) -> None:
    parts, parity, lost, stand_ins = case
    size = len(parts[0])

    def read(number: int, offset: int, size_bytes: int) -> bytes:
        assert number not in lost
        return whole[number][offset : offset + size_bytes]

    def read_part(number: int, offset: int, size_bytes: int) -> bytes:
        return parts[number][offset : offset + size_bytes]

    stripes = list(parity_stripes(read_part, len(parts), parity, size))
    whole = [*parts, *(b"".join(s[i] for s in stripes) for i in range(parity))]
    assert all(len(p) == size for p in whole[len(parts) :])
    loss = Loss(len(parts), parity, tuple(lost), tuple(stand_ins))
    repaired = list(repaired_stripes(read, loss, size))
    for position, number in enumerate(lost):
        data = b"".join(stripe[position] for stripe in repaired)
        assert data[: len(parts[number])] == parts[number]
