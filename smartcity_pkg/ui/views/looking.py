"""What was found by looking at servers, as results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from smartcity_pkg.core.i18n import _
from smartcity_pkg.ui.presenter import Document, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.install.check import CheckReport
    from smartcity_pkg.install.history import History
    from smartcity_pkg.install.logs import ServiceLog
    from smartcity_pkg.install.question import Finding


def checked(reports: Sequence[CheckReport]) -> Result:
    """The outcome of `check`."""
    parts: list[Part] = []
    for r in reports:
        title = f"{r.server}: {r.release}" if r.release else r.server
        columns = (_("rule"), _("verdict"), _("found"), _("cure"))
        parts.append(Table(title, columns, [_row(f) for f in r.findings]))
        parts.append(_verdict(r))
    data = [
        {"server": r.server, "release": r.release, "level": r.level,
         "findings": [asdict(f) for f in r.findings]}
        for r in reports
    ]  # fmt: skip
    return Result("checked", {"servers": data}, parts)


def _row(finding: Finding) -> tuple[str, ...]:
    words = {"pass": _("good"), "warn": _("warning"), "block": _("BLOCKS")}
    return (finding.rule, words[finding.level], finding.text, finding.hint)


def _verdict(r: CheckReport) -> Line:
    if r.level == "block":
        return Line(_("{server}: cannot be installed like this").format(server=r.server), "bad")
    if not r.release:
        text = _("{server}: no release has arrived; only the server itself was judged")
        return Line(text.format(server=r.server), "warn")
    open_names = sorted({f.rule for f in r.findings if f.level == "warn" and not f.told_only})
    if open_names:
        text = _("{server}: install only goes on with: {options}")
        options = " ".join(f"--accept {name}" for name in open_names)
        return Line(text.format(server=r.server, options=options), "warn")
    return Line(_("{server}: nothing stands in the way").format(server=r.server), "good")


def logged(app: str, found: Sequence[ServiceLog]) -> Result:
    """The outcome of `logs`."""
    parts: list[Part] = []
    for log in found:
        parts.append(Line(f"{log.server}: {app}/{log.service}"))
        parts.append(Document(log.text or _("(nothing)")))
    data = [{"server": x.server, "service": x.service, "lines": x.text.splitlines()} for x in found]
    return Result("logs", {"app": app, "services": data}, parts)


def histories(found: Sequence[History], last: int) -> Result:
    """The outcome of `history`: the last entries of each server, and whether all are unaltered."""
    parts: list[Part] = []
    for h in found:
        columns = (_("time"), _("who"), _("release"), _("step"), _("phase"), _("details"))
        rows = [
            (e.at, e.by, e.release, e.step, e.phase, " ".join(filter(None, (e.subject, e.detail))))
            for e in h.entries[-last:]
        ]
        parts.append(Table(h.server, columns, rows))
        parts += _chain(h)
    data = [
        {"server": h.server, "unaltered": h.unaltered, **asdict(h.chain),
         "entries": [e.model_dump(mode="json") for e in h.entries[-last:]]}
        for h in found
    ]  # fmt: skip
    return Result("history", {"servers": data}, parts)


def _chain(h: History) -> list[Line]:
    lines = []
    if h.chain.broken:
        text = _("{server}: line {line} of the journal does not continue the one before it")
        lines.append(Line(text.format(server=h.server, line=h.chain.broken), "bad"))
    if not h.expected:
        text = _("{server}: the hash that was noted is not in the journal: its end was cut off")
        lines.append(Line(text.format(server=h.server), "bad"))
    if h.unaltered and h.chain.lines:
        text = _("{server}: all {count} lines continue one another; note the last hash: {head}")
        words = {"server": h.server, "count": h.chain.lines, "head": h.chain.head}
        lines.append(Line(text.format(**words), "good"))
    if h.chain.unhashed:
        text = _("{server}: the first {count} lines are older than the hashes, and not protected")
        lines.append(Line(text.format(server=h.server, count=h.chain.unhashed), "warn"))
    return lines
