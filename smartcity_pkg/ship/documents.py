"""Documents on their way: much like those of earlier releases, which the server has.

They travel in one frame whose dictionary is what lies in the store already, as far as this machine
knows its bytes. Where both are not of one mind about it, they travel as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from smartcity_pkg.bundle.compression import compressed_like
from smartcity_pkg.core import digest
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.store import Store, archive_of

# A dictionary need not be larger: what an earlier release says is said again in the next.
_MOST_LIKE_BYTES = 4 << 20
_MOST_FILE_BYTES = 256 << 10


def put_documents(
    store: Store,
    documents: Mapping[str, bytes],
    facts: ServerFacts,
    known: Callable[[str], bytes | None],
) -> None:
    """Bring `documents`, digest to content, into the store.

    `known` gives the bytes of a document that was shipped from here before.
    """
    if not documents:
        return
    if "zstd" in facts.tools:
        ranges, dictionary = _dictionary(facts, known)
        packed = compressed_like(archive_of(documents), dictionary)
        if store.put_small_like(packed, ranges):
            return
    store.put_small(documents)


def _dictionary(
    facts: ServerFacts, known: Callable[[str], bytes | None]
) -> tuple[Sequence[tuple[int, int]], bytes]:
    """The numbers of the store's files that are known here, as ranges, and their bytes."""
    numbers, found, left = [], [], _MOST_LIKE_BYTES
    for number, name in enumerate(sorted(facts.blobs, key=digest.hex_of), 1):
        size = facts.blobs[name]
        if size > min(left, _MOST_FILE_BYTES) or (data := known(name)) is None:
            continue
        numbers.append(number)
        found.append(data)
        left -= size
    return _ranges(numbers), b"".join(found)


def _ranges(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as (first, last) of each run."""
    runs = [
        [number for _place, number in run]
        for _key, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    return tuple((run[0], run[-1]) for run in runs)
