"""Backups of everything on a server by command: under the lock, in the journal, pruned by rules.

One backup is `backups`' work, and those of the timer are the server's own (`schedule`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from smartcity_pkg.core.errors import SmartCityError, UnreachableError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.install import backups, installed
from smartcity_pkg.install.backups import Backup
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.place import Place


def make_all(
    place: Place, apps: Collection[str] | None, *, progress: Progress = no_progress
) -> list[Backup]:
    """Back up every app that has a hook (or those of `apps` that do), providers first.

    Raises PreflightError where nothing is installed, LockedError, EngineError, DiskFullError.
    """
    with Lock(place.host, place.store) as lock:
        place.engine.check(gather(place.host, place.store))
        release = installed.require_current(place)
        journal = Journal(place.host, place.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = release.name
        made = []
        for app in release.on_server(place.server):
            if app.backup is None or (apps and app.app not in apps):
                continue
            lock.check()
            progress(Step(_("Backing up {app}").format(app=app.app)))
            with journal.step("backup", app.app):
                made.append(
                    backups.create(
                        place, release, app,
                        why="command", current=release.name, version=app.version,
                    )
                )  # fmt: skip
        return made


def prune_all(place: Place, *, keep: int | None, keep_days: int | None) -> tuple[Backup, ...]:
    """Delete what the rules do not keep; what went. Raises LockedError."""
    with Lock(place.host, place.store):
        found = installed.look(place)
        gone = backups.to_prune(
            backups.list_backups(place),
            keep=keep,
            keep_days=keep_days,
            way_back=(found.previous, found.current),
        )
        journal = Journal(place.host, place.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = found.current
        for backup in gone:
            with journal.step("prune", backup.name):
                backups.remove(place, [backup])
        return gone


def prove(place: Place, backup: Backup) -> str:
    """Read a backup wholly, its app too where it is installed; "" or what is wrong."""
    found = installed.look(place)
    try:
        release = installed.read_release(place, found.current) if found.current else None
        mine = release.on_server(place.server) if release else ()
        app = next((a for a in mine if a.app == backup.manifest.app), None)
        if release is None or app is None:
            backups.verify_bytes(place, backup)
        else:
            backups.verify(place, backup, release, app)
    except UnreachableError:
        raise
    except SmartCityError as error:
        return error.message
    return ""
