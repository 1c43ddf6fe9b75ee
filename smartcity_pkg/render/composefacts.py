"""What rendering reads of an app's own Compose file beyond the catalogue's model; writes nothing.

Interpolation as the Compose specification, "Interpolation", has it: `$NAME`, `${NAME}`, and
`${NAME…}` with a default or a message; `$$` is a dollar sign, and so is a `$` before anything else
(tried with Compose 2.26; `docker stack` refuses that one).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue.yamlfile import parse

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)([^}]*)\}|([A-Za-z_]\w*))", re.ASCII)


@dataclass(frozen=True)
class ComposeFacts:
    """What the file called `name` says.

    `networks` are those that a service names itself; `variables` says of each variable whether
    Compose must be given a value, because no default stands in the file.
    """

    name: str
    networks: dict[str, tuple[str, ...]]
    variables: dict[str, bool]


@functools.lru_cache(maxsize=512)
def compose_facts(text: str, name: str) -> ComposeFacts:
    """The facts of the Compose file `text`; `name` is its name in an InputError."""
    data = parse(text.encode(), name).data
    variables: dict[str, bool] = {}
    for scalar in _strings(data):
        for braced, rest, plain in _VARIABLE.findall(scalar):
            if variable := braced or plain:
                needed = not rest.startswith((":-", "-", ":+", "+"))
                variables[variable] = variables.get(variable, False) or needed
    services = data.get("services") or {}
    return ComposeFacts(
        name=name,
        networks={key: tuple(s.get("networks") or ()) for key, s in services.items()},
        variables=dict(sorted(variables.items())),
    )


def _strings(value: Any) -> Iterator[str]:
    """Every text below `value`; Compose interpolates what stands under `x-` as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _strings(child)
