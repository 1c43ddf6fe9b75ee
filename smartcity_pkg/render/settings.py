"""An app's settings as they hold for one pemda: checked against the app's schema, defaults filled.

What a schema may say, and what breaks it, is `catalogue.settings_schema`'s to judge.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.settings_schema import value_faults
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _


@dataclass(frozen=True)
class Setting:
    """One setting: its value now, whence it is (`file:line`, "" for the default), its meaning."""

    name: str
    value: Any
    origin: str
    title: str


def effective_settings(app: App, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `given` in the profile for `app`, with the schema's defaults filled in.

    Defaults count at the top and inside objects under `properties`. InputError lists every fault
    by the setting's path in the profile.
    """
    if faults := value_faults(app.spec.settings, given):
        raise InputError(
            [
                Problem(
                    ".".join(["settings.apps", app.name, *map(str, fault.path)])
                    + f": {fault.message}",
                    hint=_(
                        "correct it in the profile; `smartcity catalogue show {app}` says which "
                        "settings there are"
                    ).format(app=app.name),
                )
                for fault in faults
            ]
        )
    return _filled(app.spec.settings, given)


def declared(app: App, path: tuple[str, ...]) -> bool:
    """Whether the app's schema names the setting at `path`."""
    schema: Any = app.spec.settings
    for name in path:
        schema = schema.get("properties", {}).get(name) if isinstance(schema, dict) else None
    return schema is not None


def _filled(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(values))
    for name, rule in schema.get("properties", {}).items():
        if not isinstance(rule, Mapping):
            continue
        if name not in result and "default" in rule:
            result[name] = copy.deepcopy(rule["default"])
        if isinstance(result.get(name), dict):
            result[name] = _filled(rule, result[name])
    return result
