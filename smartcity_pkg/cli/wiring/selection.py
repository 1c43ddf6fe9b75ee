"""From a profile's name to a plan, its report, and answers to what if and what would it take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import NothingFitsError, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.pemda import Prices
    from smartcity_pkg.catalogue.plan import Plan
    from smartcity_pkg.selection.difference import Difference
    from smartcity_pkg.selection.what_if import WhatIf
    from smartcity_pkg.selection.wish import Wish


@dataclass(frozen=True)
class Asked:
    """Which pemda, on what day, and the file of the plan that runs now."""

    name: str
    today: date
    running: Path | None = None

    def before(self) -> Plan | None:
        """The plan that runs now."""
        from smartcity_pkg.catalogue.plan import load_plan

        return load_plan(self.running) if self.running else None


def only_one_answer(**given: object) -> None:
    """Refuse `--what-if` and `--wish` together, or with the names of files to write."""
    options = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if len(options) > 1 and {"--what-if", "--wish"} & set(options):
        raise UsageError(
            _("{options} do not go together").format(options=", ".join(options)),
            _("--what-if and --wish answer a question and write no file; give one of them"),
        )


def choose(
    session: Session, asked: Asked, out: Path | None, report: Path | None
) -> tuple[Plan, Path]:
    """Choose the apps of a pemda, write the plan and, if asked for, its report.

    A plan without any app is refused.
    """
    from smartcity_pkg.catalogue.plan import to_yaml
    from smartcity_pkg.selection.choose import select

    pemda = session.pemda(asked.name)
    plan = select(session.catalogue, pemda, today=asked.today, running=asked.before())
    if not plan.apps:
        raise NothingFitsError(
            _("no app can be chosen for {pemda}:").format(pemda=pemda.name)
            + "".join(f"\n{left.app}: {left.reason}" for left in plan.left_out),
            _("look at the profile: smartcity pemda show {region}").format(region=pemda.region),
        )
    file = out or session.workspace.plan(pemda.region)
    atomic.write(file, to_yaml(plan).encode())
    if report:
        from smartcity_pkg.report.page import page

        atomic.write(report, page(plan, session.catalogue, pemda, asked.today).encode())
    return plan, file


def what_if(session: Session, asked: Asked, changes: str) -> tuple[WhatIf, Difference]:
    """Both plans, as things are and with `changes`, and what changes between them."""
    from smartcity_pkg.selection.difference import difference
    from smartcity_pkg.selection.what_if import compare, parse

    answer = compare(
        session.catalogue,
        session.pemda(asked.name),
        parse(changes),
        today=asked.today,
        running=asked.before(),
    )
    return answer, difference(answer.before, answer.after, session.catalogue.apps)


def wish(session: Session, asked: Asked, names: str) -> tuple[Wish, Prices]:
    """What it takes to add the apps `names`, and the prices that were reckoned with."""
    from smartcity_pkg.selection.wish import answer

    pemda = session.pemda(asked.name)
    wished = [name.strip() for name in names.split(",") if name.strip()]
    if not wished:
        raise UsageError(_("--wish names no app"), _("write it like: --wish laksa,perizinan"))
    found = answer(session.catalogue, pemda, wished, today=asked.today, running=asked.before())
    return found, pemda.prices
