"""Renders an app's templates with the context that smartcity gives them, for these tests.

The product's own renderer is tested elsewhere; here the templates are the subject.
"""

from __future__ import annotations

from typing import Any

import jinja2
import yaml
from jinja2.sandbox import SandboxedEnvironment

from tests.apps.servers import BUNDLES

SERVICES = ("laksa", "perizinan", "siap-kerja", "e-surat")


def compose(app: str) -> dict[str, Any]:
    """The parsed Compose file of an app."""
    return dict(yaml.safe_load((BUNDLES / app / "compose.yaml").read_text()))


def defaults(app: str) -> dict[str, Any]:
    """The settings of an app as its schema gives them when nobody sets anything."""
    properties = compose(app)["x-smartcity"]["settings"]["properties"]
    return {name: schema["default"] for name, schema in properties.items()}


def facts(app: str) -> dict[str, Any]:
    """An app as the other apps' templates see it."""
    spec = compose(app)["x-smartcity"]
    keys = ("version", "title", "group", "routes")
    return {"name": app, **{key: spec[key] for key in keys}}


def render(app: str, template: str, settings: dict[str, Any] | None = None, **changes: Any) -> str:
    """The text that a template makes; `settings` and `changes` replace parts of the context."""
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    source = (BUNDLES / app / "templates" / template).read_text()
    context = {
        "app": facts(app),
        "pemda": {"region": "99.99", "name": "Kabupaten Contoh"},
        "server": {"name": "server-1"},
        "site": {"domain": "contoh.invalid", "timezone": "Asia/Makassar", "language": "id"},
        "settings": defaults(app) | (settings or {}),
        "apps": [facts(name) for name in ("gateway", "postgres", *SERVICES)],
        "shared_secrets": [
            {"app": name, "name": "db_password", "path": f"/run/secrets/{name}_db_password"}
            for name in SERVICES
        ],
    }
    return environment.from_string(source).render(context | changes)
