"""What an installation is told and what it answers: values, drawn by the caller."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.place import nothing_at_hand

KEEP_LOG_LINES = 20


@dataclass(frozen=True)
class InstallOptions:
    """How patient to be, and what to allow.

    `health_s`: seconds an app has to become healthy (longer where its own health check says so).
    `settle_s`: seconds a service without health check must stay up. `route_s`: seconds the public
    routes have to answer after the last app. `soak_s`: seconds for which all that was started must
    then have been well without a break; most apps' own checks look twice in it. `engine_s`: seconds
    that going back waits for an engine that died.
    `allow_downgrade`: install a release with a lower number than the highest that was installed.
    `accept` names the preflight rules whose warnings are known and taken. `public_names` should
    lead to the server. `clock`: our own time (Unix), which decides whether the agreement holds
    today. `without_backup` names apps that may be upgraded although their data cannot be backed up.
    `at_hand`: see `Place`.
    """

    health_s: float = 120.0
    settle_s: float = 5.0
    route_s: float = 60.0
    soak_s: float = 5.0
    engine_s: float = 60.0
    allow_downgrade: bool = False
    accept: frozenset[str] = frozenset()
    public_names: tuple[str, ...] = ()
    without_backup: tuple[str, ...] = ()
    clock: Callable[[], float] = time.time
    store: StorePaths = field(default_factory=StorePaths)
    at_hand: Callable[[str], bytes | None] = nothing_at_hand


@dataclass(frozen=True)
class Change:
    """What happened to the apps of a server, by name."""

    started: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstallReport:
    """A release is installed. `before` is "" where nothing was.

    `outage_s`: seconds in which at least one route of a restarted app did not answer; 0 where
    nothing served before. `images` were loaded, `secrets` made, `backups` taken, in this run.
    """

    server: str
    release: str
    before: str
    change: Change
    images: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outage_s: float = 0.0
    took_s: float = 0.0

    @property
    def did_nothing(self) -> bool:
        """Whether the release was there already, and healthy."""
        return self.before == self.release and not (self.change.started or self.change.removed)


@dataclass(frozen=True)
class AbortReport:
    """An interrupted run was undone: `release` serves as before it ("" if nothing did).

    `migrated` are apps whose data the aborted run had begun to change; that is not undone.
    """

    server: str
    aborted: str
    release: str
    change: Change
    migrated: tuple[str, ...] = ()
    outage_s: float = 0.0
    took_s: float = 0.0


@dataclass(frozen=True)
class MigratedData:
    """An app whose data the release that was left behind may have migrated.

    `backup` was made before that ("" where there is none), `until` is when; `restored` says that
    it was put back, and `saved` is the backup of what was there until then.
    """

    app: str
    backup: str = ""
    until: datetime | None = None
    restored: bool = False
    saved: str = ""


@dataclass(frozen=True)
class RollbackReport:
    """The release before serves again."""

    server: str
    release: str
    before: str
    change: Change
    data: tuple[MigratedData, ...] = ()
    outage_s: float = 0.0
    took_s: float = 0.0
