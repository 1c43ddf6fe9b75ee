"""`smartcity demo`: the whole road on a practice server on this machine."""

from __future__ import annotations

import shutil

import typer

from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.cli.workspace import shipped
from smartcity_pkg.core.i18n import _

FOLDER = "smartcity-demo"


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(
        "demo",
        cls=Command,
        help=_("Walk the whole road on a practice server (needs root; else to the bundle)."),
    )(demo)


def demo(
    context: typer.Context,
    pemda: str = typer.Argument("32.15", help=_("The example profile to install for.")),
    stop: bool = typer.Option(
        False, "--stop", help=_("Remove the practice server that an earlier demo left running.")
    ),
) -> None:
    """Run the demo in the folder smartcity-demo, which is made anew."""
    from smartcity_pkg.lab import demo as road
    from smartcity_pkg.lab.lab import Lab, available
    from smartcity_pkg.ui.views import practice as views

    session = session_of(context)
    if stop:
        Lab("sc").close()
        session.show(views.stopped())
        return
    folder = session.workspace.root.resolve() / FOLDER
    profile = session.workspace.profile(pemda)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    walk = road.Demo(folder, shipped("bundles"), profile, session.progress)
    if missing := available():
        done = walk.run_to_the_bundle()
        session.show(views.walked_to_the_bundle(folder, done.durations_s, missing))
    else:
        done = walk.run()
        session.show(views.walked(done.url, done.ticket, folder, done.durations_s))
