"""The commands around an installation as people run them: exit codes, JSON, both languages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from install_site import CutAtJournal, Site
from install_world import SERVER, Draft
from workspace import KARAWANG, Ran

from smartcity_pkg.core.errors import UnreachableError
from smartcity_pkg.lab.lab import Lab

pytestmark = pytest.mark.lab
BETTER = Draft(serial=2, version="1.1.0", page="dua")


@pytest.fixture
def folder(site: Site, lab: Lab, tmp_path: Path) -> Path:
    """A workspace whose profile leads to the server."""
    profile = yaml.safe_load(KARAWANG.read_text())
    ssh = {
        "host": site.server.address,
        "host_key": site.server.host_key,
        "key_file": str(lab.client_key),
    }
    machine = {"name": SERVER, "memory_gib": 16, "cpus": 4, "disk_gib": 100, "ssh": ssh}
    profile["servers"] = [machine]
    (tmp_path / "pemda").mkdir()
    (tmp_path / "pemda" / KARAWANG.name).write_text(yaml.safe_dump(profile, sort_keys=False))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/release.pub").write_bytes(site.world.key.public_pem)
    return tmp_path


def smartcity(folder: Path, *words: str, code: int = 0, json: bool = True) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "smartcity_pkg", *words, *(["--json"] if json else [])],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "SMARTCITY_LANG": "en"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return Ran(done.returncode, done.stdout, done.stderr)


def test_check_judges_the_server_and_later_what_it_saved(site: Site, folder: Path) -> None:
    site.world.ship(site.host, BETTER)
    [server] = smartcity(folder, "check", "32.15", "--save-facts", "f.json").json["servers"]
    assert server["release"] == site.name(BETTER)
    assert server["level"] in ("pass", "warn")
    assert (folder / "f.json").stat().st_mode & 0o777 == 0o600
    [again] = smartcity(folder, "check", "32.15", "--facts", "f.json").json["servers"]
    assert again == server
    shown = smartcity(folder, "--lang", "id", "check", "32.15", "--facts", "f.json", json=False)
    assert "Jam server benar" in shown.out
    smartcity(folder, "check", "32.15", "--facts", "f.json", "--server", SERVER, code=2)
    smartcity(folder, "install", "32.15", "--accept", "cuaca", code=2)
    (folder / "f.json").write_text("{}")
    smartcity(folder, "check", "32.15", "--facts", "f.json", code=20)


def test_what_was_interrupted_is_told_finished_and_undone(site: Site, folder: Path) -> None:
    error = smartcity(folder, "install", "32.15", "--resume", code=15).error
    assert "nothing was interrupted" in error["message"]
    site.world.ship(site.host, BETTER)
    for option, page, kind in (("--abort", "satu", "aborted"), ("--resume", "dua", "resumed")):
        with pytest.raises(UnreachableError):
            site.install(BETTER, host=CutAtJournal(site.host, "apply", "begin"))  # type: ignore[arg-type]
        site.sh("echo -1000 > /var/lib/smartcity/lock/lease")
        [state] = smartcity(folder, "status", "32.15").json["servers"]
        assert state["interrupted"]["release"] == site.name(BETTER)
        assert "install --resume" in smartcity(folder, "status", "32.15", json=False).out
        assert smartcity(folder, "install", "32.15", option).json["kind"] == kind
        assert site.page() == page
    smartcity(folder, "install", "32.15", "--resume", "--abort", code=2)
    smartcity(folder, "install", "32.15", "--abort", "--release", "x", code=2)


def test_logs_history_gc_secrets_and_the_doctor(site: Site, folder: Path) -> None:
    shown = smartcity(folder, "logs", "32.15", "lapor", "--tail", "3").json
    assert shown["services"][0]["lines"] == ["lapor is starting"]
    smartcity(folder, "logs", "32.15", "tiada", code=2)

    value = "/var/lib/smartcity/secrets/lapor/sandi"
    before = site.sh(f"cat {value}")
    smartcity(folder, "secret", "rotate", "32.15", "lapor", "sandi")
    assert site.sh(f"cat {value}") != before
    (folder / "sandi.txt").write_text("dari pos-el\n")
    ran = smartcity(folder, "secret", "set", "32.15", "lapor", "sandi", "--file", "sandi.txt")
    assert site.sh(f"cat {value}") == "dari pos-el"
    assert "pos-el" not in ran.out + ran.err
    smartcity(folder, "secret", "set", "32.15", "lapor", "sandi", code=2)
    smartcity(folder, "secret", "rotate", "32.15", "tiada", "sandi", code=2)

    [waste] = smartcity(folder, "gc", "32.15", "--dry-run").json["servers"]
    assert waste["dry_run"]
    smartcity(folder, "gc", "32.15")

    [history] = smartcity(folder, "history", "32.15").json["servers"]
    assert history["unaltered"]
    assert [e["subject"] for e in history["entries"] if e["step"] == "secret"] == [
        *["lapor/sandi"] * 4
    ]
    smartcity(folder, "history", "32.15", "--expect", history["head"])
    smartcity(folder, "history", "32.15", "--expect", "0" * 64, code=1)

    found = smartcity(folder, "doctor", "32.15", "-o", "d.tar.gz").json
    assert found["servers"][0]["causes"] == []
    assert (folder / "d.tar.gz").stat().st_mode & 0o777 == 0o600
