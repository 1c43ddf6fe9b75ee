"""A pemda without a link: a disk from Kominfo, installed by command, and its receipt back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from console import Console
from install_site import Site
from install_world import SERVER, Draft
from media_world import cut, flip, parts_of
from workspace import Workspace

from smartcity_pkg.bundle.inventory import load_receipt
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab

pytestmark = pytest.mark.lab
GOOD = Draft()
REGION = GOOD.region


@pytest.fixture
def space(lab: Lab, bare: Site, tmp_path: Path) -> Workspace:
    """The technician's folder: the pemda's profile, and the key of those who packed."""
    made = Workspace(tmp_path / "teknisi")
    made.folder.mkdir()
    path = made.profile(bare.server, lab.client_key)
    profile = yaml.safe_load(path.read_text())
    profile["servers"][0]["name"] = SERVER
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    (made.folder / "keys").mkdir()
    shutil.copy(bare.world.folder / "release.pub", made.folder / "keys/kominfo.pub")
    return made


def copied(space: Workspace, site: Site, disk: Path, *words: str) -> dict[str, object]:
    bundle = str(site.world.bundle(GOOD)[0])
    line = ["ship", bundle, "--to", f"media:{disk}", "--part-size", "64KiB", *words]
    return space.smartcity(*line).json


def harm_three(disk: Path) -> list[str]:
    parts = parts_of(disk)
    flip(parts[0])
    cut(parts[2])
    parts[4].unlink()
    return [parts[0].name, parts[2].name, parts[4].name]


def test_three_damaged_parts_are_named_and_nothing_is_installed(
    bare: Site, space: Workspace, fat: Path
) -> None:
    copied(space, bare, fat)
    bad = harm_three(fat)
    ran = space.smartcity("install", REGION, "--from", f"media:{fat}", code=10)
    assert all(name in ran.error["message"] for name in bad)
    assert bare.sh(f"ls {StorePaths().root} 2>/dev/null || true") == ""
    # Only these are copied again, at Kominfo; then it installs.
    assert copied(space, bare, fat)["copied"] == bad
    space.smartcity("install", REGION, "--from", f"media:{fat}")
    assert bare.page() == "satu"


def test_with_parity_it_installs_and_a_signed_receipt_returns(
    bare: Site, space: Workspace, fat: Path
) -> None:
    copied(space, bare, fat, "--parity", "3")
    bad = harm_three(fat)
    done = space.smartcity("install", REGION, "--from", f"media:{fat}").json
    assert [fault["name"] for fault in done["media"]["faults"]] == bad
    assert bare.page() == "satu"
    (written,) = done["receipts"]
    receipt = load_receipt(Path(written))
    release = bare.world.bundle(GOOD)[1].release
    assert (receipt.region, receipt.server, receipt.release) == (REGION, SERVER, release.name)
    assert receipt.diff_ids == {d for image in release.images for d in image.diff_ids}
    assert receipt.images.keys() == {image.reference for image in release.images}
    secret = f"{StorePaths().secrets}/inventory.key"
    assert bare.sh(f"stat -c %a {secret}").strip() == "600"
    (kept,) = space.smartcity("media", "receipts", str(fat)).json["receipts"]
    assert kept["first"]
    # The same disk once more changes nothing, and its receipt is by the same key.
    again = space.smartcity("install", REGION, "--from", f"media:{fat}").json
    assert again["installed"][0]["did_nothing"]
    assert not space.smartcity("media", "receipts", str(fat)).json["receipts"][0]["first"]
    assert bare.status().well


def test_a_disk_that_takes_no_receipt_fails_no_installation(
    bare: Site, space: Workspace, tmp_path: Path
) -> None:
    disk = tmp_path / "stick"
    disk.mkdir()
    copied(space, bare, disk)
    (disk / f"smartcity-receipt-{REGION}-{SERVER}.json.part").mkdir()
    ran = space.smartcity("install", REGION, "--from", f"media:{disk}")
    assert ran.json["receipts"] == []
    assert any("no receipt" in event.get("text", "") for event in ran.events)
    assert bare.page() == "satu"


@pytest.mark.usefixtures("portable_python")
def test_at_the_servers_own_console_no_ssh_is_needed(
    bare: Site, space: Workspace, fat: Path, tmp_path: Path
) -> None:
    """The profile says of the server no `ssh`, which means the machine that smartcity runs on."""
    copied(space, bare, fat, "--parity", "3")
    bad = harm_three(fat)
    (path,) = (space.folder / "pemda").iterdir()
    profile = yaml.safe_load(path.read_text())
    del profile["servers"][0]["ssh"]
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    console = Console(bare.server, tmp_path)
    line = ["--workspace", str(space.folder), "install", REGION, "--from", f"media:{fat}"]
    done = console.smartcity(*line).json
    assert [fault["name"] for fault in done["media"]["faults"]] == bad
    assert bare.page() == "satu"
    (written,) = done["receipts"]
    assert load_receipt(Path(written)).server == SERVER
    assert console.smartcity(*line).json["installed"][0]["did_nothing"]
    assert bare.status().well
