"""Values for the `${…}` of an app's Compose file, and how an env file writes them.

A setting `http_port` fills `${HTTP_PORT}`; only what the Compose file asks for is taken from the
settings, so that no setting can become a variable that Compose itself obeys. The layout of the file
is the shared template `env.j2`. Syntax: compose-go's `dotenv`, tried with Compose 2.26.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render.composefacts import ComposeFacts

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
_NOT_OURS = ("COMPOSE_", "DOCKER_")


def env_value(value: object) -> str:
    """`value` as an env file writes it; ValueError for what a variable cannot hold."""
    text = str(value)
    if any(ord(c) < 32 and c not in "\n\t" for c in text):
        raise ValueError(_("a control character in {text}").format(text=ascii(text)))
    if _PLAIN.fullmatch(text):
        return text
    if not re.search(r"['\\\n]", text):
        return f"'{text}'"
    escaped = re.sub(r'([\\"$])', r"\\\1", text).replace("\n", "\\n")
    return f'"{escaped}"'


def variables(
    app: App, facts: ComposeFacts, settings: Mapping[str, Any], pemda: Pemda
) -> dict[str, str]:
    """What every app is given, then what its settings fill, by name.

    InputError where a variable without a default would stay empty.
    """
    site = pemda.settings.site
    result = {
        "SMARTCITY_APP": app.name,
        "SMARTCITY_VERSION": app.version,
        "SMARTCITY_REGION": pemda.region,
        "SMARTCITY_DOMAIN": site.domain,
        "SMARTCITY_LANGUAGE": site.language,
        "TZ": site.timezone,
    }
    problems: list[Problem] = []
    for name, needed in facts.variables.items():
        value = settings.get(name.lower())
        if name in result or name.startswith(_NOT_OURS):
            continue
        if isinstance(value, bool):
            result[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            result[name] = str(value)
        elif needed:
            problems.append(_unfilled(facts.name, name))
    if problems:
        raise InputError(problems)
    return result


def _unfilled(file: str, name: str) -> Problem:
    return Problem(
        _("nothing fills the variable {name}").format(name=f"${{{name}}}"),
        file,
        hint=_("give the app a setting “{setting}”, or write {example}").format(
            setting=name.lower(), example=f"${{{name}:-…}}"
        ),
    )
