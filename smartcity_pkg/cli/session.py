"""What the commands share: options, presenter, workspace; loaded when first asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.common import CommonOptions, discard_output, make_presenter
from smartcity_pkg.cli.workspace import Workspace
from smartcity_pkg.core.errors import InputError, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.catalogue import Catalogue
    from smartcity_pkg.catalogue.pemda import Pemda
    from smartcity_pkg.catalogue.plan import Plan
    from smartcity_pkg.core.progress import Event
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ui.presenter import Presenter, Result


class Session:
    """One run of the command."""

    def __init__(self, options: CommonOptions) -> None:
        self.options = options
        self.workspace = Workspace(options.workspace)

    @cached_property
    def presenter(self) -> Presenter:
        """Who draws."""
        return make_presenter(self.options)

    def progress(self, event: Event) -> None:
        """Pass an event to the presenter."""
        self.presenter.progress(event)

    def show(self, result: Result) -> None:
        """Pass the outcome to the presenter; the work is done, whoever still reads of it."""
        try:
            self.presenter.result(result)
            sys.stdout.flush()
        except BrokenPipeError:  # `smartcity … | head` has seen enough
            discard_output()

    def show_all(self, outcomes: Sequence[Outcome], result: Result) -> None:
        """Show what became of each server, then raise what failed; one server alone just raises."""
        from smartcity_pkg.ship.fanout import failure

        error = failure(outcomes)
        if error is None or len(outcomes) > 1:
            self.show(result)
        if error is not None:
            raise error

    def close(self) -> None:
        """Take down what is drawn. May be called twice."""
        if "presenter" in self.__dict__:
            self.presenter.close()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The apps to choose from."""
        from smartcity_pkg.catalogue.catalogue import load_catalogue

        return load_catalogue(self.workspace.catalogue)

    def pemda(self, name: str) -> Pemda:
        """The profile that `name` means, checked against the catalogue."""
        from smartcity_pkg.catalogue.profile import load_pemda

        return load_pemda(self.workspace.profile(name), self.catalogue)

    def plan(self, pemda: Pemda, file: Path | None, today: date) -> Plan:
        """The plan in `file` (default: the workspace's), checked to be still possible."""
        from smartcity_pkg.catalogue.plan import load_plan
        from smartcity_pkg.core.errors import Problem
        from smartcity_pkg.selection.check import check_plan

        path = file or self.workspace.plan(pemda.region)
        if not path.exists():
            raise UsageError(
                _("there is no plan for {pemda} yet ({file})").format(pemda=pemda.name, file=path),
                _("make one: smartcity select {region}").format(region=pemda.region),
            )
        plan = load_plan(path)
        if faults := check_plan(self.catalogue, pemda, plan, today):
            raise InputError(
                [Problem(fault, str(path)) for fault in faults],
                _("choose again: smartcity select {region}").format(region=pemda.region),
            )
        return plan


def session_of(context: typer.Context) -> Session:
    """The session of the running command."""
    session = context.find_object(Session)
    assert session is not None
    return session


def day(text: str | None, option: str = "--date") -> date:
    """The date that `option` gives, else today."""
    if text is None:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            _("{option} is “{given}”, expected YYYY-MM-DD").format(option=option, given=text)
        ) from None
