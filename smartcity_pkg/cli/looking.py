"""Looking at a pemda's servers without changing them: `check`, `logs`, `history`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import APP, PEMDA, SERVER
from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        "check",
        cls=Command,
        help=_("Judge whether the servers can carry a release; change nothing."),
    )(check)
    app.command("logs", cls=Command, help=_("Show what an app wrote to its log."))(logs)
    app.command(
        "history",
        cls=Command,
        help=_("Show what was done on the servers, and that it is unaltered."),
    )(history)


def check(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    release: str | None = typer.Option(
        None,
        "--release",
        metavar="NAME",
        help=_("Which release (default: the newest that arrived)."),
    ),
    facts: Path | None = typer.Option(
        None, "--facts", metavar="FILE", help=_("Judge these saved facts, and ask no server.")
    ),
    save_facts: Path | None = typer.Option(
        None, "--save-facts", metavar="FILE", help=_("Also keep what the rules looked at.")
    ),
) -> None:
    """Judge the servers; exit code 15 where something blocks."""
    from smartcity_pkg.cli.wiring.looking import check_servers
    from smartcity_pkg.ui.views.looking import checked

    session = session_of(context)
    reports = check_servers(session, pemda, server, release, facts, save_facts)
    session.show(checked(reports))
    if any(r.level == "block" for r in reports):
        raise typer.Exit(15)


def logs(
    context: typer.Context,
    pemda: str = PEMDA,
    app: str = APP,
    server: list[str] | None = SERVER,
    tail: int = typer.Option(
        100, "--tail", metavar="N", min=1, max=100_000, help=_("How many lines of each service.")
    ),
    since: str = typer.Option(
        "",
        "--since",
        metavar="TIME",
        help=_("Only from then on: 90m, 2h, or 2026-05-01T08:00:00Z."),
    ),
) -> None:
    """Show the logs of an app's services."""
    from smartcity_pkg.cli.wiring.looking import read_logs
    from smartcity_pkg.ui.views.looking import logged

    session = session_of(context)
    session.show(logged(app, read_logs(session, pemda, server, app, tail, since)))


def history(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    last: int = typer.Option(
        50, "--last", metavar="N", min=1, max=1_000_000, help=_("How many entries to show.")
    ),
    expect: str | None = typer.Option(
        None,
        "--expect",
        metavar="HASH",
        help=_("A hash that was noted earlier: it must still be in the journal."),
    ),
) -> None:
    """Show and check the journal; exit code 1 where it was altered."""
    from smartcity_pkg.cli.wiring.looking import read_histories
    from smartcity_pkg.ui.views.looking import histories

    session = session_of(context)
    found = read_histories(session, pemda, server, expect)
    session.show(histories(found, last))
    if not all(h.unaltered for h in found):
        raise typer.Exit(1)
