"""What was shipped to servers, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result
from smartcity_pkg.ui.views.server import install_data, install_parts

if TYPE_CHECKING:
    from smartcity_pkg.install.outcome import InstallReport
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ship.preview import Preview
    from smartcity_pkg.ship.shipment import ShipReport


# Longer than this the link is worth a thought; at night others leave it to us, perhaps fourfold.
_LONG_S = 3600.0
_QUICKER = 4


def shipped(outcomes: Sequence[Outcome]) -> Result:
    """The outcome of `ship`."""
    data = {"servers": _arrived(outcomes), "failed": _failed(outcomes)}
    return Result("shipped", data, _lines(outcomes))


def previewed(found: Sequence[Preview]) -> Result:
    """The outcome of `ship --dry-run`."""
    parts: list[Part] = []
    for p in found:
        if p.already_there:
            text = _("{server}: {release} had arrived before; {sent} to be sure")
            sent = bytes_text(p.bytes_sent)
            parts.append(Line(text.format(server=p.server, release=p.release, sent=sent), "good"))
            continue
        pairs = [
            (_("to send"), bytes_text(p.bytes_sent)),
            (_("there already"), bytes_text(p.bytes_saved - p.bytes_patched)),
            (_("spared by patches"), bytes_text(p.bytes_patched)),
            (_("time"), f"{seconds_text(p.seconds)} ({_mbps(p.link_mbps)})"),
        ]
        parts.append(Facts(f"{p.server}: {p.release}", pairs))
        parts += _advice(p)
    return Result("previewed", {"servers": [asdict(p) for p in found]}, parts)


def _advice(p: Preview) -> list[Part]:
    """What to do about a shipment that would keep the link busy for long."""
    if p.seconds < _LONG_S:
        return []
    quick = _QUICKER * p.link_mbps
    night = _("At night with {link}: {time} (ship --window 22:00-05:00).")
    disk = _("Or on a disk: smartcity ship {region} --to media:DIR")
    return [
        Line(night.format(link=_mbps(quick), time=seconds_text(p.seconds_at(quick))), "warn"),
        Line(disk.format(region=p.region), "warn"),
    ]


def _mbps(value: float) -> str:
    return f"{value:.3g} Mbit/s"


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
