"""Disks as people use them: the command in a folder, from the copy to the receipts' return."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from media_world import cut, flip, parts_of, write_receipt
from workspace import Workspace

from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.ship.media.files import alone_on

REGION = "32.15"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def ship(space: Workspace, disk: Path, *words: str) -> dict[str, object]:
    done = space.smartcity("ship", REGION, "--to", f"media:{disk}", "--part-size", "64KiB", *words)
    return done.json


def test_a_release_is_copied_once_and_the_next_step_is_named(space: Workspace, disk: Path) -> None:
    first = ship(space, disk, "--parity", "2")
    assert first["kind"] == "copied"
    assert first["parity"] == 2
    assert not first["already_there"]
    assert ship(space, disk)["already_there"]
    checked = space.smartcity("media", "check", str(disk)).json
    assert checked["releases"][0]["faults"] == []


def test_a_folder_that_is_no_stick_of_its_own_is_questioned(
    space: Workspace, disk: Path, fat: Path
) -> None:
    for place, asked in ((disk, True), (fat, False)):
        ran = space.smartcity("ship", REGION, "--to", f"media:{place}")
        assert any("is the stick mounted" in e.get("text", "") for e in ran.events) is asked


def test_damage_is_named_repaired_and_copied_again(space: Workspace, disk: Path) -> None:
    ship(space, disk, "--parity", "2")
    bad = [parts_of(disk)[0], parts_of(disk)[-1]]
    for part in bad:
        flip(part)
    checked = space.smartcity("media", "check", str(disk)).json
    assert [f["name"] for f in checked["releases"][0]["faults"]] == [p.name for p in bad]
    assert space.smartcity("media", "check", str(disk), "--repair").json["repaired"]
    assert space.smartcity("media", "check", str(disk)).json["releases"][0]["faults"] == []
    cut(bad[0])
    assert ship(space, disk)["replaced"] == [bad[0].name]


def test_a_disk_that_another_one_works_on_is_left_alone(space: Workspace, disk: Path) -> None:
    ship(space, disk)
    with alone_on(disk):
        for line in (f"ship {REGION} --to media:{disk}", f"media check --repair {disk}"):
            ran = space.smartcity(*line.split(), code=11)
            assert str(disk) in ran.error["message"]
        space.smartcity("media", "check", str(disk))
    assert ship(space, disk)["already_there"]


def test_a_damaged_disk_installs_nothing_and_asks_no_server(space: Workspace, disk: Path) -> None:
    ship(space, disk)
    bad = parts_of(disk)[:3]
    for part in bad:
        flip(part)
    # The example's servers do not exist: asking one would end with 12.
    ran = space.smartcity("install", REGION, "--from", f"media:{disk}", code=10)
    assert all(part.name in ran.error["message"] for part in bad)
    assert all(part.name in ran.error["hint"] for part in bad)


def test_a_disk_without_a_whole_index_is_bad_input(space: Workspace, disk: Path) -> None:
    ship(space, disk)
    for path in disk.glob("*/*.json"):
        cut(path)
    ran = space.smartcity("install", REGION, "--from", f"media:{disk}", code=20)
    assert "smartcity.json" in ran.error["message"]


def test_an_unsigned_bundle_is_not_copied(space: Workspace, disk: Path) -> None:
    shutil.rmtree(space.folder / "keys")
    space.smartcity("key", "new", "--no-password")
    space.smartcity("ship", REGION, "--to", f"media:{disk}", code=10)
    assert not list(disk.iterdir())


BAD_LINES: dict[str, tuple[list[str], str]] = {
    "no such road": (["ship", REGION, "--to", "pigeon:x"], "expected one of: ssh, media:DIR"),
    "no folder": (["ship", REGION, "--to", "media:"], "expected one of: ssh, media:DIR"),
    "a size that is none": (
        ["ship", REGION, "--to", "media:.", "--part-size", "large"],
        "expected a size like 64MiB",
    ),
    "a server and a disk": (["ship", REGION, "--to", "media:.", "--server", "x"], "--server"),
    "parity without a disk": (["ship", REGION, "--parity", "2"], "--parity"),
    "no such road back": (["install", REGION, "--from", "x:y"], "--from is “x:y”"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_line_that_cannot_be_meant_is_a_usage_error(space: Workspace, case: str) -> None:
    words, expected = BAD_LINES[case]
    assert expected in space.smartcity(*words, code=2).error["message"]


# -- receipts -------------------------------------------------------------------------------------


def test_the_first_receipt_pins_the_servers_key(space: Workspace, disk: Path) -> None:
    key = SigningKey.made()
    written = write_receipt(disk, key)
    (first,) = space.smartcity("media", "receipts", str(disk)).json["receipts"]
    assert first["first"]
    kept = space.folder / "receipts" / written.name
    assert kept.read_bytes() == written.read_bytes()
    write_receipt(disk, key, serial=2)
    (second,) = space.smartcity("media", "receipts", str(disk)).json["receipts"]
    assert not second["first"]
    newest = kept.read_bytes()
    write_receipt(disk, SigningKey.made(), serial=3)
    ran = space.smartcity("media", "receipts", str(disk), code=10)
    assert f"receipts/{REGION}-balai-kota.pub" in ran.error["hint"]
    assert kept.read_bytes() == newest


def test_a_disk_without_receipts_says_so(space: Workspace, disk: Path) -> None:
    space.smartcity("media", "receipts", str(disk), code=20)
