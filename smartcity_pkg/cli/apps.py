"""`smartcity catalogue …` and `smartcity pemda …`: look at what people wrote, and check it."""

from __future__ import annotations

import typer

from smartcity_pkg.cli.root import Command, new_app
from smartcity_pkg.cli.session import session_of
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
def catalogue_lint(context: typer.Context) -> None:
    """Check the catalogue."""
    from smartcity_pkg.catalogue.lint import lint
    from smartcity_pkg.ui.views.catalogue import lint_report

    session = session_of(context)
    session.show(lint_report(session.catalogue, lint(session.catalogue)))


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
    from smartcity_pkg.ui.views.catalogue import pemda_list as view

    session = session_of(context)
    space = session.workspace
    paths = [space.profile(pemda)] if pemda else space.profiles()
    session.show(view([(path, load_pemda(path, session.catalogue)) for path in paths]))
