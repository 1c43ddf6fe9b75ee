"""Signatures after packing, and agreements as signed grants: `sign`, `grant new`, `grant show`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

grant = new_app(_("The agreement (PKS) as a signed document that travels in every release."))

_PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("sign", cls=Command, help=_("Add a signature to a packed bundle."))(sign)
    app.add_typer(grant, name="grant")


def sign(
    context: typer.Context,
    bundle: str = typer.Argument(
        help=_("A bundle, a region code, or a request that came from --request.")
    ),
    key: Path | None = typer.Option(
        None, "--key", metavar="FILE", help=_("Signing key (default: keys/release.key).")
    ),
    request: Path | None = typer.Option(
        None,
        "--request",
        metavar="FILE",
        help=_("Do not sign: write what another, offline machine needs to sign the bundle."),
    ),
    attach: Path | None = typer.Option(
        None, "--attach", metavar="FILE", help=_("Add the signature that came back in this file.")
    ),
    out: Path | None = typer.Option(
        None,
        "--out",
        "-o",
        metavar="FILE",
        help=_("Where a request's signature goes (default: beside it, .signature.json)."),
    ),
) -> None:
    """Sign a bundle; or write, answer and attach a request, one of them at a time."""
    from smartcity_pkg.cli.wiring import signing
    from smartcity_pkg.ui.views import keys as views

    session = session_of(context)
    answering = signing.is_request(Path(bundle))
    _only_one(key=key, request=request, attach=attach)
    if answering and (request or attach):
        raise UsageError(
            _("“{file}” is a request, and no bundle").format(file=bundle), _("name the bundle")
        )
    if answering:
        session.show(views.request_signed(*signing.answer_request(session, Path(bundle), key, out)))
    elif out is not None:
        raise UsageError(_("--out is for the signature of a request"), _("leave it out"))
    elif request is not None:
        session.show(views.request_made(signing.write_request(session, bundle, request), request))
    elif attach is not None:
        session.show(views.bundle_signed(signing.attach(session, bundle, attach)))
    else:
        session.show(views.bundle_signed(signing.sign(session, bundle, key)))


@grant.command("new", cls=Command, help=_("Sign the agreement that a profile speaks of."))
def grant_new(
    context: typer.Context,
    pemda: str = _PEMDA,
    key: Path | None = typer.Option(
        None,
        "--key",
        metavar="FILE",
        help=_("Key with the role “grant” (default: keys/grant.key, else keys/release.key)."),
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Default: grants/<region>.json.")
    ),
) -> None:
    """Write a signed grant."""
    from smartcity_pkg.cli.wiring.signing import new_grant
    from smartcity_pkg.ui.views.keys import grant_made

    session = session_of(context)
    session.show(grant_made(*new_grant(session, pemda, key, out)))


@grant.command("show", cls=Command, help=_("Check a pemda's grant, and show what it allows."))
def grant_show(context: typer.Context, pemda: str = _PEMDA) -> None:
    """Show a grant; exit code 10 where no trusted key signed it."""
    from smartcity_pkg.cli.wiring.signing import checked_grant
    from smartcity_pkg.ui.views.keys import grant_shown

    session = session_of(context)
    session.show(grant_shown(*checked_grant(session, session.pemda(pemda).region)))


def _only_one(**given: Path | None) -> None:
    named = [f"--{name}" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise UsageError(
            _("{options} exclude each other").format(options=", ".join(named)),
            _("give one of them"),
        )
