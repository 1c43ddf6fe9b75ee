"""From catalogue and profile to a plan: what is chosen and what is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest
from selection_world import TODAY, app, catalogue, pemda, placed, reasons, server

from smartcity_pkg.catalogue.app import Demand
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan, to_yaml
from smartcity_pkg.core.errors import InputError, NothingFitsError
from smartcity_pkg.selection import select
from smartcity_pkg.selection.check import check_plan

POSTGRES = app("postgres", platform=True, benefit=0, memory=100, staff={"data": 0.1})
GATEWAY = app("gateway", platform=True, benefit=0, memory=10)
LAKSA = app("laksa", benefit=90, memory=200, requires=("postgres >=1,<2", "gateway"))
SIAP = app("siap", benefit=40, memory=200, requires=("postgres", "gateway"))
SURAT = app("surat", benefit=30, memory=200, requires=("postgres",))
REFERENCE = catalogue(POSTGRES, GATEWAY, LAKSA, SIAP, SURAT)


def chosen(catalogue: Catalogue, pemda: Pemda, today: date = TODAY) -> Plan:
    plan = select(catalogue, pemda, today=today)
    assert check_plan(catalogue, pemda, plan, today) == ()
    return plan


def test_what_is_required_comes_along_on_the_same_server_once() -> None:
    profile = pemda(server("app1", 600), server("app2", 600), staff={"data": 1})
    plan = chosen(REFERENCE, profile)
    assert placed(plan) == {
        "gateway": ("app1",),
        "postgres": ("app1", "app2"),
        "laksa": ("app1",),
        "siap": ("app1",),
        "surat": ("app2",),
    }
    assert plan.benefit == plan.bound == 160
    assert [p.app for p in plan.apps] == ["gateway", "postgres", "laksa", "siap", "surat"]


def test_a_platform_apps_staff_counts_on_every_server() -> None:
    profile = pemda(server("app1", 600), server("app2", 600), staff={"data": 0.15})
    plan = chosen(REFERENCE, profile)
    assert {p.servers for p in plan.apps} == {("app1",)}
    used = {u.limit: (u.used, u.available) for u in plan.usage if u.scope == "pemda"}
    assert used["staff:data"] == (0.1, 0.15)


def test_every_chosen_app_has_its_reason() -> None:
    profile = pemda(
        server("app1", 900), must=("laksa",), priorities={"surat": 50}, staff={"data": 1}
    )
    why = {p.app: p.reason for p in chosen(REFERENCE, profile).apps}
    assert why == {
        "gateway": "Needed by laksa, siap.",
        "postgres": "Needed by laksa, siap, surat.",
        "laksa": "The profile insists on it; it brings benefit 90.",
        "siap": "It brings benefit 40.",
        "surat": "It brings benefit 50 by the profile's priorities.",
    }


def test_the_profiles_priorities_override_the_catalogues_benefit() -> None:
    profile = pemda(server("app1", 400), priorities={"surat": 99}, staff={"data": 1})
    plan = chosen(REFERENCE, profile)
    assert placed(plan) == {"postgres": ("app1",), "surat": ("app1",)}
    assert plan.benefit == 99


def test_demand_grows_with_the_residents() -> None:
    grows = app("grows", memory=100, per_100k=Demand(memory_mib=50))
    fits = pemda(server("app1", 200), population=200_000)
    assert placed(chosen(catalogue(grows), fits)) == {"grows": ("app1",)}
    too_many = pemda(server("app1", 200), population=200_001)
    assert placed(chosen(catalogue(grows), too_many)) == {}


@pytest.mark.parametrize(
    ("servers", "extra", "sentence"),
    [
        (
            (server("app1", 900), server("app2", 700)),
            {"memory": 1230},
            "the must-have apps big with what they require (gateway) do not fit: at best, "
            "server app1 lacks 340 MiB of memory (1,240 needed, 900 free)",
        ),
        (
            (server("app1", 900),),
            {"bandwidth": 5000},
            "the must-have apps big with what they require (gateway) do not fit: at best, "
            "the pemda lacks 4,000 kbit/s of bandwidth (5,000 needed, 1,000 available)",
        ),
        (
            (server("app1", 900),),
            {"staff": {"linux": 0.25}},
            "the must-have apps big with what they require (gateway) do not fit: at best, "
            "the pemda lacks 0.25 people with the skill linux (0.25 needed, 0 available)",
        ),
        (
            (server("app1", 900, cpus=2),),
            {"cpus": 2.5, "memory": 1000},
            "the must-have apps big with what they require (gateway) do not fit: at best, "
            "server app1 lacks 110 MiB of memory (1,010 needed, 900 free); "
            "server app1 lacks 0.5 CPUs (2.5 needed, 2 free)",
        ),
    ],
    ids=["memory", "bandwidth", "staff", "two-limits"],
)
def test_a_must_have_that_does_not_fit_names_the_limit_and_how_much(
    servers: tuple[object, ...], extra: dict[str, object], sentence: str
) -> None:
    big = app("big", requires=("gateway",), **extra)  # type: ignore[arg-type]
    profile = pemda(*servers, must=("big",), link_mbps=1)  # type: ignore[arg-type]
    with pytest.raises(NothingFitsError) as caught:
        select(catalogue(GATEWAY, big), profile, today=TODAY)
    assert caught.value.message == sentence
    assert caught.value.hint.startswith("what helps: ")


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        (pemda(must=("laksa",), covered=("siap",)), "The cooperation agreement PKS-1 does not"),
        (pemda(must=("laksa",), expires=date(2026, 5, 31)), "expired on 2026-05-31."),
        (pemda(must=("laksa",), begins=date(2026, 6, 2)), "valid only from 2026-06-02."),
        (
            pemda(must=("laksa",), exclude=("postgres",)),
            "It requires postgres, which no plan may hold: The profile excludes it",
        ),
    ],
    ids=["not-covered", "expired", "not-yet-valid", "requirement-excluded"],
)
def test_a_must_have_that_is_not_allowed_says_why(profile: Pemda, sentence: str) -> None:
    with pytest.raises(NothingFitsError, match="the must-have app laksa cannot be had") as caught:
        select(REFERENCE, profile, today=TODAY)
    assert sentence in caught.value.message


def test_must_haves_that_conflict_are_refused_by_name() -> None:
    first, second = app("first", conflicts=("second",)), app("second")
    with pytest.raises(NothingFitsError, match="It conflicts with second"):
        select(catalogue(first, second), pemda(must=("first", "second")), today=TODAY)


def test_the_agreements_first_and_last_day_count() -> None:
    profile = pemda(begins=TODAY, expires=TODAY, staff={"data": 1})
    assert "laksa" in placed(chosen(REFERENCE, profile))


@pytest.mark.parametrize("field", ["must", "exclude", "priorities"])
def test_a_choice_of_an_unknown_app_is_an_input_error(field: str) -> None:
    value = {"nothing": 5} if field == "priorities" else ("nothing",)
    profile = pemda(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"choice.{field}: the catalogue has no app"):
        select(REFERENCE, profile, today=TODAY)


def test_a_priority_for_a_platform_app_is_an_input_error() -> None:
    with pytest.raises(InputError, match="postgres is a platform app"):
        select(REFERENCE, pemda(priorities={"postgres": 5}), today=TODAY)


def test_what_runs_is_kept_among_equals() -> None:
    twins = catalogue(app("one"), app("two"))
    room_for_one = pemda(server("app1", 100))
    assert placed(chosen(twins, room_for_one)) == {"one": ("app1",)}
    running = chosen(twins, pemda(server("app1", 100), exclude=("one",)))
    kept = select(twins, room_for_one, today=TODAY, running=running)
    assert placed(kept) == {"two": ("app1",)}


def test_a_running_server_that_is_gone_does_not_matter() -> None:
    running = chosen(REFERENCE, pemda(server("old", 900), staff={"data": 1}))
    plan = select(
        REFERENCE, pemda(server("new", 900), staff={"data": 1}), today=TODAY, running=running
    )
    assert plan.servers == ("new",)


def test_an_empty_plan_still_explains_every_app() -> None:
    plan = chosen(REFERENCE, pemda(server("app1", 50)))
    assert plan.apps == ()
    assert set(reasons(plan)) == {"laksa", "siap", "surat"}


def test_the_order_of_catalogue_and_the_repetition_do_not_change_a_byte() -> None:
    apps = [POSTGRES, GATEWAY, LAKSA, SIAP, SURAT, app("extra", memory=70, benefit=40)]
    profile = pemda(server("app1", 400), server("app2", 380), staff={"data": 1})
    texts = {
        to_yaml(chosen(catalogue(*order), profile))
        for order in (apps, list(reversed(apps)), apps[3:] + apps[:3], apps)
    }
    assert len(texts) == 1


def test_a_hurried_plan_holds_and_does_not_claim_to_be_proven() -> None:
    apps = [
        app(
            f"app{i:02d}", memory=50 + 37 * i % 91, cpus=(11 * i % 17) / 8, benefit=10 + 13 * i % 71
        )
        for i in range(60)
    ]
    profile = pemda(*(server(f"s{i}", 900 + 31 * i, cpus=10 + i) for i in range(4)))
    plan = select(catalogue(*apps), profile, today=TODAY, time_limit_s=0)
    assert check_plan(catalogue(*apps), profile, plan, TODAY) == ()
    assert plan.bound > plan.benefit
    assert "time limit" in next(iter(reasons(plan).values()))


def test_solving_writes_nothing_to_stdout() -> None:
    code = (
        "from selection_world import *\n"
        "from smartcity_pkg.selection import select\n"
        "select(catalogue(app('one')), pemda(), today=TODAY)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    assert (done.stdout, done.stderr) == (b"", b"")
