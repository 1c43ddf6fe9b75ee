"""JSON Schemas of the files that people write, for their editors (draft 7, stable `$id`).

Made from the models, which stay the only definition; what a model's own rules check beyond a schema
(a date before another, a name that leads nowhere) is told by `lint`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from smartcity_pkg.catalogue.app import NAME_PATTERN, AppSpec
from smartcity_pkg.catalogue.compose import EXTENSION
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.catalogue.policy import Policy
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import N_, _

DIALECT = "http://json-schema.org/draft-07/schema#"
# What an editor shows beside a field, by model and field.
DESCRIPTIONS = {
    "AppSpec": {
        "schema_version": N_("Version of this format: 1."),
        "draft": N_("What a person must still do; while there is an entry no plan takes the app."),
        "version": N_("The app's version (PEP 440), in quotes."),
        "title": N_("What people call it, in Indonesian and in English."),
        "summary": N_("What it is for, in one sentence, in Indonesian and in English."),
        "group": N_("Kind of app; platform apps come along with those that require them."),
        "owner": N_("Who answers for the app."),
        "source": N_("Where the description comes from."),
        "benefit": N_("How much residents gain, 0 to 100; a pemda's priorities override it."),
        "architectures": N_("Processors that its images are built for."),
        "requires": N_("Apps that must run on the same server, with ranges of versions."),
        "requires_one_of": N_("Lists of apps; one of each must run on the same server."),
        "conflicts": N_("Apps that may not run in the same pemda."),
        "staff": N_("Full-time people that it takes, by skill."),
        "staff_per_100k": N_("Full-time people by skill, for each 100,000 residents."),
        "demand": N_("Disk in MiB, bandwidth in kbit/s, cost in rupiah a year: the fixed part."),
        "demand_per_100k": N_("What it needs more for each 100,000 residents."),
        "install_peak_mib": N_("Memory in MiB that the installation takes on top, for a while."),
        "image_layers": N_("MiB on disk of each layer of its images."),
        "settings": N_("JSON Schema (draft 7) of what a pemda may set."),
        "secrets": N_("Secrets that are made on the server."),
        "files": N_("Templates, and where a service finds the result."),
        "routes": N_("Paths on the public entrance."),
        "hooks": N_("Commands that the installation runs."),
    },
    "Pemda": {
        "schema_version": N_("Version of this format: 1."),
        "region": N_('The Kemendagri code in quotes, like "32.15".'),
        "name": N_("The government's name, as Kemendagri writes it."),
        "population": N_("Residents."),
        "agreement": N_("The memorandum (MoU) and the cooperation agreement (PKS)."),
        "link_mbps": N_("The link to the public, in Mbit/s."),
        "staff": N_("Full-time people that are there, by skill."),
        "budget_idr_per_year": N_("What the apps may cost in a year, in rupiah."),
        "prices": N_("What more capacity would cost, in rupiah a year."),
        "servers": N_("The machines for the apps."),
        "choice": N_("What the pemda insists on, refuses and prefers."),
        "settings": N_("Settings for all apps, and for each app."),
    },
    "Server": {
        "name": N_("What plans call the machine."),
        "memory_gib": N_("Memory in GiB."),
        "cpus": N_("Processor cores."),
        "disk_gib": N_("Disk for apps and their data, in GiB."),
        "architecture": N_("Kind of processor."),
        "reserved": N_("What the machine's own system needs; apps get the rest."),
        "ssh": N_("How to log in; without it, this very machine is meant."),
        "measured": N_("What `smartcity pemda probe` found."),
    },
    "Plan": {
        "schema_version": N_("Version of this format: 1."),
        "kind": N_("Always “plan”."),
        "region": N_("The Kemendagri code of the pemda."),
        "pemda": N_("The pemda's name."),
        "apps": N_("What runs, where and why."),
        "left_out": N_("What does not run, and why."),
        "usage": N_("How much of each limit is used."),
    },
    "Policy": {
        "schema_version": N_("Version of this format: 1."),
        "exemptions": N_("Which apps may ask for more than the rules allow, and why."),
        "secrets": N_("What looks like a secret, may travel, and why."),
    },
    "Exemption": {
        "app": N_("Name of the app."),
        "service": N_("One service of it; without it, all."),
        "rule": N_("The rule that it may break."),
        "reason": N_("Why, in 15 letters or more."),
        "until": N_("The last day on which it counts."),
    },
    "AllowedSecret": {
        "where": N_("A rendered file or an image; * stands for anything."),
        "rule": N_("The kind of finding."),
        "reason": N_("Why, in 15 letters or more."),
        "value_sha256": N_("sha256 of the value."),
        "path": N_("The name that the value stands under."),
    },
}


def _app() -> dict[str, Any]:
    """Of a compose.yaml: Compose's own keys are left to Compose's schema."""
    spec = _of_model(AppSpec)
    definitions = spec.pop("definitions", {})
    return {
        "type": "object",
        "required": ["name", "services", EXTENSION],
        "properties": {
            "name": {"type": "string", "pattern": NAME_PATTERN},
            "services": {"type": "object", "minProperties": 1},
            EXTENSION: {"$ref": "#/definitions/AppSpec"},
        },
        "definitions": {**definitions, "AppSpec": spec},
    }


_MADE: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "app": (N_("An app of the catalogue: compose.yaml"), _app),
    "pemda": (N_("The profile of a pemda"), lambda: _of_model(Pemda)),
    "plan": (N_("A plan: what runs where in a pemda"), lambda: _of_model(Plan)),
    "policy": (N_("The policy of a workspace: policy.yaml"), lambda: _of_model(Policy)),
}
NAMES = tuple(_MADE)


def schema(name: str) -> dict[str, Any]:
    """The schema of "app", "pemda", "plan" or "policy" files; UsageError for another name."""
    if name not in _MADE:
        raise UsageError(
            _("there is no schema “{name}”").format(name=name),
            _("known: {names}").format(names=", ".join(NAMES)),
        )
    title, make = _MADE[name]
    made = {k: v for k, v in make().items() if k not in ("title", "description")}
    head = {"$schema": DIALECT, "$id": f"urn:smartcity:schema:{name}:1", "title": _(title)}
    return {**head, **made}


def text(name: str) -> str:
    """The schema as a file's text; the same on every run."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def _of_model(model: type[BaseModel]) -> dict[str, Any]:
    made = model.model_json_schema(ref_template="#/definitions/{model}")
    definitions = made.pop("$defs", {})
    _describe(model.__name__, made)
    for name, part in definitions.items():
        _describe(name, part)
    if definitions:
        made["definitions"] = definitions
    return made


def _describe(name: str, part: dict[str, Any]) -> None:
    """Our words for the fields in the person's language; the models' docstrings are for us."""
    part.pop("description", None)
    said = DESCRIPTIONS.get(name, {})
    for field, rule in part.get("properties", {}).items():
        if field in said:
            if "$ref" in rule:  # draft 7 reads nothing beside a $ref
                rule["allOf"] = [{"$ref": rule.pop("$ref")}]
            rule["description"] = _(said[field])
