"""What the demo did, and where to look."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.lab.demo import DemoReport


def walked(report: DemoReport, missing: str | None) -> Result:
    """The end of the demo; `missing` says why it stopped at the bundle."""
    rows = [(step, seconds_text(seconds)) for step, seconds in report.durations_s.items()]
    parts: list[Part] = [Table(_("What took how long"), (_("step"), _("time")), rows)]
    if missing:
        parts.append(
            Line(
                _("Stopped at the signed bundle: {reason}.").format(reason=missing), "warn"
            )
        )
        parts.append(Facts("", [(_("look at"), str(report.folder))]))
    else:
        parts += [
            Line(
                _("The complaint {ticket} survived the upgrade and the way back.").format(
                    ticket=report.ticket
                ),
                "good",
            ),
            Facts(
                _("Where to look"),
                [
                    (_("the apps"), report.url + "/"),
                    (_("the complaint"), f"{report.url}/laksa/tiket/{report.ticket}"),
                    (_("plan, bundles, keys"), str(report.folder)),
                    (_("remove the server"), "smartcity demo --stop"),
                ],
            ),
        ]
    data = {**asdict(report), "folder": str(report.folder), "stopped_because": missing}
    return Result("demo", data, parts)


def stopped() -> Result:
    """After `demo --stop`."""
    return Result("demo-stopped", {}, (Line(_("The practice server is gone."), "good"),))
