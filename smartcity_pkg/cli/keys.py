"""Who may sign: `key new`, `show`, `export`, `trust`, `revoke`, `list`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import day, session_of
from smartcity_pkg.core.i18n import _

key = new_app(_("Keys that sign releases and grants, and the ring of those that are trusted."))

_KEY_FILE = typer.Argument(
    None, metavar="[FILE]", help=_("A key file, private or public (default: keys/release.pub).")
)


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(key, name="key")


@key.command("new", cls=Command, help=_("Make a signing key and its public key."))
def key_new(
    context: typer.Context,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Default: keys/release.key.")
    ),
    no_password: bool = typer.Option(
        False, "--no-password", help=_("Leave the key unencrypted (for CI with a protected disk).")
    ),
) -> None:
    """Make a key pair; the password is asked for, or read from SMARTCITY_KEY_PASSWORD."""
    from smartcity_pkg.bundle.keys import new_key, public_path
    from smartcity_pkg.cli.wiring.keys import new_password
    from smartcity_pkg.ui.views.keys import key_made

    session = session_of(context)
    path = out or session.workspace.signing_key
    made = new_key(path, None if no_password else new_password())
    session.show(key_made(made, path, public_path(path)))


@key.command("show", cls=Command, help=_("Show a key's id, and whether it counts here."))
def key_show(context: typer.Context, file: Path | None = _KEY_FILE) -> None:
    """Describe a key; no secret is shown."""
    from smartcity_pkg.cli.wiring.ring import described
    from smartcity_pkg.ui.views.keys import key_shown

    session = session_of(context)
    session.show(key_shown(*described(session, file)))


@key.command("export", cls=Command, help=_("Show or write the public key, to give away."))
def key_export(
    context: typer.Context,
    file: Path | None = _KEY_FILE,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Also write it to this file.")
    ),
) -> None:
    """Give the public half of a key."""
    from smartcity_pkg.cli.wiring.ring import export
    from smartcity_pkg.ui.views.keys import key_exported

    session = session_of(context)
    session.show(key_exported(*export(session, file, out)))


@key.command("trust", cls=Command, help=_("Add a public key to the ring (keys/trusted.yaml)."))
def key_trust(
    context: typer.Context,
    file: Path = typer.Argument(metavar="FILE", help=_("The public key.")),
    role: list[str] | None = typer.Option(
        None,
        "--role",
        metavar="ROLE",
        help=_("What it may sign: release (default) or grant; may be given several times."),
    ),
    name: str | None = typer.Option(
        None, "--name", metavar="TEXT", help=_("Whose it is (default: the file's name).")
    ),
    valid_from: str | None = typer.Option(
        None, "--from", metavar="YYYY-MM-DD", help=_("The first day on which it counts.")
    ),
    until: str | None = typer.Option(
        None, "--until", metavar="YYYY-MM-DD", help=_("The last day on which it counts.")
    ),
) -> None:
    """Trust a key. The first time, the ring takes over every keys/*.pub that was trusted so far."""
    from smartcity_pkg.cli.wiring.ring import trust
    from smartcity_pkg.ui.views.keys import key_trusted

    session = session_of(context)
    first = day(valid_from, "--from") if valid_from else None
    last = day(until, "--until") if until else None
    session.show(key_trusted(*trust(session, file, name, role, first, last)))


@key.command("revoke", cls=Command, help=_("Trust a key no longer, for old bundles either."))
def key_revoke(
    context: typer.Context,
    key_id: str = typer.Argument(
        metavar="KEY", help=_("Its id, the first 8 digits of it or more, or its name in the ring.")
    ),
    reason: str = typer.Option(
        ..., "--reason", metavar="TEXT", help=_("Why; people will read it.")
    ),
    date: str | None = typer.Option(
        None, "--date", metavar="YYYY-MM-DD", help=_("The day of the revocation (default: today).")
    ),
) -> None:
    """Revoke a key."""
    from smartcity_pkg.cli.wiring.ring import revoke
    from smartcity_pkg.ui.views.keys import key_revoked

    session = session_of(context)
    session.show(key_revoked(*revoke(session, key_id, reason, day(date))))


@key.command("list", cls=Command, help=_("Show the ring: who may sign what today."))
def key_list(context: typer.Context) -> None:
    """List the trusted keys, and those that do not count with the reason."""
    from smartcity_pkg.cli.wiring.keys import ring_of
    from smartcity_pkg.ui.views.keys import keys_listed

    session = session_of(context)
    file = session.workspace.ring
    session.show(keys_listed(ring_of(session), file if file.exists() else None, day(None)))
