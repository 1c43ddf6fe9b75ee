"""Gives a secret a new value: made on the server, or told by the operator; its users start anew.

A new value travels on standard input only, or not at all; it is in no argument, output, log or
journal. The value before is kept beside it until every app that uses it is healthy with the new
one, and comes back where one is not. How apps take a new value is their own matter: each reads it
when it starts (`postgres` then gives its users their new passwords).
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from smartcity_pkg.catalogue.release import Release, ReleaseApp, SecretFile
from smartcity_pkg.core.errors import (
    LockedError,
    PreflightError,
    RollbackFailedError,
    RolledBackError,
    SmartCityError,
    UnreachableError,
    UsageError,
)
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.install import installed
from smartcity_pkg.install.apply import Scene, prove_steady, public_routes, start
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outage import OutageMeter
from smartcity_pkg.install.outcome import InstallOptions
from smartcity_pkg.install.place import Place, providers_first
from smartcity_pkg.install.switch import prove_way_back
from smartcity_pkg.install.watch import Watch

MAX_BYTES = 64 * 1024

# $1 the secrets folder, $2 `made` or `told` (on standard input), then `uid path` for each file.
# A value of before that a crash left is the last that was proven: it is not written over.
_REPLACE = """# give a secret a new value
umask 077
root=$1 how=$2; shift 2
scratch="$root/.new.$$"
trap 'rm -f "$scratch"' EXIT
if [ "$how" = told ]; then cat > "$scratch"; [ -s "$scratch" ]
else
  head -c 32 /dev/urandom | base64 | tr -d '\\n=' | tr '+/' '-_' > "$scratch"
  [ "$(wc -c < "$scratch")" -eq 43 ]
fi
for pair; do
  path="$root/${pair#* }"
  mkdir -p "${path%/*}"
  cat "$scratch" > "$path.part"
  chown "${pair%% *}" "$path.part"; chmod 0400 "$path.part"; sync "$path.part"
done
for pair; do
  path="$root/${pair#* }"
  if [ -e "$path" ] && [ ! -e "$path.before" ]; then ln "$path" "$path.before"; fi
  mv "$path.part" "$path"; sync "${path%/*}"
done
"""
_RESTORE = """# give a secret its value of before
root=$1; shift
for pair; do
  path="$root/${pair#* }"
  rm -f "$path.part"
  if [ -e "$path.before" ]; then mv "$path.before" "$path"; sync "${path%/*}"; fi
done
"""
_FORGET = """# forget a secret's value of before
root=$1; shift
for pair; do rm -f "$root/${pair#* }.before"; sync "$root/${pair#* }"; done
"""


@dataclass(frozen=True)
class RotateReport:
    """A secret has a new value, and `restarted` run with it."""

    server: str
    secret: str
    restarted: tuple[str, ...]
    outage_s: float = 0.0
    took_s: float = 0.0


def has_app(place: Place, app: str) -> bool:
    """Whether the release that runs on the server has `app` there."""
    found = installed.look(place)
    known = installed.read_known(place, found)
    release = known.get(found.current)
    return release is not None and any(a.app == app for a in release.on_server(place.server))


def rotate(
    host: Host,
    server: str,
    app: str,
    name: str,
    *,
    value: bytes | None = None,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> RotateReport:
    """Give the secret `name` of `app` the `value`, or (None) one that the server makes.

    May be called again after any interruption. Raises UsageError for a secret that the app does not
    have, LockedError, PreflightError with nothing changed; RolledBackError where an app was not
    healthy with the new value and the old one is back; RollbackFailedError where that failed too.
    """
    chosen = options or InstallOptions()
    place = Place(host, server, chosen.store, engine or ComposeEngine(host, chosen.store))
    started_s = time.monotonic()
    progress(Step(_("Locking {server}").format(server=server)))
    with Lock(host, chosen.store) as lock:
        place.engine.check(gather(host, chosen.store))
        found = installed.look(place)
        known = installed.read_known(place, found)
        release = known.get(found.current)
        if release is None:
            raise PreflightError(
                _("{server}: no release is installed").format(server=server),
                _("install one first: smartcity install"),
            )
        source = f"{app}/{name}"
        files = _files(release, server, source)
        prove_way_back(place, release)
        journal = Journal(host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = release.name
        scene = Scene(place, journal, progress, chosen, known, lock.check)
        routes = public_routes(place, release)
        with journal.step("secret", source), OutageMeter(host, routes) as meter:
            users = _replace(scene, release, source, files, value)
    return RotateReport(server, source, users, meter.outage_s, time.monotonic() - started_s)


def _files(release: Release, server: str, source: str) -> tuple[SecretFile, ...]:
    known = {s for a in release.on_server(server) for s in a.secrets}
    files = tuple(sorted((s for s in known if s.source == source), key=lambda s: s.path))
    if not files:
        raise UsageError(
            _("{server}: the release has no secret {secret}").format(server=server, secret=source),
            _("it has: {names}").format(names=", ".join(sorted({s.source for s in known})) or "-"),
        )
    return files


def _replace(
    scene: Scene,
    release: Release,
    source: str,
    files: tuple[SecretFile, ...],
    value: bytes | None,
) -> tuple[str, ...]:
    place = scene.place
    folder = str(place.store.secrets)
    pairs = [f"{f.uid} {f.path}" for f in files]
    users = providers_first(
        tuple(
            a for a in release.on_server(place.server) if any(s.source == source for s in a.secrets)
        )
    )
    scene.progress(Step(_("Writing the new value of {secret}").format(secret=source)))
    how = "made" if value is None else "told"
    try:
        place.host.run(script(_REPLACE, folder, how, *pairs), stdin=value or b"")
    except UnreachableError:
        raise
    except SmartCityError:
        place.host.run(script(_RESTORE, folder, *pairs))  # nobody has seen the new value yet
        raise
    try:
        _restart(scene, release, users)
    except (LockedError, UnreachableError):
        raise
    except (SmartCityError, KeyboardInterrupt) as failure:
        _go_back(scene, release, users, pairs, failure)
        if isinstance(failure, KeyboardInterrupt):
            raise
        raise RolledBackError(
            _(
                "{server}: not healthy with the new value of {secret}; the old one is back: {why}"
            ).format(server=place.server, secret=source, why=failure.message),
            _("see why: smartcity logs; an app may need its data changed before it takes a value"),
        ) from failure
    place.host.run(script(_FORGET, folder, *pairs))
    return tuple(a.app for a in users)


def _restart(scene: Scene, release: Release, users: tuple[ReleaseApp, ...]) -> None:
    watches: list[Watch] = []
    for app in users:
        watches.append(start(scene, release, app, watches))
    prove_steady(scene, watches, public_routes(scene.place, release))


def _go_back(
    scene: Scene,
    release: Release,
    users: tuple[ReleaseApp, ...],
    pairs: list[str],
    failure: SmartCityError | KeyboardInterrupt,
) -> None:
    why = failure.message if isinstance(failure, SmartCityError) else _("interrupted")
    scene.progress(Note(why, warning=True))
    scene.progress(Step(_("Going back to the value of before")))
    try:
        with scene.journal.step("roll back"):
            scene.place.host.run(script(_RESTORE, str(scene.place.store.secrets), *pairs))
            _restart(scene, release, users)
    except (LockedError, UnreachableError):
        raise
    except SmartCityError as second:
        raise RollbackFailedError(
            _("{server}: {why}\nand going back failed too: {second}").format(
                server=scene.place.server, why=why, second=second.message
            ),
            _("see what is wrong: smartcity doctor; put it right, then install again"),
        ) from second
