"""Keeping servers in order: one after another, each under its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import targets

if TYPE_CHECKING:
    from smartcity_pkg.install.gc import GcReport


def collect_garbage(
    session: Session, name: str, servers: list[str] | None, dry_run: bool, unfinished: bool
) -> list[GcReport]:
    """Remove on each server what nothing needs."""
    from smartcity_pkg.install.gc import FRESH_S, gc

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            report = gc(
                host,
                target.server.name,
                dry_run=dry_run,
                fresh_s=0 if unfinished else FRESH_S,
                progress=session.progress,
            )
            reports.append(report)
    return reports
