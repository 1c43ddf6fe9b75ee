"""Arguments and options that several commands share, so that they say the same everywhere."""

from __future__ import annotations

import typer

from smartcity_pkg.core.i18n import _

BUNDLE = typer.Argument(
    help=_("A bundle (folder or .tar), or a region code: the newest packed for it.")
)
PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))
SERVER = typer.Option(
    None, "--server", metavar="NAME", help=_("Only this server; may be given several times.")
)
TRUST = typer.Option(
    None,
    "--key",
    metavar="FILE",
    help=_("Trust this public key alone (default: the workspace's ring, else all keys/*.pub)."),
)
PLAIN_HTTP = typer.Option(
    False,
    "--plain-http",
    help=_("Speak HTTP, not HTTPS (for this machine's own registry that is so anyway)."),
)
CA = typer.Option(
    None, "--ca", metavar="FILE", help=_("Trust only these authorities for HTTPS (PEM).")
)
PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))
APP = typer.Argument(help=_("The app's name."))
SERVER = typer.Option(
    None, "--server", metavar="NAME", help=_("Only this server; may be given several times.")
)
