from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.core import digest
from smartcity_pkg.ship.batches import BATCH_BYTES, batches
from smartcity_pkg.ship.plan import SMALL_BYTES, PlannedBlob


def blob(number: int, wire_bytes: int) -> PlannedBlob:
    name = digest.of_bytes(b"%d" % number)
    return PlannedBlob(name, 3 * wire_bytes, name, "wire", "zstd", wire_bytes, name)


@given(
    sizes=st.lists(st.integers(1, 2 * SMALL_BYTES), max_size=40),
    begun=st.sets(st.integers(0, 39)),
)
def test_every_blob_stands_in_one_batch_and_no_batch_is_large(
    sizes: list[int], begun: set[int]
) -> None:
    blobs = [blob(number, size) for number, size in enumerate(sizes)]
    parts = {b.part for n, b in enumerate(blobs) if n in begun}
    found = batches(blobs, parts)
    assert sorted(b.content for batch in found for b in batch) == sorted(b.content for b in blobs)
    for batch in found:
        assert batch
        if len(batch) > 1:
            assert sum(b.wire_bytes for b in batch) <= BATCH_BYTES
            assert all(b.wire_bytes <= SMALL_BYTES and b.part not in parts for b in batch)
    small = [b for b in blobs if b.wire_bytes <= SMALL_BYTES and b.part not in parts]
    most = 1 + 2 * sum(b.wire_bytes for b in small) // BATCH_BYTES
    assert len(found) <= len(blobs) - len(small) + most
