"""From a plan to a signed bundle: `select`, `render`, `pack`, `inspect`, `verify`, `key new`."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import day, session_of
from smartcity_pkg.core.i18n import _

key = new_app(_("Keys that sign releases."))

_PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))
_BUNDLE = typer.Argument(
    help=_("A bundle (folder or .tar), or a region code: the newest packed for it.")
)
_DATE = typer.Option(
    None, "--date", metavar="YYYY-MM-DD", help=_("Judge agreements on this day (default: today).")
)
_PLAN = typer.Option(
    None, "--plan", metavar="FILE", help=_("The plan to use (default: plans/<region>.yaml).")
)
_IMAGES = typer.Option(
    "docker",
    "--images",
    metavar="SOURCE",
    help=_("Where images come from: docker (DOCKER_HOST), oci:PATH or archive:FILE."),
)
_TRUST = typer.Option(
    None,
    "--key",
    metavar="FILE",
    help=_("Trust this public key (default: keys/*.pub of the workspace)."),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("select", cls=Command, help=_("Choose the best set of apps a pemda can carry."))(
        select
    )
    app.command("render", cls=Command, help=_("Write the configuration of a plan's apps."))(render)
    app.command("pack", cls=Command, help=_("Pack a plan's apps and images into a signed bundle."))(
        pack
    )
    app.command("inspect", cls=Command, help=_("Show what is inside a bundle."))(inspect)
    app.command("verify", cls=Command, help=_("Check a bundle's signature and every byte."))(verify)
    app.add_typer(key, name="key")


def select(
    context: typer.Context,
    pemda: str = _PEMDA,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Where the plan goes (default: plans/).")
    ),
    date: str | None = _DATE,
    running: Path | None = typer.Option(
        None,
        "--running",
        metavar="PLAN",
        help=_("The plan that runs now: among equals, change least of it."),
    ),
    what_if: list[str] | None = typer.Option(
        None,
        "--what-if",
        metavar="CHANGES",
        help=_("Compare with other capacity (memory=+16GiB,bandwidth=+20Mbps); write no plan."),
    ),
    wish: list[str] | None = typer.Option(
        None,
        "--wish",
        metavar="APP,APP",
        help=_("Show what to buy so that these apps fit as well; write no plan."),
    ),
    report: Path | None = typer.Option(
        None, "--report", metavar="FILE.html", help=_("Also write a page to read and to print.")
    ),
) -> None:
    """Choose apps and write the plan, or answer a question about it."""
    from smartcity_pkg.cli.wiring import selection
    from smartcity_pkg.ui.views import choice
    from smartcity_pkg.ui.views.plan import plan_chosen

    session = session_of(context)
    asked = selection.Asked(pemda, day(date), running)
    changes = ",".join(what_if) if what_if else None  # both may be given several times
    wished = ",".join(wish) if wish else None
    selection.only_one_answer(what_if=changes, wish=wished, out=out, report=report)
    if changes is not None:
        session.show(choice.what_if(*selection.what_if(session, asked, changes), changes))
    elif wished is not None:
        session.show(choice.wish_answered(*selection.wish(session, asked, wished)))
    else:
        session.show(plan_chosen(*selection.choose(session, asked, out, report), report))


def render(
    context: typer.Context,
    pemda: str = _PEMDA,
    out: Path = typer.Option(..., "--out", "-o", metavar="DIR", help=_("A new or empty folder.")),
    plan: Path | None = _PLAN,
    images: str | None = typer.Option(
        None, "--images", metavar="SOURCE", help=_("Pin images to what this source has.")
    ),
    date: str | None = _DATE,
) -> None:
    """Write the rendered files to a folder."""
    from smartcity_pkg.cli.wiring.release import render_to
    from smartcity_pkg.ui.views.bundle import rendered_files

    session = session_of(context)
    rendered = render_to(session, pemda, plan, images, day(date), out)
    session.show(rendered_files(rendered.files, out, pinned=images is not None))


def pack(
    context: typer.Context,
    pemda: str = _PEMDA,
    out: Path | None = typer.Option(
        None,
        "--out",
        "-o",
        metavar="PATH",
        help=_("A folder or a .tar (default: releases/<region>/<serial>-<digest>.tar)."),
    ),
    plan: Path | None = _PLAN,
    images: str = _IMAGES,
    serial: int | None = typer.Option(
        None, "--serial", metavar="N", min=1, help=_("Number of the release (default: the next).")
    ),
    key: Path | None = typer.Option(
        None, "--key", metavar="FILE", help=_("Signing key (default: keys/release.key).")
    ),
    date: str | None = _DATE,
) -> None:
    """Pack and sign a release."""
    from smartcity_pkg.cli.wiring.release import pack_release
    from smartcity_pkg.ui.views.bundle import packed

    session = session_of(context)
    result = pack_release(session, pemda, plan, images, serial, key, day(date), out)
    session.show(packed(result))


def inspect(context: typer.Context, bundle: str = _BUNDLE) -> None:
    """Show a bundle's contents without judging them."""
    from smartcity_pkg.bundle.inspect import inspect as look
    from smartcity_pkg.ui.views.bundle import bundle_contents

    session = session_of(context)
    path = session.workspace.bundle(bundle)
    session.show(bundle_contents(look(path), path))


def verify(context: typer.Context, bundle: str = _BUNDLE, key: Path | None = _TRUST) -> None:
    """Verify a bundle; exit code 10 if anything is wrong."""
    from smartcity_pkg.bundle.verify import verify as check
    from smartcity_pkg.cli.wiring.keys import trusted_keys
    from smartcity_pkg.ui.views.bundle import verified

    session = session_of(context)
    path = session.workspace.bundle(bundle)
    contents = check(path, trusted_keys(session, key), session.progress)
    session.show(verified(contents, path))


@key.command("new", cls=Command, help=_("Make a signing key and its public key."))
def key_new(
    context: typer.Context,
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Default: keys/release.key.")
    ),
    no_password: bool = typer.Option(
        False, "--no-password", help=_("Leave the key unencrypted (for CI with a protected disk).")
    ),
) -> None:
    """Make a key pair; the password is asked for, or read from SMARTCITY_KEY_PASSWORD."""
    from smartcity_pkg.bundle.keys import new_key, public_path
    from smartcity_pkg.cli.wiring.keys import new_password
    from smartcity_pkg.ui.views.bundle import key_made

    session = session_of(context)
    path = out or session.workspace.signing_key
    made = new_key(path, None if no_password else new_password())
    session.show(key_made(made, path, public_path(path)))
