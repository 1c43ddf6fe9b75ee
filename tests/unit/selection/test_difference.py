"""What changes between two plans, and who notices."""

from __future__ import annotations

import pytest
from selection_world import app, catalogue

from smartcity_pkg.catalogue.app import Route
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.plan import Plan, PlannedApp, Usage
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.selection.difference import Affected, Move, Version, difference


def with_route(name: str, *requires: str) -> object:
    found = app(name, requires=requires)
    route = Route(path=f"/{name}/", service="web", port=80, health="/")
    return found.model_copy(update={"spec": found.spec.model_copy(update={"routes": (route,)})})


APPS: Catalogue = catalogue(
    app("base", platform=True),
    app("hub", requires=("base",)),
    with_route("shop", "hub"),  # type: ignore[arg-type]
    with_route("news"),  # type: ignore[arg-type]
)


def plan(benefit: int = 1, usage: tuple[Usage, ...] = (), **apps: str) -> Plan:
    """`shop="1.0 s1 s2"`: version and servers."""
    planned = tuple(
        PlannedApp(app=name, version=said.split()[0], servers=tuple(said.split()[1:]), reason="x")
        for name, said in apps.items()
    )
    return Plan(
        region="32.15",
        pemda="Kabupaten Karawang",
        catalogue_digest="c",
        profile_digest="p",
        benefit=benefit,
        bound=benefit,
        apps=planned,
        usage=usage,
    )


def test_equal_plans_differ_in_nothing_and_affect_nobody() -> None:
    one = plan(base="1.0 s1", hub="1.0 s1", shop="1.0 s1")
    found = difference(one, one, APPS.apps)
    assert found.nothing
    assert found.affected == ()


def test_what_is_only_added_interrupts_nobody() -> None:
    found = difference(plan(news="1.0 s1"), plan(news="1.0 s1", hub="1.0 s1"), APPS.apps)
    assert (found.added, found.removed, found.affected) == (("hub",), (), ())


def test_what_is_removed_is_gone_with_its_paths() -> None:
    found = difference(plan(news="1.0 s1", hub="1.0 s1"), plan(hub="1.0 s1"), APPS.apps)
    assert found.removed == ("news",)
    assert found.affected == (Affected("news", "s1", ("/news/",), gone=True),)


def test_another_version_restarts_the_app_and_interrupts_all_that_depend_on_it() -> None:
    before = plan(base="1.0 s1", hub="1.0 s1", shop="1.0 s1", news="1.0 s1")
    after = plan(base="2.0 s1", hub="1.0 s1", shop="1.0 s1", news="1.0 s1")
    found = difference(before, after, APPS.apps)
    assert found.versions == (Version("base", "1.0", "2.0"),)
    assert found.affected == (
        Affected("base", "s1", ()),
        Affected("hub", "s1", (), because=("base",)),
        Affected("shop", "s1", ("/shop/",), because=("base",)),
    )


def test_only_dependents_on_the_changed_server_are_interrupted() -> None:
    before = plan(base="1.0 s1 s2", hub="1.0 s1", shop="1.0 s1")
    found = difference(before, plan(base="1.0 s1", hub="1.0 s1", shop="1.0 s1"), APPS.apps)
    assert found.moved == (Move("base", leaves=("s2",), comes_to=()),)
    assert found.affected == (Affected("base", "s2", ()),)


def test_a_move_names_where_from_and_where_to() -> None:
    found = difference(plan(news="1.0 s1"), plan(news="1.0 s2"), APPS.apps)
    assert found.moved == (Move("news", ("s1",), ("s2",)),)
    assert found.affected == (Affected("news", "s1", ("/news/",)),)


def test_the_order_of_servers_is_no_move() -> None:
    assert difference(plan(base="1.0 s1 s2"), plan(base="1.0 s2 s1"), APPS.apps).nothing


def test_benefit_and_limits_stand_side_by_side_even_where_a_plan_lacks_one() -> None:
    def used(scope: str, amount: float) -> Usage:
        return Usage(scope=scope, limit="cpus", used=amount, available=4)

    before = plan(3, (used("s1", 1), used("s2", 2)), news="1.0 s1")
    after = plan(5, (used("s1", 1.5), used("s3", 1)), news="1.0 s1")
    found = difference(before, after, APPS.apps)
    assert (found.benefit_before, found.benefit_after) == (3, 5)
    assert [(u.scope, u.before, u.after) for u in found.limits] == [
        ("s1", 1, 1.5),
        ("s2", 2, None),
        ("s3", None, 1),
    ]


def test_an_app_that_the_catalogue_no_longer_has_is_told_as_well() -> None:
    found = difference(plan(old="1.0 s1"), plan(news="1.0 s1"), APPS.apps)
    assert (found.added, found.removed) == (("news",), ("old",))
    assert found.affected == (Affected("old", "s1", (), gone=True),)


def test_plans_of_different_pemda_are_not_compared() -> None:
    other = plan(news="1.0 s1").model_copy(update={"region": "32.16", "pemda": "Kabupaten Bekasi"})
    with pytest.raises(UsageError, match="Kabupaten Bekasi"):
        difference(plan(news="1.0 s1"), other, APPS.apps)
