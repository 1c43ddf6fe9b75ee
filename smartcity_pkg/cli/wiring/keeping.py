"""Keeping servers in order: one after another, each under its lock."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import documents_at_hand, targets
from smartcity_pkg.core import atomic
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step

if TYPE_CHECKING:
    from smartcity_pkg.install.doctor import Diagnosis
    from smartcity_pkg.install.gc import GcReport


def collect_garbage(
    session: Session, name: str, servers: list[str] | None, dry_run: bool, unfinished: bool
) -> list[GcReport]:
    """Remove on each server what nothing needs."""
    from smartcity_pkg.install.gc import FRESH_S, gc
    from smartcity_pkg.install.outcome import InstallOptions

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            report = gc(
                host,
                target.server.name,
                dry_run=dry_run,
                fresh_s=0 if unfinished else FRESH_S,
                progress=session.progress,
                options=InstallOptions(at_hand=documents_at_hand()),
            )
            reports.append(report)
    return reports


def diagnose_servers(
    session: Session, name: str, servers: list[str] | None, out: Path | None
) -> tuple[list[Diagnosis], Path]:
    """Diagnose each server; all of it in one archive, readable by its owner alone."""
    from smartcity_pkg.install.doctor import diagnose, packed
    from smartcity_pkg.ui.views.keeping import summary

    pemda = session.pemda(name)
    path = out or Path(f"doctor-{pemda.region}-{date.today().isoformat()}.tar.gz")
    found = []
    for target in targets(pemda, servers):
        session.progress(Step(_("Examining {server}").format(server=target.server.name)))
        with target.place() as place:
            found.append(diagnose(place))
    atomic.write(path, packed(found, summary(found)), 0o600)
    return found, path
