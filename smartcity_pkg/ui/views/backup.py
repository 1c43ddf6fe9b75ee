"""Backups that were made, found, proven, pruned, copied and put back, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.install.backups import Backup
    from smartcity_pkg.install.copies import Copied
    from smartcity_pkg.install.restore import RestoreReport
    from smartcity_pkg.install.schedule import Scheduled


class OnServer(Protocol):
    """A backup, and the server that it is of."""

    @property
    def server(self) -> str:
        """The server's name."""

    @property
    def backup(self) -> Backup:
        """The backup."""


class Proven(OnServer, Protocol):
    """A backup that was read wholly."""

    @property
    def sound(self) -> bool:
        """Whether it is whole."""

    @property
    def why(self) -> str:
        """What is wrong with it."""


def created(made: Sequence[OnServer]) -> Result:
    """The outcome of `backup create`."""
    text = _("{server}: {app} is backed up and was read back: {name} ({size})")
    lines = [
        Line(
            text.format(
                server=m.server, app=m.backup.manifest.app, name=m.backup.name,
                size=bytes_text(m.backup.manifest.size_bytes),
            ),
            "good",
        )
        for m in made
    ]  # fmt: skip
    return Result("backups-made", {"backups": [_data(m) for m in made]}, lines)


def backups_listed(found: Sequence[OnServer]) -> Result:
    """The outcome of `backup list`."""
    columns = (
        _("server"), _("backup"), _("app"), _("version"), _("size"), _("why"), _("encrypted"),
    )  # fmt: skip
    rows = [_row(f) for f in found]
    parts: list[Part] = [Table("", columns, rows, frozenset({4}))] if rows else []
    if not rows:
        parts.append(Line(_("There are no backups yet: smartcity backup create"), "warn"))
    return Result("backups", {"backups": [_data(f) for f in found]}, parts)


def backups_verified(found: Sequence[Proven]) -> Result:
    """The outcome of `backup verify`."""
    lines = []
    for f in found:
        if f.sound:
            text = _("{server}: {name} is whole").format(server=f.server, name=f.backup.name)
            lines.append(Line(text, "good"))
        else:
            lines.append(Line(f"{f.server}: {f.backup.name}: {f.why}", "bad"))
    data = [{**_data(f), "sound": f.sound, "why_not": f.why or None} for f in found]
    return Result("backups-verified", {"backups": data}, lines)


def pruned(gone: Sequence[OnServer]) -> Result:
    """The outcome of `backup prune`."""
    freed = sum(g.backup.manifest.size_bytes for g in gone)
    text = _("{count} backups were deleted, {size} are free again")
    line = Line(text.format(count=len(gone), size=bytes_text(freed)), "good")
    return Result("backups-pruned", {"backups": [_data(g) for g in gone]}, [line])


def restored(r: RestoreReport) -> Result:
    """The outcome of `backup restore`."""
    text = _("{server}: {app} serves with the data of {time} UTC, in {took}")
    parts = [
        Line(
            text.format(server=r.server, app=r.app, time=f"{r.until:%Y-%m-%d %H:%M}",
                        took=seconds_text(r.took_s)),
            "good",
        )
    ]  # fmt: skip
    if r.saved:
        parts.append(Line(_("What was there before is in {name}").format(name=r.saved)))
    return Result("restored", {**asdict(r), "until": r.until.isoformat()}, parts)


def scheduled(done: Sequence[Scheduled], stopped: Sequence[str]) -> Result:
    """The outcome of `backup schedule`."""
    parts: list[Part] = []
    for s in done:
        apps = ", ".join(s.apps) or "-"
        if s.runs:
            text = _("{server}: every day at {daily} these apps are backed up: {apps}")
            parts.append(Line(text.format(server=s.server, daily=s.daily, apps=apps), "good"))
        else:
            text = _(
                "{server}: systemd does not run there, so nothing will happen by itself. The units"
                " are written; without systemd let cron run this every day: {command}"
            )
            parts.append(Line(text.format(server=s.server, command=s.command), "warn"))
    for name in stopped:
        parts.append(Line(_("{server}: no backups by timer any more").format(server=name), "good"))
    data = {"servers": [asdict(s) for s in done], "stopped": list(stopped)}
    return Result("backups-scheduled", data, parts)


def copied(done: Sequence[tuple[str, Copied]]) -> Result:
    """The outcome of `backup copy`."""
    parts: list[Part] = []
    for server, c in done:
        if not c.sent_bytes:
            text = _("{server}: {name} was there already")
        elif c.recipient:
            text = _("{server}: {name} is copied, encrypted, and was read back ({size})")
        else:
            text = _("{server}: {name} is copied, NOT encrypted, and was read back ({size})")
        tone = "good" if c.recipient or not c.sent_bytes else "warn"
        parts.append(
            Line(text.format(server=server, name=c.name, size=bytes_text(c.sent_bytes)), tone)
        )
    if not parts:
        parts.append(Line(_("There are no backups yet: smartcity backup create"), "warn"))
    data = [{"server": server, **asdict(c)} for server, c in done]
    return Result("backups-copied", {"copies": data}, parts)


def key_made(recipient: str, file: Path) -> Result:
    """The outcome of `backup key`."""
    facts = [
        (_("identity (a secret)"), str(file)),
        (_("recipient (for the profile)"), recipient),
    ]
    warning = _(
        "Keep the identity at two safe places away from the servers, on paper too: without it no"
        " copy can ever be opened. Put the recipient into the profile: backup: {{recipient: …}}"
    ).format()
    data = {"identity_file": str(file), "recipient": recipient}
    return Result("backup-key", data, [Facts(_("A new key for backups"), facts),
                                       Line(warning, "warn")])  # fmt: skip


def _row(found: OnServer) -> tuple[str, ...]:
    m = found.backup.manifest
    reasons = {
        "command": _("by command"),
        "upgrade": _("before an upgrade"),
        "restore": _("before putting back"),
        "schedule": _("by timer"),
    }
    sealed = _("yes") if m.stored and m.stored.recipient else _("no")
    size = bytes_text(m.size_bytes)
    return (found.server, found.backup.name, m.app, m.version, size, reasons[m.why], sealed)


def _data(found: OnServer) -> dict[str, Any]:
    manifest = found.backup.manifest.model_dump(mode="json")
    return {"server": found.server, "name": found.backup.name, **manifest}
