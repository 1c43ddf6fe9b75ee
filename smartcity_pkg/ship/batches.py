"""Small blobs put together, so that many of them cost one round trip; sending is `ship.transfer`'s.

Pure. A batch that is cut is sent again as a whole, and so is kept small itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from smartcity_pkg.ship.plan import SMALL_BYTES, PlannedBlob

BATCH_BYTES = 2 * SMALL_BYTES


def batches(
    blobs: Iterable[PlannedBlob], begun: Collection[str]
) -> tuple[tuple[PlannedBlob, ...], ...]:
    """`blobs` in groups; a large one, a patch, or one that has begun stands alone.

    `begun` holds the keys of parts that the server has something of.
    """
    found: list[tuple[PlannedBlob, ...]] = []
    group: list[PlannedBlob] = []
    for blob in blobs:
        if blob.wire_bytes > SMALL_BYTES or blob.encoding == "patch" or blob.part in begun:
            found.append((blob,))
            continue
        if sum(b.wire_bytes for b in group) + blob.wire_bytes > BATCH_BYTES:
            found.append(tuple(group))
            group = []
        group.append(blob)
    if group:
        found.append(tuple(group))
    return tuple(found)
