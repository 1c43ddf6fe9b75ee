"""What `render` promises about the files of the real catalogue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from render_world import ROOT, Compose, Small, a_pemda, a_plan

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.catalogue.release import ReleaseApp, pinned
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.render.render import Rendered, render

APPS = ("e-surat", "gateway", "laksa", "perizinan", "postgres", "siap-kerja")
CITIZEN = ("e-surat", "laksa", "perizinan", "siap-kerja")


@pytest.fixture(scope="module")
def rendered(catalogue: Catalogue, shared: dict[str, str]) -> Rendered:
    return render(a_plan(catalogue), catalogue, a_pemda(), shared=shared, pins=_pins(catalogue))


def _pins(catalogue: Catalogue) -> dict[str, str]:
    return {
        image: pinned(image, "sha256:" + "a1" * 32)
        for app in catalogue.apps.values()
        for image in app.images
    }


def _second(rendered: Rendered, app: str, server: str = "app-1") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        rendered.files[f"{server}/{app}/compose.smartcity.yaml"]
    )
    return document


def _app(rendered: Rendered, name: str) -> ReleaseApp:
    return next(a for a in rendered.apps if a.app == name)


def test_an_apps_own_compose_file_is_passed_on_byte_for_byte(rendered: Rendered) -> None:
    for app in APPS:
        original = (ROOT / "bundles" / app / "compose.yaml").read_bytes()
        assert rendered.files[f"app-1/{app}/compose.yaml"] == original


def test_every_path_of_a_release_app_is_one_of_its_files(rendered: Rendered) -> None:
    for app in rendered.apps:
        for path in (*app.compose_files, app.env_file):
            assert path in rendered.files
            assert path.startswith(f"{app.server}/{app.app}/")


def test_apps_stand_providers_first_and_say_what_they_wait_for(rendered: Rendered) -> None:
    order = [a.app for a in rendered.apps]
    assert sorted(order) == sorted(APPS)
    for app in rendered.apps:
        assert all(order.index(provider) < order.index(app.app) for provider in app.after)
    assert _app(rendered, "laksa").after == ("gateway", "postgres")


def test_the_second_file_of_an_app_has_exactly_this_shape(rendered: Rendered) -> None:
    second = _second(rendered, "laksa")
    config = next(iter(second["configs"]))
    assert re.fullmatch(r"laksa_app\.json_[0-9a-f]{12}", config)
    assert second == {
        "services": {
            "web": {
                "image": "smartcity/laksa:1.0.0-a1a1a1a1a1a1",
                "pull_policy": "never",
                "labels": {
                    "smartcity.app": "laksa",
                    "smartcity.region": "32.15",
                    "smartcity.version": "1.0.0",
                },
                "networks": {
                    "smartcity-gateway": {"aliases": ["laksa"]},
                    "smartcity-postgres": {},
                },
                "configs": [{"source": config, "target": "/etc/smartcity/app.json"}],
                "security_opt": ["no-new-privileges:true"],
                "init": True,
                "ulimits": {"nofile": {"soft": 8192, "hard": 8192}},
                "deploy": {"resources": {"limits": {"pids": 1024}}},
            }
        },
        "networks": {
            n: {"name": n, "external": True} for n in ("smartcity-gateway", "smartcity-postgres")
        },
        "secrets": {
            s: {"file": f"/var/lib/smartcity/secrets/laksa/{s}"}
            for s in ("db_password", "officer_password", "session_key")
        },
        "configs": {config: {"file": second["configs"][config]["file"]}},
    }
    path = second["configs"][config]["file"].removeprefix("./")
    assert re.fullmatch(r"files/[0-9a-f]{16}-app\.json", path)
    assert f"app-1/laksa/{path}" in rendered.files


def test_a_provider_gets_a_copy_of_each_secret_that_is_shared_with_it(rendered: Rendered) -> None:
    keys = [f"{app}_db_password" for app in CITIZEN]
    second = _second(rendered, "postgres")
    assert second["secrets"] == {
        k: {"file": f"/var/lib/smartcity/secrets/postgres/{k}"} for k in keys
    }
    assert second["services"]["postgres"]["secrets"] == [{"source": k, "target": k} for k in keys]
    files = {f.path: f for f in _app(rendered, "postgres").secrets}
    assert files["postgres/laksa_db_password"].source == "laksa/db_password"
    assert {f.uid for f in files.values()} == {10001}


def test_the_entrance_publishes_its_port_on_a_network_of_its_own(rendered: Rendered) -> None:
    second = _second(rendered, "gateway")
    assert second["networks"]["default"] == {"name": "app-gateway"}
    assert set(second["services"]["nginx"]["networks"]) == {"default", "smartcity-gateway"}
    assert _app(rendered, "gateway").networks == ("smartcity-gateway",)
    assert rendered.entrance_ports == {"app-1": 80}


def test_the_setting_of_a_port_reaches_compose_and_the_entrance(
    catalogue: Catalogue, shared: dict[str, str], compose: Compose, tmp_path: Path
) -> None:
    pemda = a_pemda(settings={"gateway": {"http_port": 8088}})
    rendered = render(a_plan(catalogue), catalogue, pemda, shared=shared, pins={})
    assert rendered.entrance_ports == {"app-1": 8088}
    ports = compose.config(rendered, tmp_path)["gateway"]["services"]["nginx"]["ports"]
    assert {"8088", "443"} == {p["published"] for p in ports}


def test_compose_merges_every_app_without_a_warning(
    rendered: Rendered, compose: Compose, tmp_path: Path
) -> None:
    merged = compose.config(rendered, tmp_path)
    assert set(merged) == set(APPS)
    for app in rendered.apps:
        document = merged[app.app]
        assert document["name"] == app.project
        assert set(document["services"]) == set(app.services)
        assert {s["image"] for s in document["services"].values()} == set(app.images)
        external = {n["name"] for n in document["networks"].values() if n.get("external")}
        assert external == set(app.networks)
        secrets = {s["file"] for s in document.get("secrets", {}).values()}
        assert secrets == {f"/var/lib/smartcity/secrets/{f.path}" for f in app.secrets}
        for config in document.get("configs", {}).values():
            assert Path(config["file"]).is_relative_to(tmp_path / app.server / app.app / "files")
            assert Path(config["file"]).is_file()


def test_a_service_keeps_its_own_secrets_beside_those_of_other_apps(
    small: Small, compose: Compose, tmp_path: Path
) -> None:
    small.app("db", spec={"secrets": {"root": {}}}, services={"db": {"secrets": ["root"]}})
    small.app(
        "web",
        spec={"secrets": {"password": {"share_with": ["db"]}}, "requires": [{"app": "db"}]},
        services={"web": {"secrets": ["password"]}},
    )
    merged = compose.config(small.render(), tmp_path / "release")
    assert {s["source"] for s in merged["db"]["services"]["db"]["secrets"]} == {
        "root",
        "web_password",
    }


def test_an_image_without_a_pin_stays_as_the_app_says(
    catalogue: Catalogue, shared: dict[str, str]
) -> None:
    rendered = render(a_plan(catalogue), catalogue, a_pemda(), shared=shared, pins={})
    assert "image" not in _second(rendered, "laksa")["services"]["web"]
    assert _app(rendered, "laksa").images == ("smartcity/laksa:1.0.0",)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(APPS), servers=st.permutations(["app-1", "app-2"]))
def test_the_order_in_a_plan_does_not_change_a_byte(
    catalogue: Catalogue, shared: dict[str, str], order: list[str], servers: list[str]
) -> None:
    pemda = a_pemda("app-1", "app-2")

    def rendered(names: list[str], on: tuple[str, ...]) -> Rendered:
        plan = a_plan(catalogue, *names, servers=on)
        return render(plan, catalogue, pemda, shared=shared, pins=_pins(catalogue))

    first = rendered(list(APPS), ("app-1", "app-2"))
    second = rendered(order, tuple(servers))
    assert list(first.files.items()) == list(second.files.items())
    assert first == second


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(chosen=st.sets(st.sampled_from(CITIZEN), min_size=1))
def test_another_app_beside_it_leaves_an_app_untouched(
    catalogue: Catalogue, shared: dict[str, str], rendered: Rendered, chosen: set[str]
) -> None:
    plan = a_plan(catalogue, "gateway", "postgres", *sorted(chosen))
    fewer = render(plan, catalogue, a_pemda(), shared=shared, pins=_pins(catalogue))
    for app in fewer.apps:
        same = app == _app(rendered, app.app)
        assert same is (app.app in CITIZEN or chosen == set(CITIZEN))


def test_a_changed_setting_changes_the_digest_of_that_app_alone(
    catalogue: Catalogue, shared: dict[str, str], rendered: Rendered
) -> None:
    pemda = a_pemda(settings={"laksa": {"contact": "0267 400 111"}})
    other = render(a_plan(catalogue), catalogue, pemda, shared=shared, pins=_pins(catalogue))
    before = {a.app: a.config_digest for a in rendered.apps}
    assert {a.app for a in other.apps if before[a.app] != a.config_digest} == {"laksa"}
    old, new = _second(rendered, "laksa"), _second(other, "laksa")
    assert set(old["configs"]).isdisjoint(new["configs"])


def test_each_server_gets_its_own_folder_and_only_its_own_neighbours(
    catalogue: Catalogue, shared: dict[str, str]
) -> None:
    def planned(server: str, *names: str) -> Plan:
        return a_plan(catalogue, *names, servers=(server,))

    platform = a_plan(catalogue, "gateway", "postgres", servers=("app-1", "app-2"))
    apps = (*platform.apps, *planned("app-1", "laksa").apps, *planned("app-2", "e-surat").apps)
    plan = platform.model_copy(update={"apps": apps})
    rendered = render(plan, catalogue, a_pemda("app-1", "app-2"), shared=shared, pins={})
    assert {p.split("/")[0] for p in rendered.files} == {"app-1", "app-2"}
    assert set(_second(rendered, "postgres", "app-1")["secrets"]) == {"laksa_db_password"}
    assert set(_second(rendered, "postgres", "app-2")["secrets"]) == {"e-surat_db_password"}
    assert rendered.entrance_ports == {"app-1": 80, "app-2": 80}


def test_no_secret_value_is_in_any_file(rendered: Rendered) -> None:
    """Secrets are made on the server: what is here may name their files and nothing else."""
    for path, content in rendered.files.items():
        assert b"/run/secrets/" not in content or path.endswith("databases.json"), path
        for line in content.decode().splitlines():
            assert not re.search(r"(password|session_key)['\"]?\s*[:=]\s*['\"]?\w{12,}", line), line


BAD_PLANS = {
    "another region": ({"region": "32.16"}, "the plan is for region 32.16"),
    "an app that is not there": ({"app": "lakza"}, "the plan takes lakza"),
    "another version": ({"version": "0.9.0"}, "laksa 0.9.0, the catalogue has 1.0.0"),
    "a server that is not there": ({"servers": ("app-9",)}, "the server app-9"),
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_plan_that_does_not_fit_is_refused(
    catalogue: Catalogue, shared: dict[str, str], name: str
) -> None:
    change, said = BAD_PLANS[name]
    plan = a_plan(catalogue)
    if "region" in change:
        plan = plan.model_copy(update=change)
    else:
        apps = [a.model_copy(update=change) if a.app == "laksa" else a for a in plan.apps]
        plan = plan.model_copy(update={"apps": tuple(apps)})
    with pytest.raises(InputError, match=said) as caught:
        render(plan, catalogue, a_pemda(), shared=shared, pins={})
    assert "smartcity select" in caught.value.hint


def test_a_plan_without_a_provider_is_refused(catalogue: Catalogue, shared: dict[str, str]) -> None:
    with pytest.raises(InputError, match="laksa requires postgres") as caught:
        plan = a_plan(catalogue, "gateway", "laksa")
        render(plan, catalogue, a_pemda(), shared=shared, pins={})
    assert len(caught.value.problems) == 1


def test_a_name_that_would_leave_its_folder_is_refused(
    catalogue: Catalogue, shared: dict[str, str]
) -> None:
    laksa = catalogue.apps["laksa"]
    spec = laksa.spec.model_copy(
        update={
            "files": (laksa.spec.files[0].model_copy(update={"template": "../../../etc/cron.j2"}),)
        }
    )
    evil = laksa.model_copy(update={"spec": spec, "templates": {"../../../etc/cron.j2": "x"}})
    apps = {**catalogue.apps, "laksa": evil}
    with pytest.raises(InputError, match="not a safe file name"):
        render(
            a_plan(catalogue),
            Catalogue(apps, catalogue.digest),
            a_pemda(),
            shared=shared,
            pins={},
        )


def test_a_missing_shared_template_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match=r"templates/env\.j2"):
        render(a_plan(catalogue), catalogue, a_pemda(), shared={}, pins={})
