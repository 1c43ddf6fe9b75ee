"""What becomes of the apps' data on a real server: saved before an upgrade, put back, pruned."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from install_site import OPTIONS, CutAfter, Site
from install_world import SERVER, Draft

from smartcity_pkg.core.errors import (
    DiskFullError,
    EngineError,
    PreflightError,
    RolledBackError,
    UnreachableError,
    UsageError,
)
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.install import backups, schedule
from smartcity_pkg.install.backups import Backup, to_prune
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.restore import current_app, restore

pytestmark = pytest.mark.lab

BACKUP = "tar -cf - -C /data ."
GOOD = Draft(backup=BACKUP)
# Its migration changes what is there, as a careless app's may.
_MIGRATE = "cd /data; for f in *; do echo migrated > $f; done"
BETTER = Draft(serial=2, version="1.1.0", page="dua", backup=BACKUP, migrate=_MIGRATE)
BACKUPS = "/var/lib/smartcity/backups"


@pytest.fixture
def kept(bare: Site) -> Site:
    """The good release with something in its data."""
    bare.deploy(GOOD)
    bare.write("laporan", "jalan berlubang")
    return bare


def made(site: Site, app: str = "lapor") -> Backup:
    """A backup of what runs now, as the command makes it."""
    release, mine = current_app(site.place, app)
    return backups.create(
        site.place, release, mine, why="command", current=release.name, version=mine.version
    )


def put_back(site: Site, name: str = "") -> str:
    return restore(site.place, "lapor", name, options=OPTIONS).saved


def test_a_backup_is_a_folder_that_root_alone_may_enter(kept: Site) -> None:
    backup = made(kept)
    assert kept.sh(f"ls {BACKUPS}").split() == [backup.name]
    assert kept.sh(f"cd {BACKUPS}/{backup.name}; ls; stat -c %a .").split() == [
        "data", "manifest.json", "700",
    ]  # fmt: skip
    told = json.loads(kept.sh(f"cat {BACKUPS}/{backup.name}/manifest.json"))
    assert told["sha256"] == kept.sh(f"sha256sum < {BACKUPS}/{backup.name}/data").split()[0]
    assert (told["app"], told["release"], told["why"]) == ("lapor", kept.name(GOOD), "command")
    assert told["verified"] is True
    assert "jalan berlubang" in kept.sh(f"tar -xOf {BACKUPS}/{backup.name}/data ./laporan")
    secret = kept.sh("cat /var/lib/smartcity/secrets/lapor/sandi")
    assert secret not in kept.sh(f"cat {BACKUPS}/*/* /var/lib/smartcity/journal.jsonl")


def test_putting_back_changes_the_data_and_saves_what_was_there(kept: Site) -> None:
    backup = made(kept)
    kept.write("laporan", "diubah")
    kept.write("baru", "sesudahnya")
    saved = put_back(kept)
    assert kept.data() == {"laporan": "jalan berlubang"}
    assert kept.page() == "satu"
    assert kept.status().well
    put_back(kept, saved)
    assert kept.data() == {"laporan": "diubah", "baru": "sesudahnya"}
    assert kept.sh(f"ls {BACKUPS} | wc -l").strip() == "3"
    assert backup.name < saved


def test_an_upgrade_that_migrates_saves_the_data_and_going_back_can_put_them_back(
    kept: Site,
) -> None:
    report = kept.deploy(BETTER)
    (name,) = report.backups
    assert kept.data()["laporan"] == "migrated"
    kept.write("baru", "sesudahnya")
    plain = kept.rollback()
    assert [(d.app, d.backup, d.restored) for d in plain.data] == [("lapor", name, False)]
    assert kept.data()["laporan"] == "migrated"
    kept.rollback()
    full = kept.rollback(with_data=True)
    (told,) = full.data
    assert (told.app, told.backup, told.restored) == ("lapor", name, True)
    assert kept.data() == {"laporan": "jalan berlubang"}
    assert kept.page() == "satu"
    assert "sesudahnya" in kept.sh(f"tar -xOf {BACKUPS}/{told.saved}/data ./baru")


def test_a_backup_that_fails_stops_the_upgrade_unless_waved_through(kept: Site) -> None:
    broken = "echo setengah; echo rusak >&2; exit 3"
    # The hook of the release that runs is used; it breaks together with its data.
    bad = dataclasses.replace(GOOD, serial=2, backup=broken)
    kept.deploy(bad)
    before = kept.containers()
    newest = dataclasses.replace(BETTER, serial=3)
    kept.world.ship(kept.host, newest)
    with pytest.raises(PreflightError) as refused:
        kept.install(newest)
    assert "rusak" in refused.value.message
    assert "--without-backup lapor" in refused.value.hint
    assert kept.containers() == before
    assert kept.data()["laporan"] == "jalan berlubang"
    assert not kept.sh(f"cd {BACKUPS}; ls -A | grep -v -- -lapor- || true")
    assert "rusak" not in kept.sh("cat /var/lib/smartcity/journal.jsonl")
    report = kept.install(newest, without_backup=("lapor",))
    assert report.backups == ()
    assert "without-backup" in kept.sh("cat /var/lib/smartcity/journal.jsonl")


def test_a_failed_release_tells_which_backup_brings_the_data_back(kept: Site) -> None:
    with pytest.raises(RolledBackError) as failed:
        kept.deploy(dataclasses.replace(BETTER, healthy="exit 1"))
    (backup,) = backups.list_backups(kept.place)
    assert f"--backup {backup.name}" in failed.value.message
    assert kept.data()["laporan"] == "migrated"
    put_back(kept, backup.name)
    assert kept.data() == {"laporan": "jalan berlubang"}


class CutAt:
    """A host whose link is lost for good just after a hook with this command has run."""

    def __init__(self, host: Host, command: str) -> None:
        self._host = CutAfter(host, 1_000_000)
        self._command = command
        self.name = host.name

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        if "run" in argv and self._command in argv:
            self._host.left = 1
        return self._host.run(argv, **options)

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> object:
        return self._host.connect(address, port, timeout_s)

    def close(self) -> None:
        self._host.close()


def test_a_run_that_finishes_another_keeps_the_backup_from_before_the_migration(
    kept: Site,
) -> None:
    kept.world.ship(kept.host, BETTER)
    with pytest.raises(UnreachableError):
        kept.install(BETTER, host=CutAt(kept.host, _MIGRATE))  # type: ignore[arg-type]
    assert kept.data()["laporan"] == "migrated"
    kept.sh("rm -rf /var/lib/smartcity/lock")  # its lease would end by itself, in two minutes
    report = kept.install(BETTER)
    assert [b.name for b in backups.list_backups(kept.place)] == list(report.backups)
    kept.rollback(with_data=True)
    assert kept.data() == {"laporan": "jalan berlubang"}


def test_a_restore_that_lost_its_link_is_finished_by_the_next_one(kept: Site) -> None:
    backup = made(kept)
    kept.write("laporan", "diubah")
    host = CutAt(kept.host, GOOD.restore)
    cut = Place(host, SERVER, OPTIONS.store, ComposeEngine(host, OPTIONS.store))  # type: ignore[arg-type]
    with pytest.raises(UnreachableError):
        restore(cut, "lapor", backup.name, options=OPTIONS)
    assert kept.page() == ""
    kept.sh("rm -rf /var/lib/smartcity/lock")  # its lease would end by itself, in two minutes
    put_back(kept, backup.name)
    assert kept.data() == {"laporan": "jalan berlubang"}
    assert kept.page() == "satu"
    assert kept.status().well


DAMAGED = {
    "a byte turned": "printf X | dd of=data bs=1 seek=700 conv=notrunc 2>/dev/null",
    "cut": "truncate -s 600 data",
    "data gone": "rm data",
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_backup_is_refused_before_anything_changes(kept: Site, how: str) -> None:
    backup = made(kept)
    before = kept.containers()
    kept.sh(f"cd {BACKUPS}/{backup.name}; {DAMAGED[how]}")
    kept.write("laporan", "diubah")
    with pytest.raises(EngineError) as refused:
        put_back(kept, backup.name)
    assert backup.name in refused.value.message
    assert kept.data() == {"laporan": "diubah"}
    assert kept.containers() == before


def test_an_app_that_fails_with_the_old_data_gets_back_those_of_before(kept: Site) -> None:
    kept.sh(f"docker exec {kept.containers()['lapor']} sh -c 'echo x > /data/racun'")
    poisoned = made(kept)
    kept.sh(f"docker exec {kept.containers()['lapor']} rm /data/racun")
    picky = "test ! -e /data/racun && wget -q -O /dev/null http://127.0.0.1:8080/lapor/sehat"
    kept.deploy(dataclasses.replace(GOOD, serial=2, healthy=picky))
    with pytest.raises(RolledBackError):
        put_back(kept, poisoned.name)
    assert kept.data() == {"laporan": "jalan berlubang"}
    assert kept.status().well


def test_the_timers_script_backs_up_and_prunes_only_its_own(kept: Site) -> None:
    by_hand = made(kept)
    done = schedule.schedule(kept.place, "02:30", 2)
    assert done.apps == ("lapor",)
    assert not done.runs  # practice servers have no systemd, and the answer says so
    unit = kept.sh("cat /etc/systemd/system/smartcity-backup.timer")
    assert "OnCalendar=*-*-* 02:30:00" in unit
    assert done.command in kept.sh("cat /etc/systemd/system/smartcity-backup.service")
    for _night in range(4):
        kept.sh(done.command)
    kept.deploy(BETTER)
    assert kept.sh(done.command).startswith("20")
    found = backups.list_backups(kept.place)
    assert [b.manifest.why for b in found] == ["command", "schedule", "upgrade", "schedule"]
    assert found[0].name == by_hand.name
    assert found[-1].manifest.release == kept.name(BETTER)
    kept.uninstall()
    assert "smartcity" not in kept.sh("ls /etc/systemd/system")


def test_a_full_disk_leaves_no_half_backup(kept: Site) -> None:
    kept.sh(f"mkdir -p {BACKUPS}; mount -t tmpfs -o size=1m none {BACKUPS}")
    try:
        three = "/bin/busybox /bin/busybox /bin/busybox"
        kept.sh(f"docker exec {kept.containers()['lapor']} sh -c 'cat {three} > /data/besar'")
        with pytest.raises(DiskFullError):
            made(kept)
        assert kept.sh(f"ls -A {BACKUPS}") == ""
    finally:
        kept.sh(f"umount {BACKUPS}")


def test_an_unknown_backup_is_named_with_those_that_exist(kept: Site) -> None:
    backup = made(kept)
    with pytest.raises(UsageError) as refused:
        put_back(kept, "20200101T000000Z-lapor-1")
    assert backup.name in refused.value.hint


# -- pruning decides on values --------------------------------------------------------------------

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def of_day(day: int, **fields: object) -> Backup:
    at = NOW - timedelta(days=day)
    manifest = {
        "app": "lapor", "version": "1", "release": "1-a", "why": "schedule", "toward": "",
        "began": at, "ended": at, "size_bytes": 1, "sha256": "0" * 64, "verified": True, **fields,
    }  # fmt: skip
    name = f"{at:%Y%m%dT%H%M%SZ}-{manifest['app']}-1"
    return Backup.model_validate({"name": name, "manifest": manifest})


def test_pruning_keeps_the_newest_and_the_way_back() -> None:
    upgrade = of_day(20, why="upgrade", toward="2-b")
    other = of_day(90, app="surat")
    found = [*(of_day(d) for d in range(10)), upgrade, other]

    def left(**asked: int | None) -> set[str]:
        rules: dict[str, int | None] = {"keep": None, "keep_days": None, **asked}
        gone = to_prune(found, **rules, way_back=("1-a", "2-b"), now=NOW)  # type: ignore[arg-type]
        return {b.name for b in found} - {b.name for b in gone}

    always = {of_day(0).name, upgrade.name, other.name}
    assert left(keep=1) == always
    assert left(keep=3) == always | {of_day(1).name, of_day(2).name}
    assert left(keep_days=4) == always | {of_day(d).name for d in range(5)}
    assert left(keep=8, keep_days=4) == always | {of_day(d).name for d in range(8)}
