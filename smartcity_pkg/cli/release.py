"""From a plan to a signed bundle, and a look into it: `select`, `pack`, `inspect`, `diff` …"""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.parameters import BUNDLE, TRUST
from smartcity_pkg.cli.screens import Command
from smartcity_pkg.cli.session import day, session_of
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

_PEMDA = typer.Argument(help=_("Region code, part of a profile's name, or a profile file."))
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
    app.command(
        "diff",
        cls=Command,
        help=_("Show what changes between two bundles: apps, configuration, packages, bytes."),
    )(diff)
    app.command("verify", cls=Command, help=_("Check a bundle's signature and every byte."))(verify)


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
    since: list[str] | None = typer.Option(
        None,
        "--since",
        metavar="RELEASE|RECEIPT",
        help=_("Only what servers with this lack; may be given once for each server."),
    ),
    unsigned: bool = typer.Option(
        False, "--unsigned", help=_("Leave signing to others: smartcity sign.")
    ),
    date: str | None = _DATE,
) -> None:
    """Pack and sign a release."""
    from smartcity_pkg.cli.wiring.release import pack_release
    from smartcity_pkg.ui.views.bundle import packed

    session = session_of(context)
    if unsigned and key is not None:
        raise UsageError(_("--unsigned and --key exclude each other"), _("give one of them"))
    result = pack_release(
        session, pemda, plan, images, serial, key, day(date), out, not unsigned, since or ()
    )
    session.show(packed(result))


def inspect(
    context: typer.Context,
    bundle: str = BUNDLE,
    sbom: str | None = typer.Option(
        None, "--sbom", metavar="IMAGE", help=_("Give the image's packages as CycloneDX 1.6.")
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="FILE", help=_("Where --sbom goes (default: the screen).")
    ),
) -> None:
    """Show a bundle's contents without judging them."""
    from smartcity_pkg.bundle.inspect import inspect as look
    from smartcity_pkg.cli.wiring.inside import sbom_to
    from smartcity_pkg.cli.wiring.receipts import receipt_beside
    from smartcity_pkg.ui.views import inside

    session = session_of(context)
    path = session.workspace.bundle(bundle)
    if sbom is not None or out is not None:
        session.show(inside.sbom_shown(*sbom_to(path, sbom, out), out))
    else:
        session.show(inside.bundle_contents(look(path), path, receipt_beside(path)))


def diff(
    context: typer.Context,
    before: str = typer.Argument(help=_("The bundle that a pemda has, or a region code.")),
    after: str = typer.Argument(help=_("The bundle that would follow, or a region code.")),
    config: bool = typer.Option(
        False, "--config", help=_("Show the changed lines of configuration files as well.")
    ),
) -> None:
    """Compare two bundles without judging them."""
    from smartcity_pkg.bundle.compare import compare
    from smartcity_pkg.ui.views.inside import bundles_differ

    session = session_of(context)
    found = compare(session.workspace.bundle(before), session.workspace.bundle(after))
    session.show(bundles_differ(found, with_config=config))


def verify(
    context: typer.Context,
    bundle: str = BUNDLE,
    key: Path | None = TRUST,
    receipt: Path | None = typer.Option(
        None,
        "--receipt",
        metavar="FILE",
        help=_("Write who signed what, by which keys, checked when (BUNDLE.receipt.json)."),
    ),
) -> None:
    """Verify a bundle; exit code 10 if anything is wrong."""
    from smartcity_pkg.cli.wiring.receipts import verify_bundle
    from smartcity_pkg.ui.views.bundle import verified

    session = session_of(context)
    path = session.workspace.bundle(bundle)
    contents, made = verify_bundle(session, path, key, receipt)
    session.show(verified(contents, path, made, receipt))
