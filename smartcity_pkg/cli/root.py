"""The tree of commands."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.screens import new_app
from smartcity_pkg.cli.session import Session
from smartcity_pkg.core.i18n import _


def build(options: CommonOptions) -> TyperGroup:
    """The whole command, ready to run with `main(args, obj=Session)`."""
    from smartcity_pkg.cli import (
        apps,
        backup,
        config,
        keeping,
        keys,
        looking,
        media,
        plan,
        practice,
        registry,
        release,
        secrets,
        servers,
        signing,
    )

    app = new_app(
        _("Choose, pack, ship and install smart-city apps for a local government (pemda).")
    )
    app.callback()(_root)
    for module in (
        apps,
        release,
        signing,
        keys,
        registry,
        plan,
        config,
        servers,
        backup,
        looking,
        keeping,
        secrets,
        media,
        practice,
    ):
        module.register(app)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    command.context_settings["obj"] = Session(options)
    return command


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"smartcity {version('smartcity')}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_version,
        is_eager=True,
        help=_("Show the version and exit."),
    ),
) -> None:
    pass
