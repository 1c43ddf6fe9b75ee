"""The apps' data: the group `backup`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import PEMDA, SERVER
from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _

backup = new_app(_("The apps' data: back up, prove, put back, and copy to a second place."))

_APPS = typer.Option(
    None, "--app", metavar="APP", help=_("Only this app; may be given several times.")
)
_YES = typer.Option(False, "--yes", "-y", help=_("Do not ask."))
_PLACE_HELP = _("A folder (a disk, a network drive), or ssh://user@host[:port]/folder.")
_SSH_KEY = typer.Option(
    None, "--ssh-key", metavar="FILE", help=_("The private key for the second place over SSH.")
)


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(backup, name="backup")


@backup.command("create", cls=Command, help=_("Back up the apps that have a hook for it, now."))
def backup_create(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    app: list[str] | None = _APPS,
) -> None:
    """Make and prove backups on the servers."""
    from smartcity_pkg.cli.wiring.backup import create
    from smartcity_pkg.ui.views.backup import created

    session = session_of(context)
    session.show(created(create(session, pemda, server, app)))


@backup.command("list", cls=Command, help=_("Show the backups on the servers."))
def backup_list(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    app: list[str] | None = _APPS,
    source: str | None = typer.Option(None, "--from", metavar="PLACE", help=_PLACE_HELP),
    ssh_key: Path | None = _SSH_KEY,
) -> None:
    """List backups, on the servers or in a second place."""
    from smartcity_pkg.cli.wiring.backup import listed
    from smartcity_pkg.ui.views.backup import backups_listed

    session = session_of(context)
    session.show(backups_listed(listed(session, pemda, server, app, source, ssh_key)))


@backup.command("verify", cls=Command, help=_("Read backups wholly, and let the apps read them."))
def backup_verify(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    app: list[str] | None = _APPS,
    source: str | None = typer.Option(None, "--from", metavar="PLACE", help=_PLACE_HELP),
    ssh_key: Path | None = _SSH_KEY,
) -> None:
    """Prove every backup; the exit code is 1 where one is damaged."""
    from smartcity_pkg.cli.wiring.backup import verified
    from smartcity_pkg.ui.views.backup import backups_verified

    session = session_of(context)
    outcome = verified(session, pemda, server, app, source, ssh_key)
    session.show(backups_verified(outcome))
    if not all(item.sound for item in outcome):
        raise typer.Exit(1)


@backup.command("prune", cls=Command, help=_("Delete old backups; the newest always stays."))
def backup_prune(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    keep: int | None = typer.Option(
        None, "--keep", metavar="N", min=1, help=_("Keep the newest N of each app.")
    ),
    keep_days: int | None = typer.Option(
        None, "--keep-days", metavar="N", min=1, help=_("Keep those of the last N days.")
    ),
) -> None:
    """Delete what the rules do not keep."""
    from smartcity_pkg.cli.wiring.backup import prune
    from smartcity_pkg.ui.views.backup import pruned

    session = session_of(context)
    session.show(pruned(prune(session, pemda, server, keep, keep_days)))


@backup.command("restore", cls=Command, help=_("Put a backup in the place of an app's data."))
def backup_restore(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    app: str = typer.Option(..., "--app", metavar="APP", help=_("Whose data.")),
    name: str | None = typer.Option(
        None, "--backup", metavar="NAME", help=_("Which one (default: the newest).")
    ),
    source: str | None = typer.Option(None, "--from", metavar="PLACE", help=_PLACE_HELP),
    identity: Path | None = typer.Option(
        None, "--identity", metavar="FILE", help=_("The age identity that opens encrypted copies.")
    ),
    ssh_key: Path | None = _SSH_KEY,
    without_backup: bool = typer.Option(
        False, "--without-backup", help=_("Go on even if what is there now cannot be saved.")
    ),
    yes: bool = _YES,
) -> None:
    """Restore one app."""
    from smartcity_pkg.cli.wiring.backup import Restoring, restore
    from smartcity_pkg.ui.views.backup import restored

    session = session_of(context)
    asked = Restoring(app, name or "", source, identity, ssh_key, without_backup, ask=not yes)
    session.show(restored(restore(session, pemda, server, asked)))


@backup.command("schedule", cls=Command, help=_("Let the servers back up every day by themselves."))
def backup_schedule(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    daily: str | None = typer.Option(
        None, "--daily", metavar="HH:MM", help=_("When, in the server's time.")
    ),
    keep: int = typer.Option(
        14, "--keep", metavar="N", min=1, help=_("Of these backups, keep the newest N of each app.")
    ),
    off: bool = typer.Option(False, "--off", help=_("Take the timer away; the backups stay.")),
) -> None:
    """Set up a systemd timer, or take it away."""
    from smartcity_pkg.cli.wiring.backup import schedule
    from smartcity_pkg.ui.views.backup import scheduled

    session = session_of(context)
    session.show(scheduled(*schedule(session, pemda, server, daily, keep, off)))


@backup.command("copy", cls=Command, help=_("Copy the backups to a second place, encrypted."))
def backup_copy(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    app: list[str] | None = _APPS,
    to: str = typer.Option(..., "--to", metavar="PLACE", help=_PLACE_HELP),
    recipient: str | None = typer.Option(
        None,
        "--recipient",
        metavar="age1…",
        help=_("Whose identity opens the copies (default: the profile's backup.recipient)."),
    ),
    unencrypted: bool = typer.Option(
        False, "--unencrypted", help=_("Copy the citizens' data readable for everyone there.")
    ),
    ssh_key: Path | None = _SSH_KEY,
) -> None:
    """Copy what the second place lacks."""
    from smartcity_pkg.cli.wiring.backup import copy_all
    from smartcity_pkg.ui.views.backup import copied

    session = session_of(context)
    done = copy_all(session, pemda, server, app, to, recipient, unencrypted, ssh_key)
    session.show(copied(done))


@backup.command("key", cls=Command, help=_("Make the pemda's age key for copies of backups."))
def backup_key(
    context: typer.Context,
    out: Path = typer.Option(
        ..., "--out", "-o", metavar="FILE", help=_("Where the identity, a secret, is written.")
    ),
) -> None:
    """Make an age key pair."""
    from smartcity_pkg.cli.wiring.backup import make_key
    from smartcity_pkg.ui.views.backup import key_made

    session = session_of(context)
    session.show(key_made(make_key(out), out))
