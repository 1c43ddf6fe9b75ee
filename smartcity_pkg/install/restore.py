"""Puts a backup back: one app stops, gets the data of that time, and must be healthy again.

What is there now is saved first, so that a wrong choice can be undone. Bringing a backup from a
second place onto the server is `copies`'.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version

from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core.errors import (
    DiskFullError,
    EngineError,
    LockedError,
    PreflightError,
    RollbackFailedError,
    RolledBackError,
    SmartCityError,
    UnreachableError,
)
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress, Step, no_progress
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.install import backups, installed
from smartcity_pkg.install.apply import Scene, prove_steady, public_routes, put_back, start
from smartcity_pkg.install.backups import Backup
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outcome import InstallOptions
from smartcity_pkg.install.place import Place


@dataclass(frozen=True)
class RestoreReport:
    """The app serves with the data of `until`; `saved` is the backup of what was there before."""

    server: str
    app: str
    backup: str
    until: datetime
    saved: str
    took_s: float


def restore(
    place: Place,
    app: str,
    name: str = "",
    *,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> RestoreReport:
    """Put the backup `name` of `app` (default: the newest) in the place of its data.

    May be called again after any interruption. Raises LockedError, UsageError, PreflightError and
    EngineError with nothing changed; RolledBackError where the app failed and serves with the data
    of before; RollbackFailedError where that failed too.
    """
    chosen = options or InstallOptions()
    started_s = time.monotonic()
    progress(Step(_("Locking {server}").format(server=place.server)))
    with Lock(place.host, chosen.store) as lock:
        place.engine.check(gather(place.host, chosen.store))
        release, mine = current_app(place, app)
        backup = backups.find(place, app, name)
        _judge(place, backup, mine)
        progress(Step(_("Reading the backup {name} wholly").format(name=backup.name)))
        backups.verify(place, backup, release, mine)
        journal = Journal(place.host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = release.name
        scene = Scene(place, journal, progress, chosen, check=lock.check)
        saved = _save(scene, release, mine)
        with journal.step("data", app):
            _exchange(scene, release, mine, backup, saved)
    return RestoreReport(
        server=place.server,
        app=app,
        backup=backup.name,
        until=backup.manifest.began,
        saved=saved.name if saved else "",
        took_s=time.monotonic() - started_s,
    )


def current_app(place: Place, app: str) -> tuple[Release, ReleaseApp]:
    """The installed release, and `app` in it; PreflightError where it cannot be restored."""
    release = installed.require_current(place)
    apps = {a.app: a for a in release.on_server(place.server)}
    if app not in apps or apps[app].restore is None:
        able = ", ".join(n for n, a in apps.items() if a.restore is not None) or _("none")
        raise PreflightError(
            _("{server}: {app} is not installed, or has no hook for backups").format(
                server=place.server, app=app
            ),
            _("apps that have: {names}").format(names=able),
        )
    return release, apps[app]


def _judge(place: Place, backup: Backup, app: ReleaseApp) -> None:
    if Version(backup.manifest.version) > Version(app.version):
        raise PreflightError(
            _("{server}: the backup is of {app} {newer}, and {older} is installed").format(
                server=place.server, app=app.app, newer=backup.manifest.version, older=app.version
            ),
            _("install the newer release first; an older app may not understand newer data"),
        )


def _save(scene: Scene, release: Release, app: ReleaseApp) -> Backup | None:
    """A backup of what is there now; None where that was waved through."""
    if app.app in scene.options.without_backup:
        with scene.journal.step("without-backup", app.app):
            return None
    scene.progress(Step(_("Backing up {app}").format(app=app.app)))
    try:
        with scene.journal.step("backup", app.app):
            return backups.create(
                scene.place, release, app,
                why="restore", current=release.name, version=app.version,
            )  # fmt: skip
    except (EngineError, DiskFullError) as error:
        raise PreflightError(
            _("{why}\nnothing was changed: what is there now could not be saved").format(
                why=error.message
            ),
            _("put it right; or, if it is lost anyway: --without-backup"),
        ) from error


def _exchange(
    scene: Scene, release: Release, app: ReleaseApp, backup: Backup, saved: Backup | None
) -> None:
    try:
        _bring(scene, release, app, backup)
    except (LockedError, UnreachableError):
        raise
    except SmartCityError as failure:
        scene.progress(Note(failure.message, warning=True))
        try:
            if saved is not None:
                _bring(scene, release, app, saved)
            else:
                start(scene, release, app)
        except (LockedError, UnreachableError):
            raise
        except SmartCityError as second:
            raise RollbackFailedError(
                _("{server}: {why}\nand going back failed too: {second}").format(
                    server=scene.place.server, why=failure.message, second=second.message
                ),
                _("see what is wrong: smartcity doctor; put it right, then restore again"),
            ) from second
        raise RolledBackError(
            _("{server}: the data were not put back, {app} serves with those of before: {why}")
            .format(server=scene.place.server, app=app.app, why=failure.message),
            failure.hint or _("try another backup: smartcity backup list"),
        ) from failure  # fmt: skip


def _bring(scene: Scene, release: Release, app: ReleaseApp, backup: Backup) -> None:
    """Data back, migrated to the version that runs, app started and answering."""
    scene.check()
    put_back(scene, release, app, backup)
    if app.migrate is not None:
        with scene.journal.step("migrate", app.app):
            scene.place.engine.run_hook(scene.place.project(release, app), app.migrate)
    watch = start(scene, release, app)
    routes = [r for r in public_routes(scene.place, release) if r.app == app.app]
    prove_steady(scene, [watch], routes)
