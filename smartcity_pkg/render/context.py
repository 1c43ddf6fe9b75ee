"""The names that templates may use, as plain data; docs/formats.md lists them for authors.

Only what is listed here reaches a template: no clock, no serial, no machine. What depends on the
other apps of the server stands under `apps` and `shared_secrets` alone, so that a template which
does not look there gives the same text whatever else is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.render.secrets import shared_with
from smartcity_pkg.render.server import ServerApps

Context = dict[str, Any]


def template_context(
    app: App, settings: Mapping[str, Any], here: ServerApps, pemda: Pemda
) -> Context:
    """What the templates of `app` see on this server."""
    return {
        "app": _named(app),
        "pemda": {"region": pemda.region, "name": pemda.name, "population": pemda.population},
        "server": {"name": here.server},
        "site": pemda.settings.site.model_dump(mode="json"),
        "settings": dict(settings),
        "apps": [
            {
                **_named(other),
                "group": other.spec.group,
                "routes": [route.model_dump(mode="json") for route in other.spec.routes],
            }
            for other in sorted(here.apps, key=lambda a: a.name)
        ],
        "shared_secrets": [
            {"app": s.app, "name": s.name, "path": s.path} for s in shared_with(app, here)
        ],
    }


def _named(app: App) -> Context:
    return {
        "name": app.name,
        "version": app.version,
        "title": app.spec.title.model_dump(mode="json"),
    }
