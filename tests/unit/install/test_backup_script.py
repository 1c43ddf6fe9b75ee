"""The shell that makes backups, run by a real shell with commands in the place of hooks."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from smartcity_pkg.install import backupscript, usage
from smartcity_pkg.install.backups import Manifest, read_manifest
from smartcity_pkg.install.backupscript import Taking, nightly, take

DATA = "baris pertama\n"
GOOD = Taking(
    app="surat", version="1.0.0", release="1-a", why="schedule", toward="",
    write=("printf", DATA), verify=("grep", "-q", "baris"),
)  # fmt: skip


def run(folder: Path, taking: Taking) -> subprocess.CompletedProcess[str]:
    return subprocess.run(take(str(folder), taking), capture_output=True, text=True, check=False)


def found(folder: Path) -> dict[str, Manifest]:
    made = {}
    for path in sorted((folder / "backups").glob("*/manifest.json")):
        manifest = read_manifest(path.read_text())
        assert manifest is not None, path.read_text()
        made[path.parent.name] = manifest
    return made


def test_a_backup_is_whole_private_and_named(tmp_path: Path) -> None:
    first, second = run(tmp_path, GOOD), run(tmp_path, replace(GOOD, verify=()))
    assert first.returncode == second.returncode == 0, first.stderr
    made = found(tmp_path)
    assert list(made) == sorted([first.stdout.strip(), second.stdout.strip()])
    manifest = made[first.stdout.strip()]
    assert manifest.sha256 == hashlib.sha256(DATA.encode()).hexdigest()
    assert manifest.size_bytes == len(DATA)
    assert (manifest.verified, made[second.stdout.strip()].verified) == (True, False)
    folder = tmp_path / "backups" / first.stdout.strip()
    assert sorted(p.name for p in folder.iterdir()) == ["data", "manifest.json"]
    assert folder.stat().st_mode & 0o077 == 0


FAILING = {
    "a hook that fails": (replace(GOOD, write=("false",)), backupscript.HOOK_FAILED),
    "a hook that fails at the end": (
        replace(GOOD, write=("sh", "-c", "echo x; echo rusak >&2; exit 4")),
        backupscript.HOOK_FAILED,
    ),
    "a hook that writes nothing": (replace(GOOD, write=("true",)), backupscript.HOOK_FAILED),
    "a hook that is missing": (replace(GOOD, write=("/tiada",)), backupscript.HOOK_FAILED),
    "data that the app cannot read": (
        replace(GOOD, verify=("grep", "-q", "lain")),
        backupscript.NOT_VERIFIED,
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_leaves_nothing_and_says_how(tmp_path: Path, name: str) -> None:
    taking, status = FAILING[name]
    done = run(tmp_path, taking)
    assert (done.returncode, done.stdout) == (status, "")
    assert list((tmp_path / "backups").iterdir()) == []


def test_what_a_dead_run_left_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    alive = subprocess.Popen(["sleep", "100"])
    dead = subprocess.Popen(["true"])
    dead.wait()
    for pid in (alive.pid, dead.pid):
        (tmp_path / "backups" / f".new.{pid}").mkdir(parents=True)
    run(tmp_path, GOOD)
    left = {p.name for p in (tmp_path / "backups").glob(".new.*")}
    assert left == {f".new.{alive.pid}"}
    alive.kill()
    alive.wait()


def test_every_night_each_app_keeps_its_own_newest(tmp_path: Path) -> None:
    apps = [GOOD, replace(GOOD, app="e-surat"), replace(GOOD, app="rusak", write=("false",))]
    run(tmp_path, replace(GOOD, why="command"))
    script = tmp_path / "backup.sh"
    script.write_text(nightly(str(tmp_path), apps, lease_s=120))
    for _night in range(4):
        done = subprocess.run(["sh", str(script), "2"], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "backup of rusak failed: 70" in done.stderr
    kept = [(m.app, m.why) for m in found(tmp_path).values()]
    assert kept.count(("surat", "schedule")) == 2
    assert kept.count(("e-surat", "schedule")) == 2
    assert kept.count(("surat", "command")) == 1


def test_the_timer_gives_way_to_an_installation(tmp_path: Path) -> None:
    script, lock = tmp_path / "backup.sh", tmp_path / "lock"
    script.write_text(nightly(str(tmp_path), [GOOD], lease_s=120))
    lock.mkdir()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    (lock / "boot").write_text(boot)
    uptime = int(float(Path("/proc/uptime").read_text().split()[0]))
    for lease, status in ((uptime, 75), (uptime - 200, 0)):
        (lock / "lease").write_text(f"{lease}\n")
        done = subprocess.run(["sh", str(script)], capture_output=True, check=False)
        assert done.returncode == status, done.stderr
    assert len(found(tmp_path)) == 1


def test_every_night_the_disks_are_sampled_and_old_samples_go(tmp_path: Path) -> None:
    script, file = tmp_path / "backup.sh", tmp_path / usage.FILE
    script.write_text(nightly(str(tmp_path), [GOOD], lease_s=120))
    file.write_text("".join(f"{n} store={n}\n" for n in range(1, usage.KEEP_LINES + 1)))
    for _night in range(2):
        subprocess.run(["sh", str(script)], capture_output=True, check=True)
    samples = usage.parse(file.read_text())
    assert len(samples) == usage.KEEP_LINES
    assert samples[0].at_s == 3
    free = os.statvfs(tmp_path)
    assert samples[-1].free_bytes["store"] == pytest.approx(free.f_bavail * free.f_frsize, rel=0.5)
    assert [p.name for p in tmp_path.glob("*.new")] == []
