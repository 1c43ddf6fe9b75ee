"""The schemas for editors take what our own readers take, and refuse what is plainly wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from catalogue_texts import COMPOSE, PLAN, PROFILE, PROVIDER
from pydantic import BaseModel

from smartcity_pkg.catalogue import schemas, yamlfile
from smartcity_pkg.catalogue.app import AppSpec
from smartcity_pkg.catalogue.exemption import Exemption
from smartcity_pkg.catalogue.pemda import Pemda, Server
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.catalogue.policy import AllowedSecret, Policy
from smartcity_pkg.core.errors import UsageError

POLICY = """\
schema_version: 1
exemptions: [{app: lapor, rule: SC020, reason: Reads the sensors, until: "2027-01-01"}]
"""
ROOT = Path(__file__).parents[3]
APPS = sorted((ROOT / "bundles").glob("[!_]*/compose.yaml"))
PROFILES = sorted((ROOT / "examples/pemda").glob("*.yaml"))
MODELS: dict[str, type[BaseModel]] = {
    "AppSpec": AppSpec,
    "Pemda": Pemda,
    "Server": Server,
    "Plan": Plan,
    "Policy": Policy,
    "Exemption": Exemption,
    "AllowedSecret": AllowedSecret,
}


def validator(name: str) -> Callable[[Any], Any]:
    check: Callable[[Any], Any] = fastjsonschema.compile(schemas.schema(name), use_default=False)
    return check


@pytest.mark.parametrize("path", APPS, ids=lambda p: p.parent.name)
def test_the_app_schema_takes_the_shipped_apps(path: Path) -> None:
    validator("app")(yamlfile.read(path).data)


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_the_pemda_schema_takes_the_examples(path: Path) -> None:
    validator("pemda")(yamlfile.read(path).data)


@pytest.mark.parametrize(
    ("name", "text"),
    [("app", COMPOSE), ("app", PROVIDER), ("pemda", PROFILE), ("plan", PLAN), ("policy", POLICY)],
)
def test_the_schemas_take_small_files(name: str, text: str) -> None:
    validator(name)(yamlfile.parse(text.encode(), "f").data)


@pytest.mark.parametrize(
    ("name", "text", "old", "new"),
    [
        ("app", COMPOSE, "schema_version: 1", "schema_version: 2"),
        ("app", COMPOSE, "benefit: 50", "benefit: 500"),
        ("policy", POLICY, "SC020", "SC031"),
        ("policy", POLICY, "until:", "til:"),
        ("app", COMPOSE, "group: layanan-publik", "group: publik"),
        ("app", COMPOSE, "  owner: Contoh\n", ""),
        ("app", COMPOSE, "path: /lapor/", "path: lapor"),
        ("app", COMPOSE, "  owner: Contoh\n", "  owner: Contoh\n  ownr: x\n"),
        ("app", COMPOSE, "name: lapor\n", "name: Lapor\n"),
        ("pemda", PROFILE, 'region: "32.15"', 'region: "3215"'),
        ("pemda", PROFILE, "population: 2439000", "population: 0"),
        ("pemda", PROFILE, "    cpus: 4\n", ""),
        ("pemda", PROFILE, "link_mbps: 10", "link_mbit: 10"),
        ("plan", PLAN, "kind: plan", "kind: plans"),
        ("plan", PLAN, "servers: [satu]", "servers: []"),
    ],
)
def test_the_schemas_refuse_what_is_wrong(name: str, text: str, old: str, new: str) -> None:
    assert old in text
    wrong = yamlfile.parse(text.replace(old, new, 1).encode(), "f").data
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validator(name)(wrong)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_stable_and_says_what_it_is(name: str) -> None:
    made = schemas.schema(name)
    assert made["$id"] == f"urn:smartcity:schema:{name}:1"
    assert made["$schema"] == schemas.DIALECT
    assert made["title"]
    assert schemas.text(name) == schemas.text(name)


@pytest.mark.parametrize("name", sorted(schemas.DESCRIPTIONS))
def test_descriptions_are_of_fields_that_there_are(name: str) -> None:
    assert not set(schemas.DESCRIPTIONS[name]) - set(MODELS[name].model_fields)


def test_editors_can_show_a_description_of_every_field_of_an_app() -> None:
    made = schemas.schema("app")["definitions"]["AppSpec"]["properties"]
    assert [name for name, rule in made.items() if not rule.get("description")] == []


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(UsageError, match="apps") as caught:
        schemas.schema("apps")
    assert "app, pemda, plan" in caught.value.hint
