"""Where the value of a secret comes from, and on which servers it changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import targets
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.install.rotate import RotateReport


def value_from(file: Path | None) -> bytes:
    """The value in `file`, else what the person types twice, unseen. UsageError, InputError."""
    from smartcity_pkg.catalogue.yamlfile import read_bytes
    from smartcity_pkg.install.rotate import MAX_BYTES

    if file is not None:
        value = read_bytes(file, str(file)).removesuffix(b"\n")
        if not value or len(value) > MAX_BYTES:
            raise InputError(
                Problem(
                    _("a secret has 1 to {most} bytes, this file has {found}").format(
                        most=MAX_BYTES, found=len(value)
                    ),
                    str(file),
                ),
                _("write the value into it, and nothing else"),
            )
        return value
    if not sys.stdin.isatty():
        raise UsageError(
            _("secret set asks for the value, and there is no terminal to ask at"),
            _("give --file FILE"),
        )
    typed: str = typer.prompt(
        _("New value"), hide_input=True, confirmation_prompt=_("Again"), err=True
    )
    return typed.encode()


def change_secret(
    session: Session,
    name: str,
    servers: list[str] | None,
    app: str,
    secret: str,
    value: bytes | None,
) -> list[RotateReport]:
    """Change a secret on every server that runs its app; UsageError where it must not change."""
    from smartcity_pkg.install.rotate import has_app, rotate

    pemda = session.pemda(name)
    entry = session.catalogue.apps.get(app)  # what runs may be older than the catalogue
    spec = entry.spec.secrets.get(secret) if entry else None
    if spec is not None and spec.fixed:
        raise UsageError(
            _("{app}: the secret {name} cannot be changed: {why}").format(
                app=app, name=secret, why=spec.fixed
            ),
            _("ask those who make the app how its data can be moved to a new value"),
        )
    reports = []
    for target in targets(pemda, servers):
        with target.place() as place:
            if not has_app(place, app):
                continue
            report = rotate(
                place.host,
                target.server.name,
                app,
                secret,
                value=value,
                progress=session.progress,
            )
            reports.append(report)
    if not reports:
        raise UsageError(
            _("no server runs an app called {app}").format(app=app),
            _("see what runs: smartcity status {pemda}").format(pemda=name),
        )
    return reports
