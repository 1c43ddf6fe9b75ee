from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

import pytest
from ship_world import SERVER, MemoryBundle, facts, pack

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.hosts.store import PartState
from smartcity_pkg.ship.gziponce import GzipOnce, gzipped
from smartcity_pkg.ship.plan import PlannedBlob, plan_transfer
from smartcity_pkg.ship.wire import Wire, check

RAW = random.Random(5).randbytes(700_000) + bytes(3_000_000)
TOOLS = {"zstd": ("zstd",), "gzip": ("gzip",)}


def blob(encoding: str) -> tuple[MemoryBundle, PlannedBlob]:
    bundle, contents = pack({"laksa:1": (RAW,)})
    (planned,) = plan_transfer(contents, SERVER, facts(tools=TOOLS[encoding])).to_send
    return bundle, planned


@contextmanager
def wire_of(bundle: MemoryBundle, planned: PlannedBlob) -> Iterator[Wire]:
    with closing(GzipOnce(bundle)) as gzips, closing(Wire(bundle, planned, gzips)) as wire:
        yield wire


def whole(bundle: MemoryBundle, planned: PlannedBlob) -> bytes:
    with wire_of(bundle, planned) as wire:
        data = b"".join(wire.rest(lambda _at: None))
        assert wire.offset == len(data)
    check(bundle, planned)
    return data


def test_zstd_travels_as_it_rests() -> None:
    bundle, planned = blob("zstd")
    assert whole(bundle, planned) == bundle.blobs[planned.source]


def test_gzip_is_the_same_each_time_and_opens_to_the_layer() -> None:
    bundle, planned = blob("gzip")
    data = whole(bundle, planned)
    assert data == whole(bundle, planned)
    assert gzip.decompress(data) == RAW


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_what_follows_a_held_beginning_completes_it(encoding: str, share: float) -> None:
    bundle, planned = blob(encoding)
    data = whole(bundle, planned)
    held = data[: int(len(data) * share)]
    with wire_of(bundle, planned) as wire:
        assert wire.skip(PartState(len(held), digest.of_bytes(held)))
        assert held + b"".join(wire.rest(lambda _at: None)) == data


@pytest.mark.parametrize(
    "state",
    {
        "other bytes": PartState(10, digest.of_bytes(b"something ")),
        "longer than the blob": PartState(10_000_000, digest.of_bytes(b"")),
    }.values(),
)
def test_a_beginning_that_is_not_ours_is_noticed(state: PartState) -> None:
    bundle, planned = blob("zstd")
    with wire_of(bundle, planned) as wire:
        assert not wire.skip(state)


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "longer"])
def test_a_blob_that_is_not_what_its_name_says_is_refused(encoding: str, fault: str) -> None:
    bundle, planned = blob(encoding)
    data = bundle.blobs[planned.source]
    middle = len(data) // 2
    bundle.blobs[planned.source] = {
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "cut": data[:middle],
        "longer": data + b"more",
    }[fault]
    with pytest.raises(UntrustedBundleError, match="damaged"):
        whole(bundle, planned)


class CountingBundle(MemoryBundle):
    """Counts how often a blob is opened."""

    opened = 0

    def open(self, digest: str) -> BinaryIO:
        self.opened += 1
        return super().open(digest)


def test_many_servers_share_one_packing() -> None:
    plain, planned = blob("gzip")
    bundle = CountingBundle(plain.blobs)
    expected = b"".join(gzipped(plain, planned.source, planned.size_bytes))
    found: list[bytes] = []

    def take() -> None:
        found.append(b"".join(gzips.open(planned.source, planned.size_bytes)))

    with closing(GzipOnce(bundle)) as gzips:
        takers = [threading.Thread(target=take) for _ in range(8)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        take()
    assert found == [expected] * 9
    assert bundle.opened == 1


def test_packing_ends_when_nobody_needs_it() -> None:
    bundle, planned = blob("gzip")
    gzips = GzipOnce(bundle)
    next(gzips.open(planned.source, planned.size_bytes))
    gzips.close()
    gzips.close()
