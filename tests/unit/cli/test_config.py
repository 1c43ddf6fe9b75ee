"""`config`: settings in a profile, and a release that changes only what they touch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from workspace import KARAWANG, Ran, Workspace

REGION = "32.15"
_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def own(tmp_path: Path) -> Workspace:
    """A workspace with a profile of its own."""
    (tmp_path / "pemda").mkdir()
    shutil.copy(KARAWANG, tmp_path / "pemda")
    return Workspace(tmp_path)


def profile(space: Workspace) -> Path:
    return space.folder / "pemda" / KARAWANG.name


def run(space: Workspace, *words: str, code: int = 0) -> Ran:
    process = space.start("config", *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return Ran(code, out, err)


def test_a_changed_setting_keeps_the_rest_of_the_file(own: Workspace) -> None:
    before = profile(own).read_text()
    run(own, "set", REGION, "laksa", "max_upload_mib", "7")
    after = profile(own).read_text()
    gone = set(before.splitlines()) - set(after.splitlines())
    assert len(gone) <= 1
    assert before.count("#") == after.count("#")
    assert run(own, "get", REGION, "laksa", "max_upload_mib").json["value"] == 7


def test_each_value_says_where_it_comes_from(own: Workspace) -> None:
    run(own, "set", REGION, "laksa", "contact", "0812")
    shown = run(own, "show", REGION, "laksa", "--origin").json["settings"]
    by_name = {s["name"]: s for s in shown}
    file, _colon, line = by_name["contact"]["origin"].rpartition(":")
    assert Path(file).name == KARAWANG.name
    assert "contact" in profile(own).read_text().splitlines()[int(line) - 1]
    assert by_name["contact"]["value"] == "0812"
    assert by_name["max_upload_mib"]["value"] >= 1
    assert any(not s["origin"] for s in shown), "some are the app's defaults"


@pytest.mark.parametrize(
    ("app", "key", "value", "code", "said"),
    [
        ("laksa", "max_upload_mib", "banyak", 20, "max_upload_mib"),
        ("laksa", "max_upload_mib", "1000", 20, "at most"),
        ("laksa", "tiada", "1", 20, "tiada"),
        ("laks", "contact", "1", 2, "laksa"),
        ("site", "timezone", "Mars", 20, "timezone"),
    ],
)
def test_what_the_schema_refuses_is_not_written(
    own: Workspace, app: str, key: str, value: str, code: int, said: str
) -> None:
    before = profile(own).read_text()
    error = run(own, "set", REGION, app, key, value, code=code).error
    assert said in error["message"] + error["hint"]
    assert profile(own).read_text() == before


def test_the_sites_settings_too(own: Workspace) -> None:
    run(own, "set", REGION, "site", "domain", "kota.example.id")
    assert run(own, "get", REGION, "site", "domain").json["value"] == "kota.example.id"


def test_an_example_is_not_changed(tmp_path: Path) -> None:
    before = KARAWANG.read_text()
    error = run(Workspace(tmp_path), "set", REGION, "laksa", "contact", "x", code=20).error
    assert "cp " in error["hint"]
    assert KARAWANG.read_text() == before


def test_with_deploy_a_new_release_is_packed_and_sent(space: Workspace, images: Path) -> None:
    """As far as the server, which nobody can reach here."""
    profile_of_mine = space.folder / "pemda" / KARAWANG.name
    profile_of_mine.parent.mkdir(exist_ok=True)
    data = yaml.safe_load(KARAWANG.read_text())
    for server in data["servers"]:
        server["ssh"] = {"host": "127.0.0.1", "port": 9, "host_key": _HOST_KEY}
    profile_of_mine.write_text(yaml.safe_dump(data, sort_keys=False))
    before = set((space.folder / "releases" / REGION).iterdir())
    words = ("set", REGION, "laksa", "contact", "0267-123456", "--deploy")
    run(space, *words, "--images", f"oci:{images}", code=12)
    [packed] = set((space.folder / "releases" / REGION).iterdir()) - before
    assert packed.name.startswith("2-")
    process = space.start("diff", str(next(iter(before))), str(packed))
    out, err = process.communicate(timeout=120)
    changed = json.loads(out)
    assert process.returncode == 0, err
    assert "0267-123456" in profile_of_mine.read_text()
    assert "laksa" in json.dumps(changed)
