"""On a pemda's servers: `ship`, `install`, `deploy`, `status`, `rollback`, `uninstall`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli import roads
from smartcity_pkg.cli.parameters import BUNDLE, CA, PEMDA, PLAIN_HTTP, SERVER, TRUST
from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import Session, session_of
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.cli.wiring.servers import Allowed

_PROFILE = typer.Option(
    None, "--pemda", metavar="PEMDA", help=_("The profile (default: that of the bundle's region).")
)
_RELEASE = typer.Option(
    None, "--release", metavar="NAME", help=_("Which release (default: the newest that arrived).")
)
_OLDER = typer.Option(
    False,
    "--allow-downgrade",
    help=_("Accept a lower serial than the server has had; the journal records it."),
)
_LIMIT = typer.Option(
    None,
    "--limit",
    metavar="RATE",
    help=_("Send no faster, all servers together: 512kbit/s, 2Mbit/s, 1.5MB/s."),
)
_WINDOW = typer.Option(
    None,
    "--window",
    metavar="FROM-UNTIL",
    help=_("Send only at these hours, such as 22:00-05:00; else wait, and go on the next day."),
)
_PARALLEL = typer.Option(
    None, "--parallel", metavar="N", help=_("Send to so many servers at once (default: 8).")
)
_ACCEPT = typer.Option(
    None,
    "--accept",
    metavar="RULE",
    help=_("Go on in spite of a warning of this rule (see check); the journal records it."),
)


_WITHOUT_BACKUP = typer.Option(
    None,
    "--without-backup",
    metavar="APP",
    help=_("Upgrade this app even if its data cannot be backed up; may be given several times."),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("ship", cls=Command, help=_("Bring a bundle's missing bytes to the servers."))(ship)
    app.command("install", cls=Command, help=_("Install what has arrived on the servers."))(install)
    app.command("deploy", cls=Command, help=_("Ship, then install."))(deploy)
    app.command("status", cls=Command, help=_("Show what runs on the servers, and how well."))(
        status
    )
    app.command("rollback", cls=Command, help=_("Go back to the release before; needs no link."))(
        rollback
    )
    app.command("uninstall", cls=Command, help=_("Stop and remove the apps; keep their data."))(
        uninstall
    )


def ship(
    context: typer.Context,
    bundle: str = BUNDLE,
    pemda: str | None = _PROFILE,
    server: list[str] | None = SERVER,
    limit: str | None = _LIMIT,
    window: str | None = _WINDOW,
    parallel: int | None = _PARALLEL,
    dry_run: bool = typer.Option(
        False, "--dry-run", help=_("Only show what would be sent, and how long it would take.")
    ),
    plain_http: bool = PLAIN_HTTP,
    ca: Path | None = CA,
    key: Path | None = TRUST,
    to: str = roads.TO,
    part_size: str | None = roads.PART_SIZE,
    parity: int | None = roads.PARITY,
) -> None:
    """Ship a verified bundle."""
    from smartcity_pkg.cli.wiring.servers import preview_bundle, ship_bundle
    from smartcity_pkg.cli.wiring.shipping import ShipOptions
    from smartcity_pkg.ui.views.shipping import previewed, shipped

    session = session_of(context)
    way = roads.road(to, "--to")
    by_ssh: dict[str, object] = {"--dry-run": dry_run}
    by_link = {"--pemda": pemda, "--server": server, "--parallel": parallel, **by_ssh}
    by_link |= {"--limit": limit, "--window": window}
    of_registry: dict[str, object] = {"--plain-http": plain_http, "--ca": ca}
    if isinstance(way, roads.MediaRoad):
        roads.refuse(by_link | of_registry, _("with --to media:DIR"))
        _ship_to_disk(session, bundle, way.folder, key, part_size, parity)
        return
    roads.refuse({"--part-size": part_size, "--parity": parity}, _("without --to media:DIR"))
    if isinstance(way, roads.RegistryRoad):
        roads.refuse(by_ssh, _("with --to registry:HOST/NAME"))
    else:
        roads.refuse(of_registry, _("without --to registry:HOST/NAME"))
    options = ShipOptions(limit, window, parallel, way, plain_http, ca)
    if dry_run:
        session.show(previewed(preview_bundle(session, bundle, pemda, server, key, options)))
        return
    outcomes = ship_bundle(session, bundle, pemda, server, key, options)
    session.show_all(outcomes, shipped(outcomes))


def _ship_to_disk(
    session: Session,
    bundle: str,
    disk: Path,
    key: Path | None,
    size: str | None,
    parity: int | None,
) -> None:
    from smartcity_pkg.cli.wiring.media import copy_bundle
    from smartcity_pkg.ship.media.shape import Shape
    from smartcity_pkg.ui.views.media import copied

    shape = Shape(roads.size_bytes(size, "--part-size"), parity)
    session.show(copied(copy_bundle(session, bundle, disk, key, shape)))


def install(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    release: str | None = _RELEASE,
    allow_downgrade: bool = _OLDER,
    accept: list[str] | None = _ACCEPT,
    without_backup: list[str] | None = _WITHOUT_BACKUP,
    key: Path | None = TRUST,
    source: str | None = roads.FROM,
    resume: bool = typer.Option(
        False, "--resume", help=_("Finish what was interrupted: the same release, no other.")
    ),
    abort: bool = typer.Option(
        False, "--abort", help=_("Undo what was interrupted: the release before serves again.")
    ),
) -> None:
    """Install a shipped release, or one from a disk; or finish or undo what was interrupted."""
    from smartcity_pkg.cli.wiring.servers import Allowed, install_release
    from smartcity_pkg.ui.views.server import installed

    session = session_of(context)
    allowed = Allowed(allow_downgrade, tuple(accept or ()), tuple(without_backup or ()))
    if resume or abort:
        _after_interruption(session, pemda, server, allowed, key, resume, abort, release, source)
        return
    if source is not None:
        from smartcity_pkg.cli.wiring.media import install_from_disk
        from smartcity_pkg.ui.views.media import installed_from_disk

        disk = roads.disk(source, "--from")
        done = install_from_disk(session, pemda, disk, server, release, allowed, key)
        session.show(installed_from_disk(*done))
        return
    session.show(installed(install_release(session, pemda, server, release, allowed, key)))


def _after_interruption(
    session: Session,
    pemda: str,
    server: list[str] | None,
    allowed: Allowed,
    key: Path | None,
    resume: bool,
    abort: bool,
    release: str | None,
    source: str | None,
) -> None:
    from smartcity_pkg.cli.wiring.servers import abort_install, resume_install
    from smartcity_pkg.ui.views.server import aborted, resumed

    where = _("with --resume or --abort: the journal says which release")
    roads.refuse({"--release": release, "--from": source}, where)
    roads.refuse({"--abort": abort or None} if resume else {}, _("with --resume"))
    if resume:
        session.show(resumed(resume_install(session, pemda, server, allowed, key)))
    else:
        session.show(aborted(abort_install(session, pemda, server)))


def deploy(
    context: typer.Context,
    bundle: str = BUNDLE,
    pemda: str | None = _PROFILE,
    server: list[str] | None = SERVER,
    allow_downgrade: bool = _OLDER,
    accept: list[str] | None = _ACCEPT,
    without_backup: list[str] | None = _WITHOUT_BACKUP,
    limit: str | None = _LIMIT,
    window: str | None = _WINDOW,
    parallel: int | None = _PARALLEL,
    key: Path | None = TRUST,
) -> None:
    """Ship and install the same release."""
    from smartcity_pkg.cli.wiring.servers import Allowed, deploy_bundle
    from smartcity_pkg.cli.wiring.shipping import ShipOptions
    from smartcity_pkg.ui.views.shipping import deployed

    session, options = session_of(context), ShipOptions(limit, window, parallel)
    allowed = Allowed(allow_downgrade, tuple(accept or ()), tuple(without_backup or ()))
    ships, installs = deploy_bundle(session, bundle, pemda, server, allowed, key, options)
    session.show_all(ships, deployed(ships, installs))


def status(context: typer.Context, pemda: str = PEMDA, server: list[str] | None = SERVER) -> None:
    """Show each server's state."""
    from smartcity_pkg.cli.wiring.servers import server_status
    from smartcity_pkg.ui.views.server import states

    session = session_of(context)
    session.show(states(server_status(session, pemda, server)))


def rollback(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    with_data: bool = typer.Option(
        False,
        "--with-data",
        help=_("Put back the data of before the upgrade too; what was written since is left."),
    ),
    yes: bool = typer.Option(False, "--yes", "-y", help=_("Do not ask.")),
) -> None:
    """Go back to the previous release."""
    from smartcity_pkg.cli.wiring.backup import confirm_rollback
    from smartcity_pkg.cli.wiring.servers import roll_back
    from smartcity_pkg.ui.views.server import rolled_back

    session = session_of(context)
    if with_data and not yes:
        confirm_rollback(session, pemda, server)
    session.show(rolled_back(roll_back(session, pemda, server, with_data)))


def uninstall(
    context: typer.Context,
    pemda: str = PEMDA,
    server: list[str] | None = SERVER,
    purge_data: bool = typer.Option(
        False, "--purge-data", help=_("Delete the apps' data and secrets too; cannot be undone.")
    ),
    yes: bool = typer.Option(False, "--yes", "-y", help=_("Do not ask.")),
) -> None:
    """Remove the apps."""
    from smartcity_pkg.cli.wiring.servers import confirm_uninstall, remove_apps
    from smartcity_pkg.ui.views.server import uninstalled

    session = session_of(context)
    if not yes:
        confirm_uninstall(session, pemda, purge_data)
    session.show(uninstalled(remove_apps(session, pemda, server, purge_data)))
