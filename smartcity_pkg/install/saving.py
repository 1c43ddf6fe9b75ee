"""Saves the apps' data before an upgrade changes them, and tells what a way back means for them.

Making a backup is `backups`'; here is which apps need one, and what follows if it fails.
"""

from __future__ import annotations

from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core.errors import DiskFullError, EngineError, PreflightError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Step
from smartcity_pkg.install import backups
from smartcity_pkg.install.apply import Scene, plan_change
from smartcity_pkg.install.backups import Backup
from smartcity_pkg.install.journal import read_journal, unfinished
from smartcity_pkg.install.outcome import MigratedData
from smartcity_pkg.install.place import Place

_ENDS = frozenset({"commit", "rollback", "roll back", "uninstall"})


def save(scene: Scene, release: Release, before: Release | None) -> tuple[str, ...]:
    """Back up every app that `release` will migrate; the backups' names.

    Raises PreflightError where one cannot be made and was not waved through: nothing has changed.
    """
    if before is None:
        return ()
    started = plan_change(scene, release).started
    pairs = [p for p in migrating(scene.place, release, before) if p[1].app in started]
    made_before = _of_interrupted(scene.place, release)
    for old, new in pairs:
        scene.check()
        if backup := made_before.get(new.app):
            scene.data.saved[new.app] = backup
        elif new.app in scene.options.without_backup:
            with scene.journal.step("without-backup", new.app):
                text = _("{app} is upgraded without a backup, as you insist").format(app=new.app)
                scene.progress(Note(text, warning=True))
        else:
            _save(scene, release, before, old, new)
    return tuple(b.name for b in scene.data.saved.values())


def migrating(
    place: Place, release: Release, before: Release
) -> list[tuple[ReleaseApp, ReleaseApp]]:
    """The apps of both whose data `release` may migrate: as they were, and as they will be."""
    was = {a.app: a for a in before.on_server(place.server)}
    return [
        (was[a.app], a)
        for a in release.on_server(place.server)
        if a.migrate is not None
        and a.app in was
        and before.identity(was[a.app]) != release.identity(a)
    ]


def migrated_data(place: Place, left: Release, target: Release) -> tuple[MigratedData, ...]:
    """What going back from `left` to `target` leaves migrated, and the backups made before."""
    found = []
    known = backups.list_backups(place)
    for _old, new in migrating(place, left, target):
        mine = [b for b in known if _made_for(b, new.app, target.name, left.name)]
        if mine:
            backup = mine[-1]
            found.append(MigratedData(new.app, backup.name, backup.manifest.began))
        else:
            found.append(MigratedData(new.app))
    return tuple(found)


def after_failure(scene: Scene) -> str:
    """What to tell of data that a failed release may have changed; "" if there are none."""
    lines = []
    for app in scene.data.migrated:
        if app in scene.data.restore:
            continue
        if backup := scene.data.saved.get(app):
            text = _(
                "the data of {app} are as the new release's migration left them; to put back"
                " those of {time} instead: smartcity backup restore {server} --app {app}"
                " --backup {name}"
            )
            lines.append(
                text.format(
                    app=app, name=backup.name, server="PEMDA",
                    time=f"{backup.manifest.began:%Y-%m-%d %H:%M} UTC",
                )
            )  # fmt: skip
    return "\n".join(lines)


def _made_for(backup: Backup, app: str, release: str, toward: str) -> bool:
    m = backup.manifest
    return m.why == "upgrade" and (m.app, m.release, m.toward) == (app, release, toward)


def _of_interrupted(place: Place, release: Release) -> dict[str, Backup]:
    """Backups of an earlier run to `release` that was cut short: what is there now may be half
    migrated, so these count. Not if another story came to its end since."""
    entries = read_journal(place.host, place.store)
    ends = [i for i, e in enumerate(entries) if e.step in _ENDS and e.phase == "done"]
    since = entries[ends[-1] + 1 :] if ends else entries
    if not unfinished((e for e in since if e.release == release.name), "install"):
        return {}
    return {
        b.manifest.app: b
        for b in backups.list_backups(place)
        if b.manifest.why == "upgrade" and b.manifest.toward == release.name
    }


def _save(
    scene: Scene, release: Release, before: Release, old: ReleaseApp, new: ReleaseApp
) -> None:
    owner, app = (before, old) if old.backup else (release, new)
    if app.backup is None:
        text = _("{app} has no hook for backups: its data are migrated without one")
        scene.progress(Note(text.format(app=new.app), warning=True))
        return
    scene.progress(Step(_("Backing up {app}").format(app=new.app)))
    try:
        with scene.journal.step("backup", new.app):
            scene.data.saved[new.app] = backups.create(
                scene.place, owner, app,
                why="upgrade", current=before.name, version=old.version, toward=release.name,
            )  # fmt: skip
    except (EngineError, DiskFullError) as error:
        raise PreflightError(
            _("{why}\nnothing was changed: no upgrade without a backup").format(why=error.message),
            _(
                "put it right and install again; or go on without: smartcity install …"
                " --without-backup {app}"
            ).format(app=new.app),
        ) from error
