"""`smartcity catalogue …` and `smartcity pemda …`: look at what people wrote, and check it."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import day, session_of
from smartcity_pkg.core.i18n import _

catalogue = new_app(_("The apps that can be chosen."))
pemda = new_app(_("The local governments: profile, capacity, agreement."))

_APP = typer.Argument(help=_("Name of an app."))
_PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))


def register(app: typer.Typer) -> None:
    """Add both groups to the root."""
    app.add_typer(catalogue, name="catalogue")
    app.add_typer(pemda, name="pemda")


@catalogue.command("list", cls=Command, help=_("List the apps with group, version and needs."))
def catalogue_list(context: typer.Context) -> None:
    """List the catalogue."""
    from smartcity_pkg.ui.views.catalogue import app_list

    session = session_of(context)
    session.show(app_list(session.catalogue))


@catalogue.command(
    "show", cls=Command, help=_("Show one app: what it is, needs, keeps and serves.")
)
def catalogue_show(context: typer.Context, app: str = _APP) -> None:
    """Show one app."""
    from smartcity_pkg.ui.views.catalogue import app_details

    session = session_of(context)
    session.show(app_details(session.catalogue.app(app)))


@catalogue.command("lint", cls=Command, help=_("Check every app; errors end with code 20."))
def catalogue_lint(
    context: typer.Context,
    folders: list[Path] | None = typer.Argument(
        None, help=_("Further apps or folders of apps (drafts), checked beside the catalogue.")
    ),
    explain: str | None = typer.Option(None, help=_("Only explain this rule, like SC012.")),
) -> None:
    """Check the catalogue, or explain a rule."""
    from smartcity_pkg.catalogue.rules import rule
    from smartcity_pkg.cli.wiring.onboarding import checked_catalogue
    from smartcity_pkg.ui.views.onboarding import explained, lint_report

    session = session_of(context)
    if explain:
        session.show(explained(rule(explain)))
        return
    session.show(lint_report(*checked_catalogue(session, folders or (), day(None))))


@catalogue.command(
    "import", cls=Command, help=_("Turn any Compose file into the draft of a catalogue entry.")
)
def catalogue_import(
    context: typer.Context,
    compose_file: Path = typer.Argument(help=_("The Compose file.")),
    name: str | None = typer.Option(
        None, help=_("The app's name (default: from the file or its folder).")
    ),
    out: Path | None = typer.Option(
        None, help=_("Folder of apps to write to (default: bundles, if it is there, or drafts).")
    ),
) -> None:
    """Import one Compose file."""
    from smartcity_pkg.cli.wiring.onboarding import import_app
    from smartcity_pkg.ui.views.onboarding import imported_app

    session = session_of(context)
    draft = import_app(session, compose_file, name, out)
    session.show(imported_app(draft.imported, compose_file, draft.file, draft.findings))


@catalogue.command(
    "schema", cls=Command, help=_("JSON Schemas of app, pemda, plan and policy files, for editors.")
)
def catalogue_schema(
    context: typer.Context,
    which: str | None = typer.Argument(None, help=_("app, pemda, plan or policy (default: all).")),
    out: Path | None = typer.Option(
        None, help=_("Write the files into this folder, instead of showing one schema.")
    ),
) -> None:
    """Show one schema, or write several."""
    from smartcity_pkg.cli.wiring.onboarding import write_schemas
    from smartcity_pkg.ui.views.onboarding import one_schema, schemas_written

    session = session_of(context)
    if out is not None:
        session.show(schemas_written(write_schemas(which, out)))
    else:
        session.show(one_schema(which))


@catalogue.command(
    "build",
    cls=Command,
    help=_("Build base images from Debian packages, and the apps' images on them (needs root)."),
)
def catalogue_build(
    context: typer.Context,
    apps: list[str] | None = typer.Argument(None, help=_("Only these apps (default: all).")),
) -> None:
    """Build on the engine of DOCKER_HOST, else on the practice engine that the demo uses."""
    from smartcity_pkg.lab.engine import build_engine
    from smartcity_pkg.lab.images import build_app_images, build_base_images
    from smartcity_pkg.ui.views.catalogue import built_images

    session = session_of(context)
    folder = session.workspace.catalogue
    for app in apps or ():
        session.catalogue.app(app)
    with build_engine(session.progress) as docker_host:
        images = build_base_images(docker_host, folder, session.progress)
        images += build_app_images(docker_host, folder, session.progress, only=apps)
    session.show(built_images([(i.name, i.id, i.fresh) for i in images], docker_host))


@catalogue.command(
    "measure",
    cls=Command,
    help=_("Run an app on a practice server and propose what its entry should say (needs root)."),
)
def catalogue_measure(
    context: typer.Context,
    app: str = _APP,
    seconds: float = typer.Option(40, min=4, help=_("How long to watch it.")),
    write: bool = typer.Option(False, "--write", help=_("Write the proposal into the entry.")),
) -> None:
    """Measure one app."""
    from smartcity_pkg.cli.wiring.measuring import measure, written
    from smartcity_pkg.ui.views.onboarding import measured_app

    session = session_of(context)
    measurement = measure(session, app, day(None), seconds)
    edit = written(session, measurement) if write else None
    if edit:
        edit.write()
    session.show(measured_app(measurement, edit.path if edit else None))


@pemda.command("list", cls=Command, help=_("List the profiles of this workspace and the examples."))
def pemda_list(context: typer.Context) -> None:
    """List the profiles."""
    from smartcity_pkg.catalogue.profile import load_pemda
    from smartcity_pkg.ui.views.catalogue import pemda_list as view

    session = session_of(context)
    paths = session.workspace.profiles()
    session.show(view([(path, load_pemda(path)) for path in paths]))


@pemda.command("show", cls=Command, help=_("Show one profile."))
def pemda_show(context: typer.Context, pemda: str = _PEMDA) -> None:
    """Show one profile."""
    from smartcity_pkg.ui.views.catalogue import pemda_details

    session = session_of(context)
    session.show(pemda_details(session.pemda(pemda)))


@pemda.command("lint", cls=Command, help=_("Check a profile (all, if none is named)."))
def pemda_lint(
    context: typer.Context,
    pemda: str | None = typer.Argument(None, help=_PEMDA.help),
) -> None:
    """Check one profile or all of them."""
    from smartcity_pkg.catalogue.profile import load_pemda
    from smartcity_pkg.ui.views.catalogue import pemda_checked

    session = session_of(context)
    space = session.workspace
    paths = [space.profile(pemda)] if pemda else space.profiles()
    session.show(pemda_checked([(path, load_pemda(path, session.catalogue)) for path in paths]))


@pemda.command(
    "probe", cls=Command, help=_("Log on to the servers and write what they are into the profile.")
)
def pemda_probe(
    context: typer.Context,
    pemda: str = _PEMDA,
    server: list[str] | None = typer.Option(None, help=_("Only this server (may be repeated).")),
    dry_run: bool = typer.Option(
        False, "--dry-run", help=_("Show the change of the profile, write nothing.")
    ),
    date: str | None = typer.Option(None, help=_("Date of the measurement (default: today).")),
) -> None:
    """Measure each server."""
    from smartcity_pkg.cli.wiring.probing import differences, probe
    from smartcity_pkg.ui.views.onboarding import probed_servers

    session = session_of(context)
    found, edit = probe(session, pemda, server, day(date), write=not dry_run)
    if not dry_run:
        edit.write()
    differing = {p.server.name: differences(p) for p in found}
    session.show(probed_servers(found, differing, edit, written=not dry_run))
