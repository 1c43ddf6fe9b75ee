"""Settings of a pemda's apps: `config show`, `config get`, `config set`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import PEMDA, TRUST
from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _

config = new_app(_("Settings of the apps, in the pemda's profile."))

_APP = typer.Argument(help=_("The app's name, or site: what all apps read."))
_KEY = typer.Argument(help=_("The setting's name; inside an object: outer.inner."))


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(config, name="config")


@config.command("show", cls=Command, help=_("Show all settings of an app."))
def config_show(
    context: typer.Context,
    pemda: str = PEMDA,
    app: str = _APP,
    origin: bool = typer.Option(
        False,
        "--origin",
        help=_("Also say where each value comes from: file and line, or default."),
    ),
) -> None:
    """List settings with their values."""
    from smartcity_pkg.cli.wiring.config import settings_of
    from smartcity_pkg.ui.views.config import settings_shown

    session = session_of(context)
    session.show(settings_shown(app, settings_of(session, pemda, app), origin))


@config.command("get", cls=Command, help=_("Show one setting's value, and nothing else."))
def config_get(
    context: typer.Context, pemda: str = PEMDA, app: str = _APP, key: str = _KEY
) -> None:
    """Print a value: text as it is, everything else as JSON."""
    from smartcity_pkg.cli.wiring.config import setting_of
    from smartcity_pkg.ui.views.config import setting_shown

    session = session_of(context)
    session.show(setting_shown(app, setting_of(session, pemda, app, key)))


@config.command(
    "set", cls=Command, help=_("Change a setting in the profile; comments and order stay.")
)
def config_set(
    context: typer.Context,
    pemda: str = PEMDA,
    app: str = _APP,
    key: str = _KEY,
    value: str = typer.Argument(help=_("Text as it is; numbers, true, false, lists as JSON.")),
    deploy: bool = typer.Option(
        False, "--deploy", help=_("Then pack, ship and install: only what it touches starts anew.")
    ),
    images: str = typer.Option(
        "docker", "--images", metavar="SOURCE", help=_("With --deploy: where images come from.")
    ),
    key_file: Path | None = TRUST,
) -> None:
    """Set a value, checked against the app's schema before anything is written."""
    from smartcity_pkg.cli.wiring.config import change_setting, deploy_change
    from smartcity_pkg.ui.views.config import setting_changed
    from smartcity_pkg.ui.views.shipping import deployed

    session = session_of(context)
    edit = change_setting(session, pemda, app, key, value)
    if deploy:
        ships, installs = deploy_change(session, pemda, images, key_file)
        session.show_all(ships, deployed(ships, installs))
    else:
        session.show(setting_changed(pemda, edit))
