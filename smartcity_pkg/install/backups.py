"""The backups of a server: making, finding, proving and pruning them.

A backup is a folder `backups/<UTC time>-<app>-<n>/` with `data`, the stream of the app's own hook,
and `manifest.json`; root alone may enter. Putting one back is `restore`'s, bringing it to a second
place `copies`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartcity_pkg.catalogue.app import AppName
from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core.errors import DiskFullError, EngineError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import Completed, refused, script
from smartcity_pkg.install import backupscript
from smartcity_pkg.install.backupscript import Taking
from smartcity_pkg.install.place import Place

Why = Literal["command", "upgrade", "restore", "schedule"]
TIMEOUT_S = 6 * 3600.0
NAME = re.compile(r"^[0-9]{8}T[0-9]{6}Z-[a-z][a-z0-9-]*-[0-9]+$")

_LIST = """# list the backups
cd "$1/backups" 2>/dev/null || exit 0
for folder in *; do
  if [ -f "$folder/manifest.json" ]; then
    printf '%s ' "$folder"
    tr -d '\\n' <"$folder/manifest.json"
    echo
  fi
done
"""
_SUM = """# read a backup
sha256sum <"$1/data"
"""
_CHECK = """# let the app read a backup
data=$1/data; shift
exec "$@" <"$data" >/dev/null
"""
_REMOVE = """# remove backups
cd "$1/backups"; shift
rm -rf -- "$@"
sync .
"""


class Stored(BaseModel):
    """How a copy in a second place rests there: encrypted to `recipient` unless that is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Literal["data", "data.age"]
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    recipient: str = ""


class Manifest(BaseModel):
    """`manifest.json` of a backup; holds no personal data and no secret.

    `version` and `release` ran when it was made; `toward` is the release whose installation asked
    for it, or "". `verified`: the app's own hook has read it to the end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    app: AppName
    version: str
    release: str
    why: Why
    toward: str = ""
    began: datetime
    ended: datetime
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    verified: bool
    stored: Stored | None = None


class Backup(BaseModel):
    """One backup: its folder's name and its manifest."""

    model_config = ConfigDict(frozen=True)

    name: str
    manifest: Manifest


def folder_of(place: Place, name: str) -> str:
    """Where a backup rests on the server."""
    return str(place.store.root / "backups" / name)


def list_backups(place: Place) -> tuple[Backup, ...]:
    """All backups of a server, the oldest first; folders without a readable manifest are none."""
    found = []
    for line in place.host.run(script(_LIST, str(place.store.root))).text.splitlines():
        name, _space, manifest = line.partition(" ")
        if NAME.match(name) and (known := read_manifest(manifest)):
            found.append(Backup(name=name, manifest=known))
    return tuple(found)


def read_manifest(text: str | bytes) -> Manifest | None:
    """The manifest, or None where it is none."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError:
        return None


def find(place: Place, app: str, name: str = "") -> Backup:
    """The backup called `name`, by default the newest of `app`; UsageError where there is none."""
    mine = [b for b in list_backups(place) if b.manifest.app == app]
    chosen = [b for b in mine if b.name == name] if name else mine[-1:]
    if chosen:
        return chosen[0]
    known = ", ".join(b.name for b in mine[-5:]) or _("none")
    raise UsageError(
        _("{server}: {app} has no backup {name}")
        .format(server=place.server, app=app, name=name or "")
        .rstrip(),
        _("the newest ones: {names}; all: smartcity backup list").format(names=known),
    )


def create(
    place: Place,
    release: Release,
    app: ReleaseApp,
    *,
    why: Why,
    current: str,
    version: str,
    toward: str = "",
) -> Backup:
    """Back up `app` with its hook of `release`, and prove that the backup can be read.

    `current` and `version` are what runs now. Raises EngineError or DiskFullError, and leaves
    nothing behind then.
    """
    assert app.backup is not None
    taking = taking_of(place, release, app, why=why, current=current, version=version)
    taking = Taking(**{**vars(taking), "toward": toward})
    argv = backupscript.take(str(place.store.root), taking)
    done = place.host.run(argv, timeout_s=TIMEOUT_S, check=False)
    if not done.ok:
        raise _failed(place, app.app, done)
    name = done.text.splitlines()[-1]
    return next(b for b in list_backups(place) if b.name == name)


def taking_of(
    place: Place, release: Release, app: ReleaseApp, *, why: Why, current: str, version: str
) -> Taking:
    """What `backupscript` has to be told of an app that has a hook."""
    assert app.backup is not None
    project = place.project(release, app)
    return Taking(
        app=app.app,
        version=version,
        release=current,
        why=why,
        toward="",
        write=place.engine.hook_argv(project, app.backup),
        verify=place.engine.hook_argv(project, app.verify) if app.verify else (),
    )


def verify_bytes(place: Place, backup: Backup) -> None:
    """Read a backup wholly; EngineError where it is not what was written."""
    folder = folder_of(place, backup.name)
    done = place.host.run(script(_SUM, folder), timeout_s=TIMEOUT_S, check=False)
    if done.text.partition(" ")[0] != backup.manifest.sha256:
        raise damaged(place.server, backup, _("its bytes are not those that were written"))


def verify(place: Place, backup: Backup, release: Release, app: ReleaseApp) -> None:
    """Read a backup wholly, and let the app's hook read it; EngineError where it is damaged."""
    verify_bytes(place, backup)
    folder = folder_of(place, backup.name)
    if app.verify is not None:
        argv = place.engine.hook_argv(place.project(release, app), app.verify)
        done = place.host.run(script(_CHECK, folder, *argv), timeout_s=TIMEOUT_S, check=False)
        if not done.ok:
            raise damaged(place.server, backup, last_words(done))


def damaged(server: str, backup: Backup, why: str) -> EngineError:
    """The error for a backup that cannot be used."""
    return EngineError(
        _("{server}: the backup {name} is damaged\n{why}").format(
            server=server, name=backup.name, why=why
        ),
        _("nothing was changed; take another one: smartcity backup list"),
    )


def to_prune(
    backups: Iterable[Backup],
    *,
    keep: int | None,
    keep_days: int | None,
    way_back: tuple[str, str],
    now: datetime | None = None,
) -> tuple[Backup, ...]:
    """Those that may go: older than `keep_days` and not among the newest `keep` of their app.

    Kept in any case: the newest of each app, and what `rollback --with-data` would put back, which
    was made before the upgrade from the first release of `way_back` to the second.
    """
    today = now or datetime.now(UTC)
    found = sorted(backups, key=lambda b: b.name, reverse=True)
    gone, seen = [], dict[str, int]()
    for backup in found:
        m = backup.manifest
        seen[m.app] = seen.get(m.app, 0) + 1
        needed = m.why == "upgrade" and (m.release, m.toward) == way_back
        many = seen[m.app] > max(1, keep or 0)
        old = keep_days is None or today - m.ended > timedelta(days=keep_days)
        if many and old and not needed:
            gone.append(backup)
    return tuple(reversed(gone))


def remove(place: Place, backups: Iterable[Backup]) -> None:
    """Delete backups."""
    names = [b.name for b in backups]
    if names:
        argv = script(_REMOVE, str(place.store.root), *names)
        place.host.run(argv, timeout_s=TIMEOUT_S)


def last_words(done: Completed) -> str:
    """What a command said last, for a message."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-5:]) or "-"


def _failed(place: Place, app: str, done: Completed) -> EngineError | DiskFullError:
    error = refused(place.host.name, done)
    if isinstance(error, DiskFullError):
        return error
    reasons = {
        backupscript.NOT_READ_BACK: _("what the disk gives back is not what was written"),
        backupscript.NOT_VERIFIED: _("the app cannot read what it wrote"),
    }
    why = reasons.get(done.status, _("the app's hook failed"))
    return EngineError(
        _("{server}: {app} could not be backed up: {why}\n{said}").format(
            server=place.server, app=app, why=why, said=last_words(done)
        ),
        _("see whether the app and its database run: smartcity status"),
    )
