"""A command's change of a person's file: their comments, order and quotes stay."""

from __future__ import annotations

import difflib
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from catalogue_texts import COMPOSE, PROFILE

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.edit import edited
from smartcity_pkg.catalogue.profile import load_pemda, profile_digest
from smartcity_pkg.core.errors import InputError

ROOT = Path(__file__).parents[3]
MEASURED: dict[str, Any] = {
    "date": date(2026, 11, 23),
    "cpus": 8.0,
    "memory_gib": 7.75,
    "disk_free_gib": 180.5,
    "architecture": "amd64",
}
PLACE = ("servers", 0, "measured")


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    gone = [line[2:] for line in lines if line.startswith("- ")]
    return gone, [line[2:].strip() for line in lines if line.startswith("+ ")]


@pytest.mark.parametrize("path", sorted((ROOT / "examples/pemda").glob("*.yaml")), ids=str)
def test_a_profile_keeps_every_line_of_its_own(path: Path, tmp_path: Path) -> None:
    file = tmp_path / path.name
    file.write_bytes(path.read_bytes())
    edit = edited(file, {PLACE: MEASURED})
    gone, come = changed_lines(edit.before, edit.after)
    assert gone == []
    assert come == [
        "measured:",
        "date: 2026-11-23",
        "cpus: 8.0",
        "memory_gib: 7.75",
        "disk_free_gib: 180.5",
        "architecture: amd64",
    ]
    assert file.read_bytes() == path.read_bytes(), "nothing is written before write()"
    edit.write()
    pemda = load_pemda(file)
    assert pemda.servers[0].measured
    assert pemda.servers[0].measured.date == date(2026, 11, 23)
    assert profile_digest(pemda) == profile_digest(load_pemda(path))


def test_measuring_again_changes_only_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(PROFILE)
    edited(file, {PLACE: {**MEASURED, "engine": "26.1.5"}}).write()
    commented = file.read_text().replace("cpus: 8.0", "cpus: 8.0   # as ordered")
    file.write_text(commented)
    again = edited(file, {PLACE: {**MEASURED, "memory_gib": 15.5}})
    gone, come = changed_lines(commented, again.after)
    assert [line.strip() for line in gone] == ["memory_gib: 7.75", "engine: 26.1.5"]
    assert come == ["memory_gib: 15.5"]
    assert "# as ordered" in again.after
    assert "-      memory_gib: 7.75" in again.difference()


def test_nothing_new_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(PROFILE)
    edited(file, {PLACE: MEASURED}).write()
    before = file.stat()
    edit = edited(file, {PLACE: MEASURED})
    edit.write()
    assert not edit.changes
    assert file.stat().st_ino == before.st_ino


def test_an_app_keeps_its_flow_style_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    file.chmod(0o640)
    at = ("services", "web", "deploy", "resources", "reservations", "memory")
    edit = edited(file, {at: "96M", ("x-smartcity", "demand", "disk_mib"): 64})
    gone, _come = changed_lines(edit.before, edit.after)
    assert [g.strip() for g in gone] == ["reservations: {cpus: 0.05, memory: 80M}"]
    assert "reservations: {cpus: 0.05, memory: 96M}" in edit.after
    edit.write()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert yamlfile.read(file).data["x-smartcity"]["demand"] == {"disk_mib": 64}


@pytest.mark.parametrize(
    "text",
    [
        "servers:\n- &s {name: a}\n- *s\n",  # the alias would change as well
        "servers: 3\n",
        "servers: []\n",
    ],
)
def test_a_file_that_cannot_be_edited_alone_is_left_and_says_what_to_write(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        edited(file, {PLACE: {"cpus": 4}})
    assert "cpus: 4" in caught.value.hint
    assert file.read_text() == text
