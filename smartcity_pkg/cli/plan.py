"""`smartcity plan …`: look at plan files."""

from __future__ import annotations

from pathlib import Path

import typer

from smartcity_pkg.cli.screens import Command, new_app
from smartcity_pkg.cli.session import session_of
from smartcity_pkg.core.i18n import _

plan = new_app(_("Plans: what `select` wrote."))


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    app.add_typer(plan, name="plan")


@plan.command(
    "diff", cls=Command, help=_("Show what changes between two plans, and who is affected.")
)
def plan_diff(
    context: typer.Context,
    before: Path = typer.Argument(help=_("The plan that runs now.")),
    after: Path = typer.Argument(help=_("The plan that would follow.")),
) -> None:
    """Compare two plan files."""
    from smartcity_pkg.catalogue.plan import load_plan
    from smartcity_pkg.selection.difference import difference
    from smartcity_pkg.ui.views.choice import plans_differ

    session = session_of(context)
    found = difference(load_plan(before), load_plan(after), session.catalogue.apps)
    session.show(plans_differ(found, str(before), str(after)))
