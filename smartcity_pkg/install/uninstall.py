"""Takes the apps off a server. Their data, secrets and backups stay, unless that is asked for too.

The timer of the backups goes with the apps. What stays in any case is the journal. Images and the
store's content stay as well, so that the same release can be installed again without being sent;
with the data, they go too.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.install import installed, schedule, usage
from smartcity_pkg.install.apply import Scene, apply
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.offers import peek, release_names
from smartcity_pkg.install.outcome import InstallOptions
from smartcity_pkg.install.place import Place

_REMOVE = """# remove the releases
cd "$1"
shift
rm -rf -- "$@"
sync .
"""
_ALWAYS = ("current", "previous", "releases", "backup.sh")
_WITH_DATA = ("secrets", "backups", "store", "watermark.json", usage.FILE)


@dataclass(frozen=True)
class UninstallReport:
    """The apps that were removed, and whether their data went too."""

    server: str
    release: str
    apps: tuple[str, ...]
    purged: bool


def uninstall(
    host: Host,
    server: str,
    *,
    purge_data: bool = False,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> UninstallReport:
    """Remove all apps of `server`; with `purge_data` everything that they ever wrote, for good.

    May be called again. Raises LockedError, EngineError.
    """
    chosen = options or InstallOptions()
    place = Place(host, server, chosen.store, engine or ComposeEngine(host, chosen.store))
    progress(Step(_("Locking {server}").format(server=server)))
    with Lock(host, chosen.store) as lock:
        place.engine.check(gather(host, chosen.store))
        found = installed.look(place)
        known = installed.readable(place, found.folders)
        ever = {**known, **_offered(place)} if purge_data else known
        journal = Journal(host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = found.current
        scene = Scene(place, journal, progress, chosen, known, lock.check)
        with journal.step("uninstall", "purge" if purge_data else ""):
            schedule.unschedule(place)  # it would fail every night
            change = apply(scene, None, migrate=False)
            if purge_data:
                progress(Step(_("Removing data, secrets and images for good")))
                _purge(place, ever.values())
            networks = {n for r in ever.values() for a in r.on_server(server) for n in a.networks}
            place.engine.remove_networks(sorted(networks))
            gone = _ALWAYS + (_WITH_DATA if purge_data else ())
            host.run(script(_REMOVE, str(chosen.store.root), *gone), timeout_s=300)
    return UninstallReport(server, found.current, change.removed, purge_data)


def _offered(place: Place) -> dict[str, Release]:
    """Releases of the store: an earlier uninstall left no folder of what ran, but data of it."""
    found = {name: peek(place, name) for name in release_names(place)}
    return {name: release for name, release in found.items() if release is not None}


def _purge(place: Place, releases: Collection[Release]) -> None:
    apps = [a for release in releases for a in release.on_server(place.server)]
    place.engine.purge(sorted({a.project for a in apps}))
    for reference in sorted({image for a in apps for image in a.images}):
        place.engine.remove_image(reference)
