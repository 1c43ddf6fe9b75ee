"""The plan: which apps run on which server of a pemda, and one true sentence for each left out.

A YAML file that people review and commit. It holds no clock and no machine's path, so that the same
question always gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import AppName, AppVersion, Model
from smartcity_pkg.catalogue.pemda import RegionCode
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.core.i18n import _


class PlannedApp(Model):
    """One app of a plan, and the servers that it runs on (platform apps may run on several)."""

    app: AppName
    version: AppVersion
    servers: tuple[AppName, ...] = Field(min_length=1)
    reason: str


class Extra(Model):
    """How much more of one limit it takes. `scope` is a server's name or "pemda"."""

    scope: str
    limit: str
    amount: float = Field(gt=0)


class LeftOut(Model):
    """One app that the plan does not take, and why.

    `benefit` is what it would bring. Where it could be had in place of the apps `displaces`, the
    plan would bring `loss` less benefit. `extra` is the least more capacity that would admit it
    beside all chosen apps, which stay where they stand, or have to move if `moving`; empty where it
    would fit as it is, None where capacity alone does not help.
    """

    app: AppName
    reason: str
    benefit: int = 0
    displaces: tuple[AppName, ...] = ()
    loss: int = 0
    extra: tuple[Extra, ...] | None = None
    moving: bool = False


class Usage(Model):
    """How much of one limit the plan uses. `scope` is a server's name or "pemda"."""

    scope: str
    limit: str
    used: float
    available: float


class Plan(Model):
    """The outcome of a selection."""

    schema_version: Literal[1] = 1
    kind: Literal["plan"] = "plan"
    region: RegionCode
    pemda: str
    catalogue_digest: str
    profile_digest: str
    benefit: int
    bound: int
    apps: tuple[PlannedApp, ...]
    left_out: tuple[LeftOut, ...] = ()
    usage: tuple[Usage, ...] = ()

    def on_server(self, server: str) -> tuple[PlannedApp, ...]:
        """The apps that run on `server`, in the plan's order."""
        return tuple(a for a in self.apps if server in a.servers)

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers that run anything, sorted."""
        return tuple(sorted({s for a in self.apps for s in a.servers}))


def to_yaml(plan: Plan) -> str:
    """The plan as a file's text; equal plans give equal text."""
    return yamlfile.dump(plan.model_dump(mode="json"))


def load_plan(path: Path) -> Plan:
    """The plan in the file at `path`; one InputError lists every fault with its line.

    Whether the plan is still possible is for `selection.check` to say.
    """
    document = yamlfile.read(path)
    plan = yamlfile.validate(document, Plan)
    places = [
        *((("apps", i), app.app) for i, app in enumerate(plan.apps)),
        *((("left_out", i), app.app) for i, app in enumerate(plan.left_out)),
    ]
    seen: set[str] = set()
    problems = []
    for place, name in places:
        if name in seen:
            problems.append(
                document.problem(
                    (*place, "app"),
                    _("“{app}” stands in this plan twice").format(app=name),
                    _("keep one, or choose again: smartcity select {region}").format(
                        region=plan.region
                    ),
                )
            )
        seen.add(name)
    if problems:
        raise InputError(problems)
    return plan
