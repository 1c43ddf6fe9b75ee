"""Secrets of a pemda's servers: `secret rotate`, `secret set`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import APP, PEMDA, SERVER
from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _

secret = new_app(_("Secrets: made on the servers, and changed there."))

_NAME = typer.Argument(help=_("The secret's name, as the app's Compose file calls it."))


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(secret, name="secret")


@secret.command(
    "rotate", cls=Command, help=_("Have the server make a new value; its users start anew.")
)
def secret_rotate(
    context: typer.Context,
    pemda: str = PEMDA,
    app: str = APP,
    name: str = _NAME,
    server: list[str] | None = SERVER,
) -> None:
    """Rotate a secret; nobody sees the value."""
    from smartcity_pkg.cli.wiring.secrets import change_secret
    from smartcity_pkg.ui.views.keeping import rotated

    session = session_of(context)
    session.show(rotated(change_secret(session, pemda, server, app, name, None)))


@secret.command("set", cls=Command, help=_("Give a secret a value of yours, asked for unseen."))
def secret_set(
    context: typer.Context,
    pemda: str = PEMDA,
    app: str = APP,
    name: str = _NAME,
    server: list[str] | None = SERVER,
    file: Path | None = typer.Option(
        None, "--file", metavar="FILE", help=_("Read the value from there (its last newline goes).")
    ),
) -> None:
    """Set a secret that only people know, such as the password of a mail server."""
    from smartcity_pkg.cli.wiring.secrets import change_secret, value_from
    from smartcity_pkg.ui.views.keeping import rotated

    session = session_of(context)
    value = value_from(file)
    session.show(rotated(change_secret(session, pemda, server, app, name, value)))
