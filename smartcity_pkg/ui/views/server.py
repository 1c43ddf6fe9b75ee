"""What was installed, found and removed on servers, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, number_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table
from smartcity_pkg.ui.views.bundle import receipt_text

if TYPE_CHECKING:
    from smartcity_pkg.install.outcome import (
        AbortReport,
        Change,
        InstallReport,
        MigratedData,
        RollbackReport,
    )
    from smartcity_pkg.install.status import AppStatus, ServerStatus
    from smartcity_pkg.install.uninstall import UninstallReport
    from smartcity_pkg.install.usage import Disk


def installed(reports: Sequence[InstallReport]) -> Result:
    """The outcome of `install`."""
    return Result("installed", {"servers": install_data(reports)}, install_parts(reports))


def rolled_back(reports: Sequence[RollbackReport]) -> Result:
    """The outcome of `rollback`."""
    parts: list[Part] = []
    for r in reports:
        parts.append(
            Line(
                _("{server}: back on {release}, from {before}, in {time}").format(
                    server=r.server, release=r.release, before=r.before, time=seconds_text(r.took_s)
                ),
                "good",
            )
        )
        parts.append(_change(r.change, r.outage_s))
        parts += [_data_line(d) for d in r.data]
    return Result("rolled-back", {"servers": [_rollback_data(r) for r in reports]}, parts)


def _rollback_data(r: RollbackReport) -> dict[str, Any]:
    data = asdict(r)
    for item in data["data"]:
        item["until"] = item["until"] and item["until"].isoformat()
    return data


def _data_line(d: MigratedData) -> Line:
    if d.restored:
        text = _(
            "{app}: the data of {time} are back ({backup}); what was there until now is in {saved}"
        )
    elif d.backup:
        text = _(
            "{app}: its data stay as the newer release migrated them. Test the app; if the older"
            " version cannot work with them, put back those of {time}, and lose what was written"
            " since: smartcity backup restore PEMDA --app {app} --backup {backup}"
        )
    else:
        text = _(
            "{app}: its data stay as the newer release migrated them, and there is no backup of"
            " before. Test the app."
        )
    time = f"{d.until:%Y-%m-%d %H:%M} UTC" if d.until else ""
    said = text.format(app=d.app, time=time, backup=d.backup, saved=d.saved or "-")
    return Line(said, "plain" if d.restored else "warn")


def resumed(reports: Sequence[InstallReport | RollbackReport | AbortReport]) -> Result:
    """The outcome of `install --resume`: each server went on in its own direction."""
    from smartcity_pkg.install.outcome import InstallReport, RollbackReport

    data: list[dict[str, Any]] = []
    parts: list[Part] = []
    for r in reports:
        if isinstance(r, InstallReport):
            one = installed([r])
        else:
            one = rolled_back([r]) if isinstance(r, RollbackReport) else aborted([r])
        data += one.data["servers"]
        parts += one.parts
    return Result("resumed", {"servers": data}, parts)


def aborted(reports: Sequence[AbortReport]) -> Result:
    """The outcome of `install --abort`."""
    parts: list[Part] = []
    for r in reports:
        text = _("{server}: {aborted} was undone; {release} serves as before, in {time}")
        if not r.release:
            text = _("{server}: {aborted} was undone; nothing runs, as before, in {time}")
        words = {"server": r.server, "aborted": r.aborted, "release": r.release}
        parts.append(Line(text.format(time=seconds_text(r.took_s), **words), "good"))
        if r.migrated:
            text = _(
                "the data of {apps} had been changed for the new release, and stays so; if the"
                " old release cannot read it, restore the backup that was made before"
            )
            parts.append(Line(text.format(apps=", ".join(r.migrated)), "warn"))
        parts.append(_change(r.change, r.outage_s))
    return Result("aborted", {"servers": [asdict(r) for r in reports]}, parts)


def uninstalled(reports: Sequence[UninstallReport]) -> Result:
    """The outcome of `uninstall`."""
    parts: list[Part] = []
    for r in reports:
        apps = ", ".join(r.apps) or "-"
        text = (
            _("{server}: removed {apps}, and all data, secrets and images")
            if r.purged
            else _("{server}: removed {apps}; data and secrets are kept")
        )
        parts.append(Line(text.format(server=r.server, apps=apps), "good"))
    return Result("uninstalled", {"servers": [asdict(r) for r in reports]}, parts)


def states(found: Sequence[ServerStatus]) -> Result:
    """The outcome of `status`."""
    parts: list[Part] = []
    for state in found:
        pairs = [
            (_("current release"), state.current or _("none")),
            (_("release before"), state.previous or _("none")),
            (_("arrived"), ", ".join(state.offered) or _("none")),
        ]
        if state.watermark:
            pairs.append((_("highest release so far"), state.watermark.release))
        for receipt in state.receipts:
            pairs.append((_receipt_label(receipt.step), receipt_text(receipt)))
        if state.holder:
            pairs.append((_("locked by"), str(state.holder.owner)))
        pairs += [_disk(disk) for disk in state.disks]
        parts.append(Facts(state.server, pairs))
        if state.apps:
            rows = [_app_row(app) for app in state.apps]
            columns = (_("app"), _("version"), _("containers"), _("public route"), _("drift"))
            parts.append(Table("", columns, rows))
        if state.interrupted and not (state.holder and state.holder.alive):
            text = _(
                "{server}: the installation of {release} was interrupted; finish it with"
                " install --resume, or undo it with install --abort"
            )
            words = {"server": state.server, "release": state.interrupted.release}
            parts.append(Line(text.format(**words), "bad"))
        if state.current:
            tone = "good" if state.well else "bad"
            text = _("all is well") if state.well else _("not all is well")
            parts.append(Line(f"{state.server}: {text}", tone))
    return Result("status", {"servers": [_status_data(s) for s in found]}, parts)


def _disk(disk: Disk) -> tuple[str, str]:
    names = {
        "store": _("the store's disk"),
        "engine": _("Docker's disk"),
        "store+engine": _("disk"),
    }
    text = _("{free} of {total} free").format(
        free=bytes_text(disk.free_bytes), total=bytes_text(disk.total_bytes)
    )
    if disk.full_in_days is not None:
        text += "; " + _("full in about {days} days, at the pace of the last weeks").format(
            days=number_text(disk.full_in_days)
        )
    return names[disk.place], text


def _receipt_label(step: str) -> str:
    labels = {
        "ship": _("signed by, at shipping"),
        "install": _("signed by, at installing"),
        "verify": _("signed by"),
    }
    return labels[step]


def install_parts(reports: Sequence[InstallReport]) -> list[Part]:
    """What was installed on each server, for people."""
    parts: list[Part] = []
    for r in reports:
        if r.did_nothing:
            text = _("{server}: {release} runs already, and is healthy")
        else:
            text = _("{server}: {release} is installed and healthy, in {time}")
        parts.append(
            Line(
                text.format(server=r.server, release=r.release, time=seconds_text(r.took_s)),
                "good",
            )
        )
        parts += [Line(warning, "warn") for warning in r.warnings]
        if not r.did_nothing:
            parts.append(_change(r.change, r.outage_s))
        if r.backups:
            names = ", ".join(r.backups)
            parts.append(Line(_("Backed up before the upgrade: {names}").format(names=names)))
        if r.secrets:
            made = _(
                "{count} secrets were made on the server; root reads one there with:"
                " cat /var/lib/smartcity/secrets/{first}"
            ).format(count=len(r.secrets), first=r.secrets[0])
            parts.append(Line(made))
    return parts


def install_data(reports: Sequence[InstallReport]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [{**asdict(r), "did_nothing": r.did_nothing} for r in reports]


def _change(change: Change, outage_s: float) -> Facts:
    return Facts(
        "",
        [
            (_("started"), ", ".join(change.started) or "-"),
            (_("untouched"), ", ".join(change.untouched) or "-"),
            (_("removed"), ", ".join(change.removed) or "-"),
            (_("outage"), f"{outage_s:.1f} s"),
        ],
    )


def _app_row(app: AppStatus) -> tuple[str, ...]:
    containers = ", ".join(f"{c.service} {c.health or c.status}" for c in app.containers) or "-"
    routes = ", ".join(str(answer) for answer in app.answers)
    return (app.app, app.version, containers, routes or "-", "; ".join(app.drift) or "-")


def _status_data(state: ServerStatus) -> dict[str, Any]:
    return {
        "server": state.server,
        "current": state.current,
        "previous": state.previous,
        "offered": list(state.offered),
        "healthy": state.well,
        "watermark": state.watermark.model_dump(mode="json") if state.watermark else None,
        "receipts": [r.model_dump(mode="json") for r in state.receipts],
        "interrupted": asdict(state.interrupted) if state.interrupted else None,
        "locked_by": state.holder.owner if state.holder else None,
        "disks": [asdict(d) for d in state.disks],
        "apps": [
            {
                "app": a.app,
                "version": a.version,
                "well": a.well,
                "containers": [asdict(c) for c in a.containers],
                "routes": [asdict(x) for x in a.answers],
                "drift": list(a.drift),
            }
            for a in state.apps
        ],
        "journal": [e.model_dump(mode="json") for e in state.journal],
    }
