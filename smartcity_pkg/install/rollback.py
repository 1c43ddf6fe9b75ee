"""Goes back to the release before, from what is on the server: no network, no store, no keys.

What was verified when it was installed is identified by digest since. Data is not touched: an
app's older version must understand what a newer one wrote.
"""

from __future__ import annotations

import time
import uuid

from smartcity_pkg.core.errors import PreflightError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install import installed
from smartcity_pkg.install.apply import Scene
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outcome import InstallOptions, RollbackReport
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.secrets import ensure_secrets
from smartcity_pkg.install.switch import prove_way_back, switch


def rollback(
    host: Host,
    server: str,
    *,
    release_name: str | None = None,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> RollbackReport:
    """Make `server` run the previous release again; the one left behind becomes the previous.

    With `release_name`, that one: an interrupted rollback may have moved a link already.

    Raises LockedError, PreflightError (nothing to go back to, or not whole) with nothing changed;
    RolledBackError where the previous release failed and the current one serves again.
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
        with journal.step("rollback"):
            change, outage_s = switch(scene, target, before, migrate=False)
        with journal.step("commit"):
            installed.commit(place, target.name, before=found.current)
    return RollbackReport(
        server=server,
        release=target.name,
        before=found.current,
        change=change,
        outage_s=outage_s,
        took_s=time.monotonic() - started_s,
    )
