"""Refusals and ways back of what starts apps: install, rollback, uninstall, secret."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from install_world import SERVER, Draft
from refusal_stage import BETTER, GOOD, KEPT, MIGRATED, STAGE_OPTIONS, Sections, Stage, paper
from workspace import ROOT

from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring import secrets as secret_wiring
from smartcity_pkg.cli.wiring import servers as server_wiring
from smartcity_pkg.hosts.host import script
from smartcity_pkg.install import installed, interrupted, rotate
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.rollback import rollback
from smartcity_pkg.install.saving import save
from smartcity_pkg.install.switch import prove_way_back, switch
from smartcity_pkg.lab import exercise

# -- the way back ---------------------------------------------------------------------------------


def installed_release_damaged(stage: Stage) -> None:
    place = stage.installed(GOOD)
    place.host.run(script('echo x > "$1/current/release.json"', str(place.store.root)))
    installed.read_known(place, installed.look(place))


def old_image_gone(stage: Stage) -> None:
    place = stage.installed(GOOD)
    paper(place).absent.add("contoh/lapor:1.0.0")
    prove_way_back(place, stage.release(GOOD))


def old_files_changed(stage: Stage) -> None:
    place = stage.installed(GOOD)
    change = script('echo x >> "$1"/current/s1/lapor/compose.yaml', str(place.store.root))
    place.host.run(change)
    prove_way_back(place, stage.release(GOOD))


def no_backup_before_upgrade(stage: Stage) -> None:
    failing = dataclasses.replace(KEPT, backup="echo 'no such table' >&2; exit 1")
    place = stage.installed(failing)
    scene = stage.scene(place, failing, MIGRATED)
    save(scene, stage.release(MIGRATED), stage.release(failing))


# -- apps that do not become well -----------------------------------------------------------------

SICK: dict[str, list[dict[str, Any]]] = {
    "unhealthy": [{"health": "unhealthy", "health_output": "HTTP Error 503: no database"}],
    "ended": [{"status": "exited", "exit_code": 3}],
    "crash loop": [{"status": "restarting", "restart_count": 2, "exit_code": 3}],
    "memory": [{"status": "restarting", "restart_count": 1, "out_of_memory": True}],
    "late": [{"health": "starting"}],
    "created only": [{"status": "created", "health": ""}],
    "dies in the soak": [{}, {"status": "exited", "exit_code": 3}],
    "by turns": [{"started_at": str(n), **({} if n % 2 else {"health": "starting"})}
                 for n in range(8)],
}  # fmt: skip


def _switch(
    stage: Stage, place: Place, new: Draft, old: Draft | None = GOOD, **options: Any
) -> None:
    """What `install` does once the release `new` is verified and its images are loaded."""
    stage.world.ship(place.host, new, store=place.store)
    release = stage.release(new)
    installed.unpack(place, release)
    scene = stage.scene(place, new, *([old] if old else []), **options)
    switch(scene, release, stage.release(old) if old else None, migrate=True)


def sick(stage: Stage, name: str) -> None:
    """An upgrade to a release whose app does that; the release before serves again."""
    place = stage.installed(GOOD)
    paper(place).looks["lapor 2"] = list(SICK[name])
    health_s = 0.2 if name in ("late", "created only") else 60.0
    _switch(stage, place, BETTER, health_s=health_s, soak_s=1.1)


def sick_from_the_first(stage: Stage) -> None:
    place = stage.place()
    paper(place).looks["lapor 1"] = list(SICK["unhealthy"])
    _switch(stage, place, GOOD, None)


def sick_both(stage: Stage) -> None:
    place = stage.installed(GOOD)
    paper(place).looks["lapor 2"] = list(SICK["unhealthy"])
    paper(place).looks["lapor 1"] = list(SICK["ended"])
    _switch(stage, place, BETTER)


def repair_fails(stage: Stage) -> None:
    place = stage.installed(GOOD)
    paper(place).looks["lapor 1"] = list(SICK["unhealthy"])
    _switch(stage, place, GOOD)


def no_route(stage: Stage) -> None:
    new = dataclasses.replace(BETTER, entrance=True)
    _switch(stage, stage.installed(GOOD), new)


def failing_migration(stage: Stage) -> None:
    migrate = stage.program("migrate", "echo 'column missing' >&2; exit 1")
    new = dataclasses.replace(MIGRATED, migrate=migrate)
    _switch(stage, stage.installed(KEPT), new, KEPT)


def failing_migration_with_backup(stage: Stage) -> None:
    """As the story has it: saved first, then the data half changed."""
    migrate = stage.program("migrate", "echo 'column missing' >&2; exit 1")
    new = dataclasses.replace(MIGRATED, migrate=migrate)
    place = stage.installed(KEPT)
    stage.world.ship(place.host, new, store=place.store)
    installed.unpack(place, stage.release(new))
    scene = stage.scene(place, KEPT, new)
    save(scene, stage.release(new), stage.release(KEPT))
    switch(scene, stage.release(new), stage.release(KEPT), migrate=True)


# -- rollback, resume, abort, uninstall -----------------------------------------------------------


def _rollback(stage: Stage, place: Place, with_data: bool = False) -> None:
    options = dataclasses.replace(STAGE_OPTIONS, store=place.store)
    rollback(place.host, SERVER, with_data=with_data, engine=place.engine, options=options)


def nothing_to_go_back_to(stage: Stage) -> None:
    _rollback(stage, stage.installed(GOOD))


def no_backup_to_go_back_with(stage: Stage) -> None:
    _rollback(stage, stage.installed(KEPT, MIGRATED), with_data=True)


def rollback_fails(stage: Stage) -> None:
    place = stage.installed(GOOD, BETTER)
    paper(place).looks["lapor 1"] = list(SICK["unhealthy"])
    _rollback(stage, place)


def nothing_interrupted(stage: Stage) -> None:
    place = stage.installed(GOOD)
    options = dataclasses.replace(STAGE_OPTIONS, store=place.store)
    interrupted.abort(place.host, SERVER, engine=place.engine, options=options)


def uninstall_without_terminal(stage: Stage) -> None:
    server_wiring.confirm_uninstall(stage.session, "32.15", purge_data=True)


# -- secrets --------------------------------------------------------------------------------------


def _rotate(stage: Stage, place: Place, name: str = "sandi") -> None:
    options = dataclasses.replace(STAGE_OPTIONS, store=place.store)
    rotate.rotate(place.host, SERVER, "lapor", name, engine=place.engine, options=options)


def no_release_for_secret(stage: Stage) -> None:
    _rotate(stage, stage.place())


def no_such_secret(stage: Stage) -> None:
    _rotate(stage, stage.installed(GOOD), "tiada")


def _with_new_value(stage: Stage, *sick_starts: dict[str, Any]) -> None:
    place = stage.installed(GOOD)
    paper(place).looks["lapor 1"] = [*sick_starts]
    _rotate(stage, place)


def value_not_borne(stage: Stage) -> None:
    _with_new_value(stage, *SICK["unhealthy"], {})


def neither_value_borne(stage: Stage) -> None:
    _with_new_value(stage, *SICK["unhealthy"])


def secret_without_terminal(_stage: Stage) -> None:
    secret_wiring.value_from(None)


def secret_file_empty(stage: Stage) -> None:
    stage.hide(f"{stage.folder}/", "")
    (stage.folder / "sandi.txt").touch()
    secret_wiring.value_from(stage.folder / "sandi.txt")


def fixed_secret(stage: Stage) -> None:
    why = "dengan kunci ini data lama dibaca"
    own = stage.folder / f"kominfo-{stage.number()}"
    exercise.copy_catalogue(ROOT / "bundles", own / "bundles")
    file = own / "bundles/laksa/compose.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("session_key: {}", f'session_key: {{fixed: "{why}"}}'))
    session = Session(CommonOptions(workspace=own))
    secret_wiring.change_secret(session, "32.15", None, "laksa", "session_key", None)


SECTIONS: Sections = {
    ("install and rollback: no way back", "install dan rollback: tidak ada jalan kembali"): (
        *(installed_release_damaged, old_image_gone, old_files_changed, no_backup_before_upgrade),
    ),
    (
        "install: an app does not become well, or does not stay so",
        "install: aplikasi tidak menjadi sehat, atau tidak tetap sehat",
    ): (
        *(partial(sick, name=name) for name in SICK),
        *(no_route, failing_migration, failing_migration_with_backup),
        *(sick_from_the_first, sick_both, repair_fails),
    ),
    (
        "rollback, install --resume and --abort, uninstall",
        "rollback, install --resume dan --abort, uninstall",
    ): (
        *(nothing_to_go_back_to, no_backup_to_go_back_with, rollback_fails, nothing_interrupted),
        uninstall_without_terminal,
    ),
}
SECRETS: Sections = {
    ("secret rotate, secret set", "secret rotate, secret set"): (
        *(no_release_for_secret, no_such_secret, value_not_borne, neither_value_borne),
        *(secret_without_terminal, secret_file_empty, fixed_secret),
    ),
}
