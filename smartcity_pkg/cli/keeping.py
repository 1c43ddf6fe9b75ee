"""Keeping a pemda's servers in order: `gc`, `doctor`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import PEMDA, SERVER
from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        "gc", cls=Command, help=_("Remove from the servers what nothing needs; say what it frees.")
    )(gc)
    app.command(
        "doctor",
        cls=Command,
        help=_("Say what is likely wrong; pack what helpers need to see."),
    )(doctor)


def gc(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    dry_run: bool = typer.Option(False, "--dry-run", help=_("Only say what would go.")),
    unfinished: bool = typer.Option(
        False,
        "--unfinished",
        help=_("Also what shipments of the last day left; let none be under way."),
    ),
) -> None:
    """Keep the current and the previous release, all data, and what waits to be installed."""
    from smartcity_pkg.cli.wiring.keeping import collect_garbage
    from smartcity_pkg.ui.views.keeping import collected

    session = session_of(context)
    session.show(collected(collect_garbage(session, pemda, server, dry_run, unfinished)))


def doctor(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Default: doctor-<region>-<date>.tar.gz.")
    ),
) -> None:
    """Diagnose the servers; secrets are taken out there, before anything leaves them."""
    from smartcity_pkg.cli.wiring.keeping import diagnose_servers
    from smartcity_pkg.ui.views.keeping import diagnosed

    session = session_of(context)
    session.show(diagnosed(*diagnose_servers(session, pemda, server, out)))
