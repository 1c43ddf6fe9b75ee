"""Refusals of the commands of the group backup."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from install_world import Draft
from refusal_stage import KEPT, MIGRATED, STAGE_OPTIONS, Sections, Stage

from smartcity_pkg.cli.wiring import backup as backup_wiring
from smartcity_pkg.hosts.host import script
from smartcity_pkg.install import backups, copies, making, schedule
from smartcity_pkg.install.backups import Backup
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.restore import restore
from smartcity_pkg.install.shelf import FolderShelf

# -- backups --------------------------------------------------------------------------------------


def nothing_installed(stage: Stage) -> None:
    making.make_all(stage.place(), None)


def no_app_with_hook(_stage: Stage) -> None:
    backup_wiring._something([], ["lapor"])


def _back_up(stage: Stage, draft: Draft = KEPT) -> tuple[Place, Backup]:
    place = stage.installed(draft)
    [made] = making.make_all(place, None)
    return place, made


def hook_fails(stage: Stage) -> None:
    _back_up(stage, dataclasses.replace(KEPT, backup="echo 'no such table' >&2; exit 1"))


def hook_cannot_read(stage: Stage) -> None:
    _back_up(stage, dataclasses.replace(KEPT, verify="echo 'no archive' >&2; exit 1"))


def no_such_backup(stage: Stage) -> None:
    place, _made = _back_up(stage)
    backups.find(place, "lapor", "20260101T000000Z-lapor-1")


def prune_all(stage: Stage) -> None:
    backup_wiring.prune(stage.session, "32.15", None, None, None)


def no_time(stage: Stage) -> None:
    backup_wiring.schedule(stage.session, "32.15", None, None, 14, False)


def no_such_time(stage: Stage) -> None:
    schedule.schedule(stage.installed(KEPT), "25:00", 14)


def restore_unasked(_stage: Stage) -> None:
    backup_wiring._confirm("")


def _restore(stage: Stage, place: Place, app: str = "lapor", **options: Any) -> None:
    chosen = dataclasses.replace(STAGE_OPTIONS, store=place.store, **options)
    restore(place, app, options=chosen)


def app_without_hook(stage: Stage) -> None:
    place, _made = _back_up(stage)
    _restore(stage, place, "penyimpan")


def backup_too_new(stage: Stage) -> None:
    place, made = _back_up(stage, MIGRATED)
    old = stage.installed(KEPT)
    old.host.run(("cp", "-r", f"{place.store.root}/backups", f"{old.store.root}/backups"))
    assert made.manifest.version == MIGRATED.version
    _restore(stage, old)


def bytes_damaged(stage: Stage) -> None:
    place, made = _back_up(stage)
    place.host.run(script('echo x >> "$1/data"', backups.folder_of(place, made.name)))
    _restore(stage, place)


def not_saved_before_restore(stage: Stage) -> None:
    gate = stage.folder / "gate"
    gate.touch()
    place, _made = _back_up(stage, dataclasses.replace(KEPT, backup=f"cat {gate} && echo isi"))
    gate.unlink()
    stage.hide(str(gate), "/data")
    place.host.run(("rm", "-f", str(gate)))
    _restore(stage, place)


def restore_fails(stage: Stage) -> None:
    """The backup that was made first cannot be put back, what was saved just before can."""
    mark = stage.folder / "once"
    mark.unlink(missing_ok=True)
    once = f"cat >/dev/null; [ -e {mark} ] || {{ touch {mark}; echo 'disk error' >&2; exit 1; }}"
    restoring = dataclasses.replace(KEPT, restore=stage.program("restore", once))
    place, _made = _back_up(stage, restoring)
    _restore(stage, place)


def restore_fails_twice(stage: Stage) -> None:
    broken = stage.program("restore", "cat >/dev/null; echo 'disk error' >&2; exit 1")
    place, _made = _back_up(stage, dataclasses.replace(KEPT, restore=broken))
    _restore(stage, place)


# -- copies ---------------------------------------------------------------------------------------


def _copy(stage: Stage, to: str, recipient: str | None, unencrypted: bool) -> None:
    backup_wiring.copy_all(stage.session, "32.15", None, None, to, recipient, unencrypted, None)


def nobody_to_encrypt_to(stage: Stage) -> None:
    _copy(stage, "/mnt/disk", None, unencrypted=False)


def encrypted_and_not(stage: Stage) -> None:
    _copy(stage, "/mnt/disk", "age1abc", unencrypted=True)


def no_recipient(_stage: Stage) -> None:
    copies.check_recipient("kominfo@example.go.id")


def no_place(_stage: Stage) -> None:
    backup_wiring.far_place("ssh://192.0.2.9", None)


def _copied(stage: Stage, recipient: str) -> tuple[FolderShelf, Backup, FolderShelf]:
    place, made = _back_up(stage)
    second = FolderShelf(stage.folder / f"second-{place.store.root.name}")
    here = FolderShelf(Path(str(place.store.root)) / "backups")
    copies.copy(here, made, second, recipient=recipient)
    [copy] = copies.whole(second)
    return second, copy, FolderShelf(stage.folder / f"new-{place.store.root.name}")


def no_identity(stage: Stage) -> None:
    _identity, recipient = copies.new_identity()
    stage.hide(recipient, "age1…")
    second, copy, new = _copied(stage, recipient)
    copies.fetch(second, copy, new)


def other_identity(stage: Stage) -> None:
    _identity, recipient = copies.new_identity()
    second, copy, new = _copied(stage, recipient)
    copies.fetch(second, copy, new, identity=copies.new_identity()[0])


def copy_damaged(stage: Stage) -> None:
    second, copy, new = _copied(stage, "")
    second.append(f"{copy.name}/data", 0, b"x")
    copies.fetch(second, copy, new)


def identity_exists(stage: Stage) -> None:
    stage.hide(f"{stage.folder}/", "")
    (stage.folder / "kunci.txt").touch()
    backup_wiring.make_key(stage.folder / "kunci.txt")


SECTIONS: Sections = {
    ("backup create, prune, schedule", "backup create, prune, schedule"): (
        *(nothing_installed, no_app_with_hook, hook_fails, hook_cannot_read, prune_all, no_time),
        no_such_time,
    ),
    ("backup restore", "backup restore"): (
        *(restore_unasked, no_such_backup, app_without_hook, backup_too_new, bytes_damaged),
        *(not_saved_before_restore, restore_fails, restore_fails_twice),
    ),
    ("backup copy, key, restore --from", "backup copy, key, restore --from"): (
        *(nobody_to_encrypt_to, encrypted_and_not, no_recipient, no_place, no_identity),
        *(other_identity, copy_damaged, identity_exists),
    ),
}
