"""What the last run left half done, and how it is finished or undone by an explicit request.

An ordinary `install` finishes an interrupted one as well, because every step is idempotent; here
it is said which one that is. Reading the journal is pure; `resume` and `abort` act.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.core.errors import PreflightError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import installed
from smartcity_pkg.install.apply import Scene, apply, public_routes
from smartcity_pkg.install.journal import Entry, Journal, read_journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outage import OutageMeter
from smartcity_pkg.install.outcome import AbortReport, InstallOptions, InstallReport, RollbackReport
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.rollback import rollback
from smartcity_pkg.install.run import install
from smartcity_pkg.install.switch import prove_way_back

# In the order of the story; what is begun inside them (apply, migrate …) belongs to them.
_STEPS = ("downgrade", "verify", "load", "files", "secrets", "install", "rollback", "commit")
_SWEEP = """# remove what was half unpacked
cd "$1" 2>/dev/null || exit 0
rm -rf -- *.part *.old
"""


@dataclass(frozen=True)
class Interrupted:
    """A run that neither ended well nor failed. `migrated` are apps whose data it began to change.

    `step` is the last one that it began; `going_back`: what it installed had failed, and it was on
    its way back to what is committed.
    """

    kind: Literal["install", "rollback"]
    release: str
    by: str
    at: str
    step: str
    migrated: tuple[str, ...] = ()
    going_back: bool = False


def interrupted(entries: Iterable[Entry], current: str) -> Interrupted | None:
    """The last installation or rollback in the journal, if it was interrupted.

    `current` is the release that the server's link names.
    """
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        runs.setdefault(entry.run, []).append(entry)
    ours = [run for run in runs.values() if any(e.step in (*_STEPS, "abort") for e in run)]
    run = ours[-1] if ours else []
    if not run or _ended(run, current):
        return None
    return Interrupted(
        kind="rollback" if any(e.step == "rollback" for e in run) else "install",
        release=run[0].release,
        by=run[0].by,
        at=run[0].at,
        step=next((e.step for e in reversed(run) if e.phase == "begin"), run[-1].step),
        migrated=tuple(
            dict.fromkeys(e.subject for e in run if e.step == "migrate" and e.phase == "begin")
        ),
        going_back=any(e.step == "roll back" for e in run),
    )


def _ended(run: list[Entry], current: str) -> bool:
    """Whether the run said how it ended: failed, undone, aborted, or done and current."""
    if any(e.step in _STEPS and e.phase == "failed" for e in run):
        return True
    done = {e.step for e in run if e.phase == "done"}
    if done & {"roll back", "abort", "commit"}:
        return True
    return bool(done & {"install", "rollback"}) and current == run[0].release


def look(host: Host, store: StorePaths) -> Interrupted | None:
    """What is half done on the server, whoever works there."""
    place = Place(host, host.name, store, ComposeEngine(host, store))
    return interrupted(read_journal(host, store), installed.look(place).current)


def resume(
    host: Host,
    server: str,
    *,
    trusted: TrustedKeys,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> InstallReport | RollbackReport | AbortReport:
    """Finish what was interrupted: the same release, the same direction.

    One that was going back, because its release had failed, goes on going back: to try that release
    again would be another outage. PreflightError where nothing is half done; else raises as
    `install`, `rollback` and `abort` do.
    """
    chosen = options or InstallOptions()
    found = _needed(host, server, chosen.store)
    if found.going_back:
        return abort(host, server, engine=engine, progress=progress, options=chosen)
    if found.kind == "rollback":
        return rollback(
            host, server, release_name=found.release, engine=engine, progress=progress,
            options=chosen,
        )  # fmt: skip
    return install(
        host, server, trusted=trusted, release_name=found.release, engine=engine,
        progress=progress, options=chosen,
    )  # fmt: skip


def abort(
    host: Host,
    server: str,
    *,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> AbortReport:
    """Undo what was interrupted: the release that was committed last serves again, or nothing.

    Data that a migration changed stays changed; the report names the apps. May be called again
    when it was itself interrupted. PreflightError where nothing is half done, or where the
    committed release is not whole on the server.
    """
    chosen = options or InstallOptions()
    engine = engine or ComposeEngine(host, chosen.store)
    place = Place(host, server, chosen.store, engine, chosen.at_hand)
    started_s = time.monotonic()
    progress(Step(_("Locking {server}").format(server=server)))
    with Lock(host, chosen.store) as lock:
        found = _needed(host, server, chosen.store)
        place.engine.check(gather(host, chosen.store))
        there = installed.look(place)
        known = installed.read_known(place, there)
        target = known.get(there.current)
        if target is not None:
            prove_way_back(place, target)
        journal = Journal(host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = found.release
        scene = Scene(place, journal, progress, chosen, known, lock.check)
        routes = public_routes(place, target) if target else ()
        with journal.step("abort", found.step), OutageMeter(host, routes) as meter:
            change = apply(scene, target, migrate=False)
            host.run(script(_SWEEP, str(chosen.store.releases)))
    return AbortReport(
        server=server,
        aborted=found.release,
        release=there.current,
        change=change,
        migrated=found.migrated,
        outage_s=meter.outage_s,
        took_s=time.monotonic() - started_s,
    )


def _needed(host: Host, server: str, store: StorePaths) -> Interrupted:
    found = look(host, store)
    if found is None:
        raise PreflightError(
            _("{server}: nothing was interrupted; there is nothing to finish or undo").format(
                server=server
            ),
            _("see what is installed: smartcity status; what was done: smartcity history"),
        )
    return found
