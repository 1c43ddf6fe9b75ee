"""Two processes at once on one disk: the second one is told, and does nothing."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from media_world import MediaWorld, parts_of

from smartcity_pkg.core.errors import LockedError, SmartCityError
from smartcity_pkg.ship.media import files
from smartcity_pkg.ship.media.shape import Shape


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> MediaWorld:
    return MediaWorld.make(tmp_path_factory.mktemp("lock"), size_bytes=4_000_000)


def stopped_in_the_middle(world: MediaWorld, disk: Path) -> subprocess.Popen[bytes]:
    """A process that is copying onto the disk, and stands still."""
    process = world.copying(disk)
    deadline = time.monotonic() + 60
    while not parts_of(disk):
        assert process.poll() is None
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    return process


def test_the_second_of_two_copies_is_refused_and_the_first_one_ends_well(
    world: MediaWorld, disk: Path
) -> None:
    first = stopped_in_the_middle(world, disk)
    before = sorted(disk.rglob("*"))
    try:
        with pytest.raises(LockedError, match="another smartcity"):
            world.copy(disk, Shape())
        assert sorted(disk.rglob("*")) == before
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 0
    assert world.copy(disk, Shape()).already_there
    assert world.look(disk).faults == ()
    assert [path.name for path in disk.iterdir()] == [f"smartcity-{world.release}"]


def test_the_lock_of_a_process_that_was_killed_is_gone(world: MediaWorld, disk: Path) -> None:
    first = stopped_in_the_middle(world, disk)
    first.kill()
    first.wait()
    world.copy(disk, Shape(64 << 10, 2))
    assert world.look(disk).faults == ()


def test_a_releases_own_folder_stands_for_its_disk(world: MediaWorld, disk: Path) -> None:
    world.copy(disk, Shape())
    own = disk / f"smartcity-{world.release}"
    with files.alone_on(disk), pytest.raises(LockedError), files.alone_on(own):
        pass
    with files.alone_on(own):
        pass


def test_two_disks_do_not_wait_for_each_other(tmp_path: Path) -> None:
    for name in ("satu", "dua"):
        (tmp_path / name).mkdir()
    with files.alone_on(tmp_path / "satu"), files.alone_on(tmp_path / "dua"):
        pass


def test_a_disk_that_was_pulled_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(SmartCityError, match="cannot be written"), files.alone_on(tmp_path / "x"):
        pass
