"""A plan that a person edited is judged by the same rules as one that was solved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from selection_world import TODAY, app, catalogue, pemda, server

from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.selection import select
from smartcity_pkg.selection.check import check_plan

APPS = catalogue(
    app("gateway", platform=True, memory=10),
    app("laksa", memory=200, requires=("gateway",), staff={"linux": 0.5}),
    app("siap", memory=200, requires=("gateway",), conflicts=("rival",)),
    app("rival", benefit=1, memory=10),
)
PROFILE = pemda(
    server("app1", 410), server("app2", 90), must=("laksa",), exclude=(), staff={"linux": 0.5}
)
PLAN = select(APPS, PROFILE, today=TODAY)


def planned(name: str, *servers: str, version: str = "1.0.0") -> PlannedApp:
    return PlannedApp(app=name, version=version, servers=servers or ("app1",), reason="by hand")


def with_apps(*apps: PlannedApp) -> Plan:
    return PLAN.model_copy(update={"apps": apps})


def without(name: str) -> Plan:
    return with_apps(*(p for p in PLAN.apps if p.app != name))


def test_a_solved_plan_holds() -> None:
    assert [p.app for p in PLAN.apps] == ["gateway", "laksa", "siap"]
    assert check_plan(APPS, PROFILE, PLAN, TODAY) == ()


def test_a_smaller_plan_holds_as_well() -> None:
    assert check_plan(APPS, PROFILE, without("siap"), TODAY) == ()


EDITS: dict[str, tuple[Callable[[], Plan], str]] = {
    "must-have-gone": (
        lambda: with_apps(planned("gateway"), planned("siap")),
        "laksa: the profile insists on it, and the plan does not have it.",
    ),
    "requirement-gone": (
        lambda: with_apps(planned("laksa")),
        "laksa: it requires gateway on server app1, which is not there.",
    ),
    "idle-platform-app": (
        lambda: with_apps(planned("gateway", "app1", "app2"), planned("laksa")),
        "gateway: no app on server app2 requires it.",
    ),
    "two-servers": (
        lambda: with_apps(planned("gateway", "app1", "app2"), planned("laksa", "app1", "app2")),
        "laksa: it may run on one server only.",
    ),
    "server-too-small": (
        lambda: with_apps(planned("gateway", "app2"), planned("laksa", "app2")),
        "Server app2: the plan takes 210 MiB of memory; 90 are free for apps.",
    ),
    "conflict": (
        lambda: with_apps(*PLAN.apps, planned("rival", "app2")),
        "rival and siap exclude each other; the plan has both.",
    ),
    "another-version": (
        lambda: with_apps(planned("gateway"), planned("laksa", version="0.9.0")),
        "laksa: the plan says version 0.9.0, the catalogue has 1.0.0.",
    ),
    "unknown-app": (
        lambda: with_apps(*PLAN.apps, planned("laska")),
        "laska: the catalogue has no such app.",
    ),
    "unknown-server": (
        lambda: with_apps(planned("gateway"), planned("laksa", "app9")),
        "laksa: the profile has no server called app9.",
    ),
    "app-twice": (
        lambda: with_apps(*PLAN.apps, planned("siap", "app2")),
        "siap: the plan names it twice.",
    ),
    "server-twice": (
        lambda: with_apps(planned("gateway", "app1", "app1"), planned("laksa")),
        "gateway: the plan names a server twice.",
    ),
    "another-region": (
        lambda: PLAN.model_copy(update={"region": "32.16"}),
        "The plan is for region 32.16, the profile is of region 32.15.",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_that_breaks_the_plan_is_named(case: str) -> None:
    edit, sentence = EDITS[case]
    assert sentence in check_plan(APPS, PROFILE, edit(), TODAY)


def test_a_plan_outlived_by_its_agreement_is_refused() -> None:
    ended = pemda(server("app1", 410), staff={"linux": 0.5}, expires=TODAY)
    plan = select(APPS, ended, today=TODAY)
    assert check_plan(APPS, ended, plan, TODAY) == ()
    later = check_plan(APPS, ended, plan, date(2026, 6, 2))
    assert "laksa: it may not run. The cooperation agreement PKS-1 that covers it expired" in (
        " ".join(later)
    )


def test_staff_that_left_breaks_the_plan() -> None:
    fewer = pemda(server("app1", 410), must=("laksa",), staff={"linux": 0.4})
    assert check_plan(APPS, fewer, PLAN, TODAY) == (
        "The plan takes 0.5 people with the skill linux; the pemda has 0.4.",
    )
