"""The catalogue's files agree with each other and keep the rules that every app promises."""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any

import pytest

from tests.apps.rendering import SERVICES, compose, defaults, render
from tests.apps.servers import BUNDLES, LAYANAN

ALL = ("postgres", "gateway", *SERVICES)


def _only_service(app: str) -> tuple[str, dict[str, Any]]:
    ((name, service),) = compose(app)["services"].items()
    return name, service


@pytest.mark.parametrize("app", ALL)
def test_containers_have_no_rights_that_they_do_not_need(app: str) -> None:
    name, service = _only_service(app)
    assert service["user"] == "10001:10001" and service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["healthcheck"]["test"] and service["deploy"]["restart_policy"]
    forbidden = {"privileged", "restart", "container_name", "network_mode", "security_opt"}
    assert not forbidden & service.keys()
    assert (app == "gateway") == ("ports" in service), name


@pytest.mark.parametrize("app", ALL)
def test_the_image_tag_is_the_version_and_is_built_from_a_replaceable_base(app: str) -> None:
    _, service = _only_service(app)
    version = compose(app)["x-smartcity"]["version"]
    assert service["image"] == f"smartcity/{app}:{version}"
    dockerfile = (BUNDLES / app / "Dockerfile").read_text()
    assert f"ARG BASE={service['build']['args']['BASE']}\nFROM ${{BASE}}\n" in dockerfile
    if app in SERVICES:
        assert (BUNDLES / app / "app" / "VERSION").read_text() == f"{version}\n"


@pytest.mark.parametrize("app", ALL)
def test_every_template_is_declared_and_renders(app: str) -> None:
    declared = {file["template"] for file in compose(app)["x-smartcity"]["files"]}
    assert declared == {path.name for path in (BUNDLES / app / "templates").iterdir()}
    for template in declared:
        text = render(app, template)
        if template.endswith(".json.j2"):
            json.loads(text)


@pytest.mark.parametrize("app", SERVICES)
def test_the_code_has_the_same_defaults_as_the_settings_schema(
    app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(LAYANAN))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    service = runpy.run_path(str(BUNDLES / app / "app" / "__init__.py"))["SERVICE"]
    assert service.name == app
    assert service.defaults == defaults(app)
    rendered = json.loads(render(app, "app.json.j2", {"contact": 'kata "kutip" & </script>'}))
    assert rendered["settings"]["contact"] == 'kata "kutip" & </script>'
    assert rendered["timezone"] == "Asia/Makassar"


@pytest.mark.parametrize("app", SERVICES)
def test_descriptions_say_that_these_are_reference_implementations(app: str) -> None:
    spec = compose(app)["x-smartcity"]
    assert "rujukan" in spec["owner"] and "rujukan" in spec["source"].lower()
    readme = " ".join((BUNDLES / app / "README.md").read_text().split())
    assert "implementasi rujukan" in readme.lower() and "reference implementation" in readme


def test_databases_are_named_after_the_apps() -> None:
    databases = json.loads(render("postgres", "databases.json.j2"))
    assert databases[2] == {
        "database": "siap_kerja",
        "user": "siap_kerja",
        "password_file": "/run/secrets/siap-kerja_db_password",
    }
    assert json.loads(render("postgres", "databases.json.j2", shared_secrets=[])) == []
