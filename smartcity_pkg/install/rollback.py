"""Goes back to the release before, from what is on the server: no network, no store, no keys.

What was verified when it was installed is identified by digest since. Data are not touched unless
that is asked for: then the backups that were made before the upgrade are put back, and what was
written since is saved and left behind.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import DiskFullError, EngineError, PreflightError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install import backups, installed, schedule
from smartcity_pkg.install.apply import Scene
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outcome import InstallOptions, MigratedData, RollbackReport
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.saving import migrated_data
from smartcity_pkg.install.secrets import ensure_secrets
from smartcity_pkg.install.switch import prove_way_back, switch


def rollback(
    host: Host,
    server: str,
    *,
    release_name: str | None = None,
    with_data: bool = False,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> RollbackReport:
    """Make `server` run the previous release again; the one left behind becomes the previous.

    With `release_name`, that one: an interrupted rollback may have moved a link already. With
    `with_data` each app whose data the newer release may have migrated gets back the backup of
    before. Raises LockedError, PreflightError (nothing to go back to, or not whole, or no such
    backup) with nothing changed; RolledBackError where the previous release failed and the current
    one serves again.
    """
    chosen = options or InstallOptions()
    place = Place(host, server, chosen.store, engine or ComposeEngine(host, chosen.store))
    started_s = time.monotonic()
    progress(Step(_("Locking {server}").format(server=server)))
    with Lock(host, chosen.store) as lock:
        place.engine.check(gather(host, chosen.store))
        found = installed.look(place)
        wanted = release_name or found.previous
        if not wanted:
            raise PreflightError(
                _("{server}: there is no release before {current}").format(
                    server=server, current=found.current or "-"
                ),
                _("see what is installed: smartcity status"),
            )
        known = installed.read_known(place, found)
        if wanted not in known:
            known[wanted] = installed.read_release(place, wanted)
        target, before = known[wanted], known.get(found.current)
        progress(Step(_("Proving that {name} is still whole").format(name=target.name)))
        prove_way_back(place, target)
        journal = Journal(host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = target.name
        ensure_secrets(place, target.on_server(server))
        scene = Scene(place, journal, progress, chosen, known, lock.check)
        data = migrated_data(place, before, target) if before else ()
        if with_data and before:
            data = _prepare_data(scene, before, target, data)
        with journal.step("rollback", "with data" if with_data else ""):
            change, outage_s = switch(scene, target, before, migrate=False)
        with journal.step("commit"):
            installed.commit(place, target.name, before=found.current)
        schedule.refresh(place, target)
    return RollbackReport(
        server=server,
        release=target.name,
        before=found.current,
        change=change,
        data=data,
        outage_s=outage_s,
        took_s=time.monotonic() - started_s,
    )


def _prepare_data(
    scene: Scene, before: Release, target: Release, data: tuple[MigratedData, ...]
) -> tuple[MigratedData, ...]:
    """Prove the backups to put back and save what is there now; PreflightError if either fails."""
    place = scene.place
    olds = {a.app: a for a in target.on_server(place.server)}
    done = []
    for item in data:
        app = olds[item.app]
        if not item.backup or app.restore is None:
            raise PreflightError(
                _("{server}: there is no backup of {app} from before the upgrade").format(
                    server=place.server, app=item.app
                ),
                _("go back without --with-data, or put back another one afterwards:"
                  " smartcity backup restore"),
            )  # fmt: skip
        backup = backups.find(place, item.app, item.backup)
        try:
            backups.verify(place, backup, target, app)
            newer = next(a for a in before.on_server(place.server) if a.app == item.app)
            if newer.backup is not None:
                scene.progress(Step(_("Backing up {app}").format(app=item.app)))
                with scene.journal.step("backup", item.app):
                    scene.data.saved[item.app] = backups.create(
                        place, before, newer,
                        why="restore", current=before.name, version=newer.version,
                    )  # fmt: skip
        except (EngineError, DiskFullError) as error:
            raise PreflightError(error.message, error.hint) from error
        scene.data.restore[item.app] = backup
        saved = scene.data.saved.get(item.app)
        done.append(replace(item, restored=True, saved=saved.name if saved else ""))
    return tuple(done)
