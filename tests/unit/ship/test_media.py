"""Bundles on removable disks: what is copied, what is found damaged, what is repaired."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_world import PART_BYTES, REGION, Harm, MediaWorld, cut, flip, parts_of

from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import (
    DiskFullError,
    InputError,
    SmartCityError,
    UntrustedBundleError,
    UsageError,
)
from smartcity_pkg.core.progress import Event, Transfer
from smartcity_pkg.core.units import MIB
from smartcity_pkg.ship.media import files
from smartcity_pkg.ship.media.check import readable_tar, repaired_in_place, require_readable
from smartcity_pkg.ship.media.index import (
    INDEX_FILES,
    MediaIndex,
    choose,
    releases_on,
    unfinished_on,
)
from smartcity_pkg.ship.media.shape import Shape

PLAIN = Shape(PART_BYTES, 0)
WITH_PARITY = Shape(PART_BYTES, 3)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> MediaWorld:
    return MediaWorld.make(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> MediaWorld:
    """Another release for the same pemda, with parts as many and as large."""
    return MediaWorld.make(tmp_path_factory.mktemp("other"), seed=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain folder, where the kind of file system does not matter."""
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def state(disk: Path) -> dict[str, tuple[bytes, int]]:
    """Every file on the disk: its content and when it was written."""
    return {
        str(p.relative_to(disk)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in disk.rglob("*")
        if p.is_file()
    }


# -- copying --------------------------------------------------------------------------------------


def test_the_parts_together_are_the_bundles_tar(world: MediaWorld, disk: Path) -> None:
    report = world.copy(disk, WITH_PARITY)
    parts = parts_of(disk)
    assert b"".join(p.read_bytes() for p in parts) == world.tar.path.read_bytes()
    assert report.copied[: len(parts)] == tuple(p.name for p in parts)
    assert len(report.copied) == len(parts) + 3
    assert all(p.stat().st_size == PART_BYTES for p in parts[:-1])
    assert world.look(disk).faults == ()
    assert not list(disk.rglob("*.part"))


def test_what_is_there_and_sound_is_not_copied_again(world: MediaWorld, disk: Path) -> None:
    world.copy(disk, WITH_PARITY)
    before = state(disk)
    report = world.copy(disk, Shape())
    assert report.already_there
    assert report.bytes_copied == 0
    assert state(disk) == before


def test_only_bad_parts_are_copied_again(world: MediaWorld, disk: Path) -> None:
    world.copy(disk, WITH_PARITY)
    before = state(disk)
    parts = parts_of(disk)
    flip(parts[2])
    cut(parts[4])
    parts[5].unlink()
    parity = next(disk.glob("*/*.p002"))
    flip(parity)
    report = world.copy(disk, Shape())
    harmed = [parts[2].name, parts[4].name, parts[5].name, parity.name]
    assert list(report.copied) == harmed
    assert list(report.replaced) == [parts[2].name, parts[4].name, parity.name]
    after = state(disk)
    assert {n: c for n, (c, _at) in after.items()} == {n: c for n, (c, _at) in before.items()}
    untouched = [name for name in before if Path(name).name not in harmed]
    assert all(after[name] == before[name] for name in untouched)


def test_files_of_others_are_left_alone(world: MediaWorld, disk: Path) -> None:
    (disk / "foto.jpg").write_bytes(b"liburan")
    (disk / "smartcity-catatan").mkdir()
    (disk / "smartcity-catatan/a.tar.0001").write_bytes(b"bukan milik kita")
    place = disk / f"smartcity-{world.release}"
    place.mkdir()
    names = ["README.TXT", f"{world.release}.tar", f"{world.release}.tar.0001.bak", "x.part"]
    for name in names:
        (place / name).write_bytes(name.encode())
    before = state(disk)
    world.copy(disk, Shape(PART_BYTES, 2))
    world.copy(disk, Shape(2 * PART_BYTES, 0))
    after = state(disk)
    assert {name: after[name] for name in before} == before


def test_something_else_under_a_name_of_ours_stops_the_copy(
    world: MediaWorld, folder: Path
) -> None:
    taken = folder / f"smartcity-{world.release}/{world.release}.tar.0002"
    taken.mkdir(parents=True)
    with pytest.raises(InputError, match=r"\.tar\.0002"):
        world.copy(folder, PLAIN)
    assert taken.is_dir()


def test_another_shape_replaces_the_first_and_leaves_nothing_of_it(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, WITH_PARITY)
    report = world.copy(folder, Shape(3 * PART_BYTES, 1))
    found = world.look(folder)
    assert found.faults == ()
    assert len(list(folder.glob("*/*.tar.*"))) == report.parts + 1
    assert world.read(found) == world.tar.path.read_bytes()


def test_parity_can_be_added_later_without_copying_the_parts(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, PLAIN)
    report = world.copy(folder, Shape(parity=2))
    assert [name.rpartition(".")[2] for name in report.copied] == ["p001", "p002"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (Shape(1000, 0), "part-size"),
        (Shape(0, 0), "part-size"),
        (Shape(4 << 30, 0), "part-size"),
        (Shape(64 << 10, 250), "parity"),
        (Shape(PART_BYTES, 255), "parity"),
    ],
)
def test_an_impossible_shape_is_refused_with_nothing_written(
    world: MediaWorld, folder: Path, shape: Shape, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        world.copy(folder, shape)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("size_bytes", "part_bytes"),
    [(1000, 64 * MIB), (200 * 64 * MIB, 64 * MIB), (200 * 64 * MIB + 1, 65 * MIB)],
)
def test_parts_grow_with_bundles_that_would_make_too_many(size_bytes: int, part_bytes: int) -> None:
    assert Shape().chosen(None, size_bytes) == (part_bytes, 0)


def test_a_bundle_smaller_than_any_part_is_copied_twice_alike(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, Shape(64 << 10, 1))
    index = choose(folder, REGION, None).index
    tiny = index.parts[0].model_copy(update={"size_bytes": 20_000})
    before = index.model_copy(update={"parts": (tiny,)})
    assert Shape().chosen(before, 20_000) == (64 << 10, 1)


def test_a_disk_that_is_not_connected_is_told(world: MediaWorld, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such"):
        world.copy(tmp_path / "no-such", PLAIN)


# -- disks that are full, fail, or are pulled out -------------------------------------------------


@pytest.fixture
def small(folder: Path) -> Iterator[Path]:
    """A disk of 16 MiB that says when it is full, which fusefat does not."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "stick", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    """Fill a disk but for some bytes."""
    path = disk / "penuh.bin"
    with path.open("wb") as file:
        left = shutil.disk_usage(disk).free - leave_bytes
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))
        os.fsync(file.fileno())
    return path


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    world: MediaWorld, fat: Path
) -> None:
    fill(fat, 4 * MIB)
    with pytest.raises(DiskFullError, match="needed"):
        world.copy(fat, PLAIN)
    assert [p.name for p in fat.iterdir()] == ["penuh.bin"]


def test_a_disk_that_fills_in_the_middle_is_continued_when_there_is_room(
    world: MediaWorld, small: Path
) -> None:
    stone: list[Path] = []

    def meanwhile(event: Event) -> None:
        begun = isinstance(event, Transfer) and event.task == "media-copy"
        if begun and event.done > 3 * PART_BYTES and not stone:
            stone.append(fill(small, PART_BYTES // 2))

    with pytest.raises(DiskFullError):
        world.copy(small, PLAIN, meanwhile)
    stone[0].unlink()
    report = world.copy(small, PLAIN)
    assert len(report.kept) >= 2
    assert world.read(world.look(small)) == world.tar.path.read_bytes()


def test_a_full_disk_takes_bad_parts_again(world: MediaWorld, small: Path) -> None:
    world.copy(small, PLAIN)
    bad = parts_of(small)[0]
    flip(bad)
    fill(small, 4 * MIB)
    assert world.copy(small, PLAIN).replaced == (bad.name,)


def test_a_part_that_the_disk_does_not_give_back_is_not_named(tmp_path: Path) -> None:
    target = tmp_path / "x.tar.0001"
    files.write_aside(target, [b"isi"], lambda _n: None)
    files.aside(target).write_bytes(b"isl")
    with pytest.raises(SmartCityError, match="other bytes"):
        files.publish(target, digest.of_bytes(b"isi"))
    assert not list(tmp_path.iterdir())


def test_a_copy_that_is_killed_anywhere_goes_on_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, disk: Path
) -> None:
    root = tmp_path_factory.mktemp("large")
    world = MediaWorld.make(root, size_bytes=6_000_000)
    chance = random.Random(5)
    kept: dict[str, int] = {}
    for stop_at in sorted(chance.sample(range(1, 90), 5)):
        process = world.copying(disk)
        deadline = time.monotonic() + 60
        while len(parts_of(disk)) < stop_at and process.poll() is None:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
        process.wait()
        whole = {p.name: p.stat().st_mtime_ns for p in parts_of(disk) if p.suffix != ".part"}
        assert all(whole[name] == at for name, at in kept.items())
        kept = whole
    assert len(kept) >= 50
    report = world.copy(disk, Shape(64 << 10, 2))
    assert kept.keys() <= set(report.kept)
    found = world.look(disk)
    assert found.faults == ()
    assert world.read(found) == world.tar.path.read_bytes()
    assert not list(disk.rglob("*.part"))


# -- damage ---------------------------------------------------------------------------------------


def harm_three(parts: list[Path]) -> None:
    flip(parts[1])
    cut(parts[3])
    parts[6].unlink()


def test_three_bad_parts_are_all_named_at_once(world: MediaWorld, disk: Path) -> None:
    world.copy(disk, PLAIN)
    parts = parts_of(disk)
    harm_three(parts)
    found = world.look(disk)
    with pytest.raises(UntrustedBundleError) as told:
        require_readable(found)
    for part in (parts[1], parts[3], parts[6]):
        assert f"{part.name}: " in told.value.message
        assert part.name in told.value.hint
    assert parts[0].name not in told.value.message + told.value.hint


def test_three_bad_parts_are_repaired_from_parity_and_the_disk_stays(
    world: MediaWorld, disk: Path
) -> None:
    world.copy(disk, WITH_PARITY)
    harm_three(parts_of(disk))
    before = state(disk)
    found = world.look(disk)
    assert len(found.faults) == 3
    assert world.read(found) == world.tar.path.read_bytes()
    assert state(disk) == before


def test_a_bad_parity_part_counts_against_what_can_be_repaired(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, WITH_PARITY)
    parts = parts_of(folder)
    flip(next(folder.glob("*/*.p001")))
    flip(parts[0])
    flip(parts[-1])
    assert world.read(world.look(folder)) == world.tar.path.read_bytes()
    flip(parts[5])
    with pytest.raises(UntrustedBundleError, match=r"4 of \d+"):
        require_readable(world.look(folder))


def test_a_repair_in_place_makes_the_disk_as_it_was(world: MediaWorld, disk: Path) -> None:
    world.copy(disk, WITH_PARITY)
    before = {name: content for name, (content, _at) in state(disk).items()}
    flip(parts_of(disk)[2])
    parts_of(disk)[-1].unlink()
    flip(next(disk.glob("*/*.p003")))
    repaired_in_place(world.look(disk))
    assert {name: content for name, (content, _at) in state(disk).items()} == before


def swap(parts: list[Path]) -> None:
    first, second = parts[0].read_bytes(), parts[1].read_bytes()
    parts[0].write_bytes(second)
    parts[1].write_bytes(first)


def link(parts: list[Path]) -> None:
    real = parts[0].with_name("sungguh")
    parts[0].rename(real)
    parts[0].symlink_to(real)


HARMS: dict[str, tuple[Harm, list[int], str]] = {
    "a flipped bit": (lambda p: flip(p[3]), [3], "content is damaged"),
    "the first byte": (lambda p: flip(p[0], 0), [0], "content is damaged"),
    "cut short": (lambda p: cut(p[2]), [2], "expected 100,000 bytes, got 50,000 bytes"),
    "empty": (lambda p: p[2].write_bytes(b""), [2], "got 0 bytes"),
    "missing": (lambda p: p[1].unlink(), [1], "missing"),
    "swapped": (swap, [0, 1], "holds what"),
    "a link": (link, [0], ""),
}


@pytest.mark.parametrize("case", HARMS)
def test_what_is_wrong_with_a_part_is_told(world: MediaWorld, folder: Path, case: str) -> None:
    harm, bad, words = HARMS[case]
    world.copy(folder, PLAIN)
    parts = parts_of(folder)
    harm(parts)
    faults = world.look(folder).faults
    assert [f.name for f in faults] == [parts[i].name for i in bad]
    assert all(words in f.why for f in faults)


def test_a_part_of_another_release_is_found(
    world: MediaWorld, other: MediaWorld, folder: Path, tmp_path: Path
) -> None:
    world.copy(folder, PLAIN)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    other.copy(foreign, PLAIN)
    parts_of(folder)[4].write_bytes(parts_of(foreign)[4].read_bytes())
    (fault,) = world.look(folder).faults
    assert fault.name == parts_of(folder)[4].name


def test_parts_and_index_that_were_made_to_fit_are_refused_all_the_same(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, PLAIN)
    part = parts_of(folder)[3]
    flip(part)
    release = choose(folder, REGION, None)
    parts = list(release.index.parts)
    parts[3] = parts[3].model_copy(update={"digest": digest.of_file(part)})
    forged = release.index.model_copy(update={"parts": tuple(parts)})
    for name in INDEX_FILES:
        (release.folder / name).write_bytes(forged.to_json())
    found = world.look(folder)
    assert found.faults == ()
    with readable_tar(found) as tar, pytest.raises(UntrustedBundleError):
        verify(tar, world.keys.trusted)


# -- the index ------------------------------------------------------------------------------------


def test_one_damaged_index_does_no_harm_and_the_next_copy_heals_it(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, PLAIN)
    for name in INDEX_FILES:
        (path,) = folder.glob(f"*/{name}")
        whole = path.read_bytes()
        cut(path)
        assert world.look(folder).faults == ()
        assert world.copy(folder, Shape()).already_there
        assert path.read_bytes() == whole


def test_without_any_whole_index_both_are_named_and_the_next_copy_heals_them(
    world: MediaWorld, folder: Path
) -> None:
    world.copy(folder, WITH_PARITY)
    for name in INDEX_FILES:
        cut(next(folder.glob(f"*/{name}")))
    with pytest.raises(InputError) as told:
        releases_on(folder)
    assert all(name in told.value.message for name in INDEX_FILES)
    report = world.copy(folder, WITH_PARITY)
    assert report.already_there
    assert world.look(folder).faults == ()


def test_a_pipe_in_place_of_an_index_is_not_waited_for(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, PLAIN)
    (first, second) = (next(folder.glob(f"*/{name}")) for name in INDEX_FILES)
    first.unlink()
    os.mkfifo(first)
    assert world.look(folder).faults == ()
    second.unlink()
    with pytest.raises(InputError):
        releases_on(folder)


def test_no_flipped_byte_of_an_index_is_believed(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, WITH_PARITY)
    release = choose(folder, REGION, None)
    (release.folder / INDEX_FILES[1]).unlink()
    whole = (release.folder / INDEX_FILES[0]).read_bytes()
    for at in random.Random(3).sample(range(len(whole)), 60):
        flip(release.folder / INDEX_FILES[0], at)
        with pytest.raises(InputError):
            releases_on(folder)
        (release.folder / INDEX_FILES[0]).write_bytes(whole)


def test_an_index_that_leads_out_of_its_folder_is_refused(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, PLAIN)
    release = choose(folder, REGION, None)
    part = release.index.parts[0].model_copy(update={"name": "../../etc/passwd"})
    forged = release.index.model_copy(update={"parts": (part, *release.index.parts[1:])})
    for name in INDEX_FILES:
        (release.folder / name).write_bytes(forged.to_json())
    with pytest.raises(InputError, match="other names"):
        releases_on(folder)


def test_an_index_says_a_sum_of_itself(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, PLAIN)
    value = json.loads((folder / f"smartcity-{world.release}" / INDEX_FILES[0]).read_bytes())
    assert value["digest"] == digest.of_bytes(digest.canonical_json(value["index"]))
    assert (
        MediaIndex.model_validate(value["index"]).root_digest == world.folder.contents.root_digest
    )


# -- choosing -------------------------------------------------------------------------------------


def test_a_disk_for_another_pemda_says_whose_it_is(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, PLAIN)
    with pytest.raises(InputError, match=r"32\.16.*Kabupaten Karawang, 32\.15"):
        choose(folder, "32.16", None)


def test_two_releases_of_one_number_must_be_told_apart(
    world: MediaWorld, other: MediaWorld, folder: Path
) -> None:
    world.copy(folder, PLAIN)
    other.copy(folder, PLAIN)
    with pytest.raises(UsageError, match=world.release):
        choose(folder, REGION, None)
    assert choose(folder, REGION, other.release).index.release == other.release


def test_an_unfinished_copy_is_called_so(world: MediaWorld, folder: Path) -> None:
    world.copy(folder, PLAIN)
    for name in INDEX_FILES:
        next(folder.glob(f"*/{name}")).unlink()
    with pytest.raises(InputError, match=f"not finished: smartcity-{world.release}"):
        releases_on(folder)
    assert unfinished_on(folder) == (f"smartcity-{world.release}",)


def test_a_release_that_is_named_is_found_beside_damaged_ones(
    world: MediaWorld, other: MediaWorld, folder: Path
) -> None:
    world.copy(folder, PLAIN)
    for path in folder.glob("*/*.json"):
        cut(path)
    other.copy(folder, PLAIN)
    with pytest.raises(InputError, match=world.release):
        choose(folder, REGION, None)
    assert choose(folder, REGION, other.release).index.release == other.release


def test_the_folder_of_a_release_will_do_for_the_disk(world: MediaWorld, folder: Path) -> None:
    report = world.copy(folder, PLAIN)
    assert choose(Path(report.folder), REGION, None).index.release == world.release
