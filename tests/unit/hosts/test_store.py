"""The store's scripts on this machine: what has a final name is whole."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ship_world import zstd

from smartcity_pkg.bundle.compression import compressed_like
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import DiskFullError, RemoteCommandError
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import PartState, Store, StorePaths, archive_of
from smartcity_pkg.hosts.storescripts import Encoding

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the store belongs to root")
RAW = os.urandom(300_000) + bytes(2_000_000)
CONTENT = digest.of_bytes(RAW)
ENCODED: dict[Encoding, bytes] = {"zstd": zstd(RAW), "gzip": gzip.compress(RAW), "none": RAW}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(LocalHost(), StorePaths(str(tmp_path / "a folder/smartcity")))
    store.prepare()
    return store


def held(store: Store) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(store.paths.blobs).iterdir()}


def left(store: Store) -> list[str]:
    return sorted(p.name for p in Path(store.paths.parts).iterdir())


def finish(store: Store, part: str, encoding: Encoding, wire: str | None = None) -> bool:
    return store.finish(
        part, wire_digest=wire, content=CONTENT, size_bytes=len(RAW), encoding=encoding
    )


def test_preparing_twice_changes_nothing_and_is_for_root_alone(store: Store) -> None:
    store.put_small({digest.of_bytes(b"x"): b"x"})
    store.prepare()
    assert held(store) == {digest.hex_of(digest.of_bytes(b"x")): b"x"}
    assert Path(store.paths.root).stat().st_mode & 0o777 == 0o700


def test_scratch_of_dead_scripts_is_swept_and_of_living_ones_kept(store: Store) -> None:
    dead = subprocess.Popen(("true",))
    dead.wait()
    folder = Path(store.paths.parts)
    (folder / f"x.new.{dead.pid}").write_bytes(b"")
    (folder / f"small.new.{dead.pid}").mkdir()
    (folder / f"x.new.{os.getpid()}").write_bytes(b"")
    (folder / "y.part").write_bytes(b"")
    store.prepare()
    assert left(store) == [f"x.new.{os.getpid()}", "y.part"]


def test_small_blobs_arrive_in_one_round_trip(store: Store) -> None:
    items = {digest.of_bytes(b): b for b in (b"", b"one", bytes(300_000), b"-n\n'\"")}
    store.put_small(items)
    assert held(store) == {digest.hex_of(name): data for name, data in items.items()}
    assert store.present([*items, digest.of_bytes(b"absent")]) == set(items)
    assert left(store) == []


@pytest.mark.parametrize("known", [(), (1,), (1, 3), (2, 3, 4)])
def test_small_blobs_arrive_said_by_what_is_there(store: Store, known: tuple[int, ...]) -> None:
    """The dictionary is put together there of the files with these numbers."""
    there = sorted((random.Random(n).randbytes(5000) for n in range(4)), key=digest.of_bytes)
    store.put_small({digest.of_bytes(data): data for data in there})
    like = [there[n - 1] for n in known]
    new = b"new" + b"".join(like)
    packed = compressed_like(archive_of({digest.of_bytes(new): new}), b"".join(like))
    assert len(packed) < 500
    assert store.put_small_like(packed, [(n, n) for n in known])
    assert held(store)[digest.hex_of(digest.of_bytes(new))] == new
    assert left(store) == []


def test_a_dictionary_that_is_not_there_changes_nothing(store: Store) -> None:
    store.put_small({digest.of_bytes(b"other"): b"other"})
    like = random.Random(1).randbytes(5000)
    packed = compressed_like(archive_of({digest.of_bytes(like): like}), like)
    for ranges in ([(1, 1)], [(2, 7)]):
        assert not store.put_small_like(packed, ranges)
    assert len(held(store)) == 1
    assert left(store) == []


def test_one_small_blob_that_lies_keeps_all_out(store: Store) -> None:
    items = {digest.of_bytes(b"one"): b"one", digest.of_bytes(b"two"): b"not two"}
    with pytest.raises(RemoteCommandError):
        store.put_small(items)
    assert held(store) == {}
    assert left(store) == []


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "none"])
def test_a_blob_grows_in_pieces_and_gets_its_name_checked(store: Store, encoding: Encoding) -> None:
    data = ENCODED[encoding]
    name, middle = digest.of_bytes(data), len(data) // 3
    assert store.part_state(name) == PartState(0, digest.of_bytes(b""))
    store.append(name, 0, [data[:middle]], middle)
    assert store.part_state(name) == PartState(middle, digest.of_bytes(data[:middle]))
    assert held(store) == {}
    store.append(name, middle, [data[middle:]], len(data))
    assert finish(store, name, encoding, name)
    assert held(store) == {digest.hex_of(CONTENT): RAW}
    assert left(store) == []


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("known", [True, False], ids=["wire digest known", "unknown"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "other content"])
def test_what_is_not_the_content_gets_no_name(
    store: Store, encoding: Encoding, known: bool, fault: str
) -> None:
    data = ENCODED[encoding]
    name = digest.of_bytes(data)
    sent = {
        "flipped": data[:200_000] + bytes([data[200_000] ^ 1]) + data[200_001:],
        "cut": data[:-1],
        "other content": {"zstd": zstd(b"x"), "gzip": gzip.compress(b"x"), "none": b"x"}[encoding],
    }[fault]
    store.append(name, 0, [sent], len(sent))
    assert not finish(store, name, encoding, name if known else None)
    assert held(store) == {}
    assert left(store) == [f"{digest.hex_of(name)}.part"]


def test_finishing_what_is_not_there_is_false(store: Store) -> None:
    assert not finish(store, CONTENT, "none", CONTENT)


def test_a_wrong_file_under_a_final_name_is_found_and_replaced(store: Store) -> None:
    Path(store.paths.blob(CONTENT)).write_bytes(b"rusak")
    sizes = {CONTENT: len(RAW), digest.of_bytes(b"absent"): 6}
    assert store.damaged(sizes) == set(sizes)
    store.append(CONTENT, 0, [RAW], len(RAW))
    assert finish(store, CONTENT, "none", CONTENT)
    assert store.damaged(sizes) == {digest.of_bytes(b"absent")}


def test_an_offer_is_written_whole_and_read_back(store: Store) -> None:
    path = store.paths.offer("1-0123456789ab")
    assert store.read(path) is None
    for text in (b'{"a": 1}', b'{"a": 2}'):
        store.write_offer("1-0123456789ab", text)
        assert store.read(path) == text
    assert [p.name for p in Path(store.paths.offers).iterdir()] == ["1-0123456789ab.json"]


def test_content_can_be_removed(store: Store) -> None:
    items = {digest.of_bytes(b): b for b in (b"one", b"two")}
    store.put_small(items)
    store.remove([digest.of_bytes(b"one"), digest.of_bytes(b"absent")])
    assert held(store) == {digest.hex_of(digest.of_bytes(b"two")): b"two"}


def test_bytes_arrive_wherever_they_are_cut(tmp_path: Path) -> None:
    store = Store(LocalHost(), StorePaths(str(tmp_path)))
    store.prepare()

    @settings(max_examples=15, deadline=None)
    @given(data=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 5000), max_size=3))
    def check(data: bytes, cuts: list[int]) -> None:
        name = digest.of_bytes(data)
        at = 0
        for end in sorted({*(min(c, len(data)) for c in cuts), len(data)}):
            store.append(name, at, iter([data[at:end]]), end - at)
            at = end
        assert store.part_state(name) == PartState(len(data), name)
        assert store.finish(
            name, wire_digest=name, content=name, size_bytes=len(data), encoding="none"
        )
        assert Path(store.paths.blob(name)).read_bytes() == data

    check()


class TestFullDisk:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Store]:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(("mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk), check=True)
        store = Store(LocalHost(), StorePaths(str(disk)))
        store.prepare()
        yield store
        subprocess.run(("umount", disk), check=True)

    def test_a_blob_that_does_not_fit_is_called_disk_full(self, small: Store) -> None:
        with pytest.raises(DiskFullError):
            small.append(CONTENT, 0, [RAW], len(RAW))
        assert held(small) == {}

    def test_a_blob_that_does_not_fit_opened_leaves_its_part_only(self, small: Store) -> None:
        data = ENCODED["zstd"]
        name = digest.of_bytes(data)
        small.append(name, 0, [data], len(data))
        with pytest.raises(DiskFullError):
            finish(small, name, "zstd", name)
        assert held(small) == {}
        assert left(small) == [f"{digest.hex_of(name)}.part"]

    def test_small_blobs_that_do_not_fit_leave_nothing(self, small: Store) -> None:
        with pytest.raises(DiskFullError):
            small.put_small({CONTENT: RAW})
        assert held(small) == {}
        assert left(small) == []

    def test_a_disk_without_inodes_is_full_too(self, small: Store) -> None:
        disk = str(small.paths.root)
        subprocess.run(("mount", "-o", "remount,nr_inodes=12", disk), check=True)
        with pytest.raises(DiskFullError):
            small.put_small({digest.of_bytes(b): b for b in (b"%d" % n for n in range(20))})
        assert held(small) == {}
