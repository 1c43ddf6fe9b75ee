"""Bundles on removable disks, and the receipts that come back, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result
from smartcity_pkg.ui.views.shipping import deployed

if TYPE_CHECKING:
    from smartcity_pkg.bundle.inventory import InventoryReceipt
    from smartcity_pkg.install.outcome import InstallReport
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ship.media.check import MediaCheck
    from smartcity_pkg.ship.media.copy import CopyReport


def copied(report: CopyReport) -> Result:
    """The outcome of `ship --to media:DIR`."""
    if report.already_there:
        text = _("{release} is on the disk already, every part was read and is sound")
    else:
        text = _("{release} is on the disk: copied {copied} and read back, there already {kept}")
    line = text.format(
        release=report.release,
        copied=bytes_text(report.bytes_copied),
        kept=bytes_text(report.bytes_kept),
    )
    if report.parity:
        shape = _("{count} parts of {size}, any {parity} of them can be repaired")
    else:
        shape = _("{count} parts of {size}, without parity")
    facts = [
        (_("folder"), report.folder),
        (
            _("parts"),
            shape.format(
                count=report.parts, size=bytes_text(report.part_bytes), parity=report.parity
            ),
        ),
        (_("copied"), _some(report.copied)),
        (_("replaced, because damaged"), _some(report.replaced)),
        (_("time"), seconds_text(report.seconds)),
    ]
    next_step = _("Next, at the pemda: smartcity install {region} --from media:DIR").format(
        region=report.region
    )
    data = {**asdict(report), "already_there": report.already_there}
    return Result("copied", data, [Facts("", facts), Line(line, "good"), Line(next_step)])


def installed_from_disk(
    check: MediaCheck,
    ships: Sequence[Outcome],
    installs: Sequence[InstallReport],
    receipts: Sequence[Path],
) -> Result:
    """The outcome of `install --from media:DIR`."""
    parts = deployed(ships, installs)
    texts = [Line(_("receipt for Kominfo: {file}").format(file=file), "good") for file in receipts]
    data = {
        **parts.data,
        "media": _check_data(check),
        "receipts": [str(file) for file in receipts],
    }
    return Result("installed-from-media", data, [*_faults(check), *parts.parts, *texts])


def checked(found: Sequence[MediaCheck], repaired: bool) -> Result:
    """The outcome of `media check`."""
    parts: list[Part] = []
    for each in found:
        index = each.release.index
        parts += _faults(each)
        text = _("{release} for {pemda} ({region}): all parts were read; it can be installed")
        words = {"release": index.release, "pemda": index.pemda, "region": index.region}
        parts.append(Line(text.format(**words), "good"))
        if each.faults:
            hint = (
                _("the damaged parts were written anew")
                if repaired
                else _("parity stands in for the damaged parts; --repair writes them anew")
            )
            parts.append(Line(hint, "good" if repaired else "warn"))
    data = {"releases": [_check_data(each) for each in found], "repaired": repaired}
    return Result("media-checked", data, parts)


def collected(found: Sequence[tuple[InventoryReceipt, Path, bool]]) -> Result:
    """The outcome of `media receipts`: each with its file, and whether its server was unknown."""
    parts: list[Part] = []
    for r, _file, first in found:
        text = _("{server} of {pemda} ({region}): {release}, {layers} layers, on {day}")
        words = {"server": r.server, "pemda": r.pemda, "region": r.region, "release": r.release}
        line = text.format(**words, layers=len(r.diff_ids), day=r.taken_at[:10])
        parts.append(Line(line, "good"))
        if first:
            key = _("its key {key} was unknown, and counts for this server from now on")
            parts.append(Line(key.format(key=r.key_id[:19]), "warn"))
    data = [
        {
            "file": str(file),
            "region": r.region,
            "server": r.server,
            "release": r.release,
            "taken_at": r.taken_at,
            "layers": len(r.diff_ids),
            "key_id": r.key_id,
            "first": first,
        }
        for r, file, first in found
    ]
    return Result("receipts", {"receipts": data}, parts)


def _faults(found: MediaCheck) -> list[Line]:
    return [Line(f"{fault.name}: {fault.why}", "warn") for fault in found.faults]


def _check_data(found: MediaCheck) -> dict[str, Any]:
    index = found.release.index
    return {
        "folder": str(found.release.folder),
        "release": index.release,
        "region": index.region,
        "parts": len(index.parts),
        "parity": len(index.parity),
        "faults": [asdict(fault) for fault in found.faults],
    }


def _some(names: Sequence[str], most: int = 6) -> str:
    if len(names) <= most:
        return ", ".join(names) or "-"
    return _("{first} … {last} ({count} files)").format(
        first=names[0], last=names[-1], count=len(names)
    )
