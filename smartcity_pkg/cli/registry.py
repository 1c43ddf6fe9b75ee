"""Bundles in OCI registries: `push`, `pull`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import BUNDLE, CA, PLAIN_HTTP, TRUST
from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("push", cls=Command, help=_("Push a bundle and its signatures to a registry."))(
        push
    )
    app.command("pull", cls=Command, help=_("Pull a bundle from a registry and verify it."))(pull)


def push(
    context: typer.Context,
    bundle: str = BUNDLE,
    place: str = typer.Argument(
        metavar="HOST/NAME[:TAG]", help=_("Where to; without a tag: the release and “latest”.")
    ),
    key: Path | None = TRUST,
    plain_http: bool = PLAIN_HTTP,
    ca: Path | None = CA,
) -> None:
    """Push a bundle; credentials come from the environment or docker's config.json."""
    from smartcity_pkg.bundle.registry.address import Transport
    from smartcity_pkg.cli.wiring.registry import push_bundle
    from smartcity_pkg.ui.views.registry import pushed

    session = session_of(context)
    result = push_bundle(session, bundle, place, key, Transport(plain_http, ca))
    session.show(pushed(result, place))


def pull(
    context: typer.Context,
    place: str = typer.Argument(
        metavar="HOST/NAME[:TAG|@DIGEST]", help=_("Where from; without a tag: “latest”.")
    ),
    out: Path | None = typer.Option(
        None,
        "--out",
        "-o",
        metavar="PATH",
        help=_("A folder or a .tar (default: releases/<region>/<serial>-<digest>.tar)."),
    ),
    key: Path | None = TRUST,
    plain_http: bool = PLAIN_HTTP,
    ca: Path | None = CA,
) -> None:
    """Pull a bundle; an untrusted one is refused with exit code 10 and leaves nothing."""
    from smartcity_pkg.bundle.registry.address import Transport
    from smartcity_pkg.cli.wiring.registry import pull_bundle
    from smartcity_pkg.ui.views.registry import pulled

    session = session_of(context)
    session.show(pulled(pull_bundle(session, place, key, Transport(plain_http, ca), out), place))
