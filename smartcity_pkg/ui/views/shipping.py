"""What was shipped to servers, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Line, Result
from smartcity_pkg.ui.views.server import install_data, install_parts

if TYPE_CHECKING:
    from smartcity_pkg.install.outcome import InstallReport
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ship.transfer import ShipReport


def shipped(outcomes: Sequence[Outcome]) -> Result:
    """The outcome of `ship`."""
    data = {"servers": _arrived(outcomes), "failed": _failed(outcomes)}
    return Result("shipped", data, _lines(outcomes))


def deployed(ships: Sequence[Outcome], installs: Sequence[InstallReport]) -> Result:
    """The outcome of `deploy`."""
    return Result(
        "deployed",
        {
            "shipped": _arrived(ships),
            "failed": _failed(ships),
            "installed": install_data(installs),
        },
        [*_lines(ships), *install_parts(installs)],
    )


def _lines(outcomes: Sequence[Outcome]) -> list[Line]:
    lines = [_ship_line(o.report) for o in outcomes if o.report is not None]
    failed = [o for o in outcomes if o.error is not None]
    text = _("{server}: NOT everything has arrived")
    return [*lines, *(Line(text.format(server=o.server), "bad") for o in failed)]


def _ship_line(r: ShipReport) -> Line:
    if r.already_there:
        text = _("{server}: {release} had arrived before; {sent} exchanged to be sure")
    else:
        text = _("{server}: {release} has arrived; sent {sent}, not sent {saved}, in {time}")
    return Line(
        text.format(
            server=r.server,
            release=r.release,
            sent=bytes_text(r.bytes_sent),
            saved=bytes_text(r.bytes_saved),
            time=seconds_text(r.seconds),
        ),
        "good",
    )


def _arrived(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [asdict(o.report) for o in outcomes if o.report is not None]


def _failed(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {
            "server": o.server,
            "code": o.error.code,
            "exit_code": o.error.exit_code,
            "message": o.error.message,
            "hint": o.error.hint,
            "transient": o.error.transient,
        }
        for o in outcomes
        if o.error is not None
    ]
