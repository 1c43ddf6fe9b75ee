"""What importing, checking and measuring found, as results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB, bytes_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.catalogue import Catalogue
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.catalogue.importing.draft import Imported
    from smartcity_pkg.catalogue.lint import Finding
    from smartcity_pkg.catalogue.pemda import Measured, Server
    from smartcity_pkg.catalogue.proposal import PeakSeen, Proposed, Seen
    from smartcity_pkg.catalogue.rules import Rule


def imported_app(
    imported: Imported, source: Path, file: Path, findings: Sequence[Finding]
) -> Result:
    """The outcome of `catalogue import`: one table, what a person must do, and lint's word."""
    from smartcity_pkg.catalogue.importing.ledger import kind_word

    rows = [
        (f"{source.name}:{r.line}" if r.line else "-", kind_word(r.kind), r.what)
        for r in imported.rows
        if r.line or not r.todo
    ]
    open_points = sorted((r for r in imported.rows if r.todo), key=lambda r: r.draft_line)
    todo = [(f"{file}:{r.draft_line}" if r.draft_line else str(file), r.todo) for r in open_points]
    parts: list[Part] = [
        Table(_("what became of {file}").format(file=source), (_("source"), "", _("what")), rows),
        Table(_("what a person must do"), (_("draft"), _("to do")), todo),
        Line(
            _(
                "{file}: a draft with {count} open points; it loads, and no plan takes it yet"
            ).format(file=file, count=len(open_points)),
            "good",
        ),
    ]
    data = {
        "app": imported.name,
        "source": str(source),
        "file": str(file),
        "findings": [asdict(r) for r in imported.rows],
        "lint": [finding_data(f) for f in findings],
    }
    return Result("catalogue-import", data, parts)


def lint_report(catalogue: Catalogue, findings: tuple[Finding, ...]) -> Result:
    """What a check of the catalogue found; errors would have been raised before."""
    from smartcity_pkg.catalogue.rules import severity_word

    parts: list[Part] = [
        Line(
            f"{severity_word(f.severity)}: {f.problem}",
            "warn" if f.severity == "warning" else "plain",
        )
        for f in findings
    ]
    count = len(catalogue.apps)
    warnings = sum(f.severity == "warning" for f in findings)
    parts.append(
        Line(
            _("apps: {count}, errors: 0, warnings: {warnings}, advice: {advice}").format(
                count=count, warnings=warnings, advice=len(findings) - warnings
            ),
            "good",
        )
    )
    data = {
        "apps": count,
        "findings": [finding_data(f) for f in findings],
    }
    return Result("catalogue-lint", data, parts)


def explained(rule: Rule) -> Result:
    """One rule: what, why, how to mend, an example."""
    from smartcity_pkg.catalogue.rules import severity_word

    pairs = [
        (_("rule"), _(rule.what)),
        (_("why"), _(rule.why)),
        (_("how to mend"), _(rule.mend)),
    ]
    title = f"{rule.number} ({severity_word(rule.severity)})"
    data = {
        "rule": rule.number,
        "severity": rule.severity,
        "what": _(rule.what),
        "why": _(rule.why),
        "mend": _(rule.mend),
        "example": rule.example,
    }
    example = [Line(f"    {line}") for line in rule.example.splitlines()]
    return Result("lint-rule", data, (Facts(title, pairs), Line(_("example:")), *example))


def finding_data(finding: Finding) -> dict[str, object]:
    """A finding of lint for programs."""
    return {
        "rule": finding.problem.rule,
        "severity": finding.severity,
        "file": finding.problem.file,
        "line": finding.problem.line,
        "message": finding.problem.message,
    }


def one_schema(which: str | None) -> Result:
    """One schema on the screen, or the names of all."""
    from smartcity_pkg.catalogue import schemas

    if which is None:
        lines = [Line(schemas.schema(name)["$id"]) for name in schemas.NAMES]
        hint = Line(_("show one: smartcity catalogue schema app; write all: --out FOLDER"))
        data = {"schemas": {name: schemas.schema(name) for name in schemas.NAMES}}
        return Result("schemas", data, [*lines, hint])
    text = schemas.text(which)
    return Result("schema", {"schema": schemas.schema(which)}, [Line(text.rstrip())])


def schemas_written(paths: Sequence[Path]) -> Result:
    """The files that `catalogue schema --out` wrote."""
    return Result(
        "schemas", {"files": [str(p) for p in paths]}, [Line(str(p), "good") for p in paths]
    )


class _Probed(Protocol):
    @property
    def server(self) -> Server: ...
    @property
    def measured(self) -> Measured: ...
    @property
    def uploaded_bytes(self) -> int: ...
    @property
    def downloaded_bytes(self) -> int: ...


def probed_servers(
    found: Sequence[_Probed],
    differing: Mapping[str, Sequence[tuple[str, str, str]]],
    edit: Edit,
    *,
    written: bool,
) -> Result:
    """What the servers are, where that is not what the profile declares, and the file's change."""
    parts: list[Part] = [_measured_table(found)]
    differences = [(name, *row) for name, rows in differing.items() for row in rows]
    if differences:
        columns = (_("server"), _("field"), _("declared"), _("measured"))
        parts.append(Table(_("declared and measured differ"), columns, differences))
        parts.append(Line(_("what is declared stays in force: correct it by hand"), "warn"))
    if not written:
        parts += [Line(line) for line in edit.difference().splitlines()]
    said = _("{file}: written") if written else _("{file}: nothing was written (--dry-run)")
    said = said if edit.changes else _("{file}: nothing to change")
    parts.append(Line(said.format(file=edit.path), "good"))
    data = {
        "file": str(edit.path),
        "written": written and edit.changes,
        "difference": edit.difference(),
        "servers": [
            {
                "name": p.server.name,
                "measured": p.measured.model_dump(mode="json"),
                "link_bytes": {"up": p.uploaded_bytes, "down": p.downloaded_bytes},
                "differs": [
                    {"field": field, "declared": said, "measured": is_}
                    for field, said, is_ in differing.get(p.server.name, ())
                ],
            }
            for p in found
        ],
    }
    return Result("pemda-probe", data, parts)


def _measured_table(found: Sequence[_Probed]) -> Table:
    rows = [
        (
            p.server.name,
            f"{p.measured.cpus:g}",
            f"{p.measured.memory_gib:g}",
            f"{p.measured.disk_free_gib:g}",
            p.measured.architecture,
            p.measured.engine or "-",
            _link_text(p),
        )
        for p in found
    ]
    columns = (
        _("server"),
        _("CPU"),
        _("memory GiB"),
        _("free disk GiB"),
        _("processor"),
        _("engine"),
        _("link (up / down / shortest command)"),
    )
    return Table(_("measured"), columns, rows, frozenset({1, 2, 3}))


def _link_text(probed: _Probed) -> str:
    measured = probed.measured
    if measured.upload_mbps is None:
        return _("this machine")
    return _("{up:g} / {down:g} Mbit/s / {trip:g} ms, over {sent} and {got}").format(
        up=measured.upload_mbps,
        down=measured.download_mbps,
        trip=measured.round_trip_ms,
        sent=bytes_text(probed.uploaded_bytes),
        got=bytes_text(probed.downloaded_bytes),
    )


class _Measurement(Protocol):
    @property
    def app(self) -> str: ...
    @property
    def rows(self) -> list[Proposed]: ...
    @property
    def seen(self) -> Mapping[str, Seen]: ...
    @property
    def rest_s(self) -> float: ...
    @property
    def requests(self) -> int: ...
    @property
    def peak(self) -> PeakSeen: ...


def measured_app(found: _Measurement, file: Path | None) -> Result:
    """What an app was seen to use, and what its entry should say; `file` was written, if any."""
    from smartcity_pkg.catalogue import yamlfile
    from smartcity_pkg.catalogue.proposal import fragment

    seen = [
        (
            name,
            f"{s.rest_bytes / MIB:.1f} / {s.busy_bytes / MIB:.1f}",
            f"{s.rest_cpus:.3f} / {s.busy_cpus:.3f}",
        )
        for name, s in found.seen.items()
    ]
    columns = (_("service"), _("memory MiB (at rest / busy)"), _("CPU (at rest / busy)"))
    rows = [(".".join(map(str, r.at)), r.declared or "-", r.proposed) for r in found.rows]
    title = _("{app}: seen for {seconds:g} s at rest and during {count} requests").format(
        app=found.app, seconds=found.rest_s, count=found.requests
    )
    parts: list[Part] = [
        Table(title, columns, seen, frozenset({1, 2})),
        Line(_peak_text(found.peak)),
        Table(_("proposal"), (_("field"), _("declared"), _("proposed")), rows, frozenset({1, 2})),
    ]
    text = yamlfile.dump(fragment(found.rows))
    if file:
        parts.append(Line(_("{file}: written").format(file=file), "good"))
    else:
        parts += [Line(line) for line in text.splitlines()]
    data = {
        "app": found.app,
        "file": str(file) if file else None,
        "services": {name: asdict(s) for name, s in found.seen.items()},
        "requests": found.requests,
        "install": {**asdict(found.peak), "above_steady_bytes": found.peak.above_steady_bytes},
        "proposal": fragment(found.rows),
        "declared": {".".join(map(str, r.at)): r.declared for r in found.rows},
    }
    return Result("catalogue-measure", data, parts)


def _peak_text(peak: PeakSeen) -> str:
    return _(
        "while it was sent and installed the server took up to {most:.0f} MiB, {above:.0f} more"
        " than {rest:.0f} MiB (system and engine {bare:.0f}, containers at rest {containers:.0f})"
    ).format(
        most=peak.most_bytes / MIB,
        above=peak.above_steady_bytes / MIB,
        rest=(peak.bare_bytes + peak.containers_bytes) / MIB,
        bare=peak.bare_bytes / MIB,
        containers=peak.containers_bytes / MIB,
    )
