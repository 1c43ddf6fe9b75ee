"""Removable disks: `media check` and `media receipts`. Copying is `ship`, installing `install`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _

media = new_app(_("Disks that carry releases to a pemda without a link, and receipts back."))

_DISK = typer.Argument(metavar="DIR", help=_("Where the disk is mounted, like /media/usb."))


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(media, name="media")


@media.command("check", cls=Command, help=_("Read every part on a disk and name those damaged."))
def media_check(
    context: typer.Context,
    disk: Path = _DISK,
    repair: bool = typer.Option(
        False, "--repair", help=_("Write damaged parts anew onto the disk, from parity.")
    ),
) -> None:
    """Check the parts; what is in them is verified at the installation."""
    from smartcity_pkg.cli.wiring.media import check_releases
    from smartcity_pkg.ui.views.media import checked

    session = session_of(context)
    session.show(checked(check_releases(session, disk, repair), repair))


@media.command("receipts", cls=Command, help=_("Keep a disk's receipts: what each server holds."))
def media_receipts(context: typer.Context, disk: Path = _DISK) -> None:
    """Collect the receipts; the first of a server pins its key."""
    from smartcity_pkg.cli.wiring.media import collect_receipts
    from smartcity_pkg.ui.views.media import collected

    session = session_of(context)
    session.show(collected(collect_receipts(session, disk)))
