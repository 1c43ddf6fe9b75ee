"""What the demo did, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table


def walked(url: str, ticket: str, folder: Path, durations_s: Mapping[str, float]) -> Result:
    """The end of the whole road."""
    parts: list[Part] = [
        _times(durations_s),
        Line(
            _("The complaint {ticket} survived the upgrade and the way back.").format(
                ticket=ticket
            ),
            "good",
        ),
        Facts(
            _("Where to look"),
            [
                (_("the apps"), f"{url}/"),
                (_("the complaint"), f"{url}/laksa/tiket/{ticket}"),
                (_("plan, bundles, keys"), str(folder)),
                (_("remove the server"), "smartcity demo --stop"),
            ],
        ),
    ]
    data = {"url": url, "ticket": ticket, "folder": str(folder), "durations_s": dict(durations_s)}
    return Result("demo", data, parts)


def walked_to_the_bundle(folder: Path, durations_s: Mapping[str, float], missing: str) -> Result:
    """The end of the road without root; `missing` says why."""
    parts: list[Part] = [
        _times(durations_s),
        Line(_("Stopped at the signed bundle: {reason}.").format(reason=missing), "warn"),
        Facts("", [(_("plan, bundles, keys"), str(folder))]),
    ]
    data = {"folder": str(folder), "durations_s": dict(durations_s), "stopped_because": missing}
    return Result("demo", data, parts)


def stopped() -> Result:
    """After `demo --stop`."""
    return Result("demo-stopped", {}, (Line(_("The practice server is gone."), "good"),))


def _times(durations_s: Mapping[str, float]) -> Table:
    rows = [(step, seconds_text(seconds)) for step, seconds in durations_s.items()]
    return Table(_("What took how long"), (_("step"), _("time")), rows, frozenset({1}))
