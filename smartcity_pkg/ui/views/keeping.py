"""What was removed and changed on servers to keep them in order, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result

if TYPE_CHECKING:
    from smartcity_pkg.install.doctor import Diagnosis
    from smartcity_pkg.install.gc import GcReport
    from smartcity_pkg.install.rotate import RotateReport


def collected(reports: Sequence[GcReport]) -> Result:
    """The outcome of `gc`."""
    parts: list[Part] = []
    for r in reports:
        waste = r.waste
        pairs = [(_("kept releases"), ", ".join(r.kept) or "-")]
        if not waste.nothing:
            pairs += [
                (_("old releases"), ", ".join(waste.folders) or "-"),
                (_("old arrivals"), ", ".join(waste.offers) or "-"),
                (_("images"), ", ".join(waste.images) or "-"),
                (_("content of the store"), str(len(waste.blobs) + len(waste.parts))),
            ]
        parts.append(Facts(r.server, pairs))
        if waste.why_blobs_stay:
            text = _("the store's content stays: {why}").format(why=waste.why_blobs_stay)
            parts.append(Line(text, "warn"))
        if r.left:
            text = _("still in use, so not removed: {names}").format(names=", ".join(r.left))
            parts.append(Line(text, "warn"))
        parts.append(_freed(r))
    return Result("collected", {"servers": [asdict(r) for r in reports]}, parts)


def _freed(r: GcReport) -> Line:
    words = {
        "server": r.server,
        "store": bytes_text(r.waste.store_bytes),
        "images": bytes_text(r.waste.images_bytes),
        "freed": bytes_text(r.freed_bytes),
    }
    if r.waste.nothing:
        return Line(_("{server}: there is nothing to remove").format(**words), "good")
    if r.dry_run:
        text = _("{server}: would free {store} of the store and about {images} of Docker's disk")
        return Line(text.format(**words))
    text = _("{server}: removed {store} of the store and about {images} of images; {freed} freed")
    return Line(text.format(**words), "good")


def rotated(reports: Sequence[RotateReport]) -> Result:
    """The outcome of `secret rotate` and `secret set`; the value itself is nowhere."""
    parts: list[Part] = []
    for r in reports:
        text = _("{server}: {secret} has a new value; {apps} run with it, in {time}")
        words = {"server": r.server, "secret": r.secret, "apps": ", ".join(r.restarted)}
        parts.append(Line(text.format(time=seconds_text(r.took_s), **words), "good"))
        parts.append(Facts("", [(_("outage"), f"{r.outage_s:.1f} s")]))
    return Result("secret-changed", {"servers": [asdict(r) for r in reports]}, parts)


def diagnosed(found: Sequence[Diagnosis], path: Path) -> Result:
    """The outcome of `doctor`: the likeliest cause first, and where the archive lies."""
    parts: list[Part] = []
    for d in found:
        if not d.causes:
            parts.append(
                Line(_("{server}: nothing wrong was found").format(server=d.server), "good")
            )
        for i, cause in enumerate(d.causes):
            text = _("{server}: most likely: {text}") if i == 0 else _("{server}: also: {text}")
            parts.append(Line(text.format(server=d.server, text=cause.text), "bad"))
            parts.append(Line(_("what to do: {hint}").format(hint=cause.hint)))
    text = _("{file} can be sent to those who help; the values of secrets were taken out")
    parts.append(Line(text.format(file=path)))
    data = [
        {"server": d.server, "release": d.release, "causes": [asdict(c) for c in d.causes]}
        for d in found
    ]
    return Result("diagnosed", {"archive": str(path), "servers": data}, parts)


def summary(found: Sequence[Diagnosis]) -> str:
    """The same in a few plain lines, for the archive."""
    lines = []
    for d in found:
        lines.append(f"{d.server}: {d.release or '-'}")
        lines += [f"- {c.text}\n  {c.hint}" for c in d.causes] or [_("- nothing wrong was found")]
    return "\n".join(lines) + "\n"
