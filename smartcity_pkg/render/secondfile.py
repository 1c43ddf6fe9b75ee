"""The second Compose file of an app: what smartcity adds, in a form that Compose merges itself.

The app's own file stays as it is. Merging, as tried with Compose 2.26: mappings and a service's
lists of secrets, configs and networks are joined; `image` and a secret's `file` are replaced. What
a container may do by default is `hardening`'s. Names hold the content's hash where content matters,
because Compose does not look into files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import App, Service
from smartcity_pkg.core import digest
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.render import hardening
from smartcity_pkg.render.networks import DEFAULT, default_name, joined
from smartcity_pkg.render.secrets import shared_with
from smartcity_pkg.render.server import ServerApps

_HEADER = "# Made by smartcity. Do not edit: the next release replaces it.\n"
# swarmkit, isValidConfigName: at most 64 characters.
_MAX_NAME = 64


@dataclass(frozen=True)
class RenderedFile:
    """A rendered configuration file: its name, its bytes, and who finds it where."""

    name: str
    content: bytes
    mounts: tuple[tuple[str, str], ...]
    """(service, target)"""

    @property
    def path(self) -> str:
        """Its place in the app's folder."""
        return f"files/{digest.hex_of(digest.of_bytes(self.content))[:16]}-{self.name}"

    def key(self, app: str) -> str:
        """Its name in the Compose file: another one as soon as the content is another one."""
        short = digest.hex_of(digest.of_bytes(self.content))[:12]
        return f"{f'{app}_{self.name}'[: _MAX_NAME - 13]}_{short}"


def second_file(
    app: App,
    here: ServerApps,
    *,
    region: str,
    pins: Mapping[str, str],
    files: tuple[RenderedFile, ...],
) -> bytes:
    """`compose.smartcity.yaml` of `app` on this server."""
    networks = joined(app, here)
    shared = shared_with(app, here)
    root = StorePaths().secrets / app.name
    keys = sorted([*app.spec.secrets, *(s.key for s in shared)])
    labels = {
        "smartcity.app": app.name,
        "smartcity.region": region,
        "smartcity.version": app.version,
    }
    said = yamlfile.parse(app.compose_text.encode(), app.name).data["services"]
    document = {
        "services": {
            service.name: _without_empty(
                {
                    "image": pins.get(service.image),
                    "pull_policy": "never",
                    "labels": labels,
                    "networks": {
                        name: {"aliases": list(aliases)} if aliases else {}
                        for name, aliases in networks[service.name].items()
                    },
                    "secrets": [{"source": s.key, "target": s.key} for s in shared],
                    "configs": _configs_of(app, service, files),
                    **hardening.defaults(said[service.name]),
                }
            )
            for service in app.services
        },
        "networks": {
            name: {"name": default_name(app.name)}
            if name == DEFAULT
            else {"name": name, "external": True}
            for name in sorted({n for joins in networks.values() for n in joins})
        },
        "secrets": {key: {"file": str(root / key)} for key in keys},
        "configs": {f.key(app.name): {"file": f"./{f.path}"} for f in files},
    }
    text: str = yaml.dump(
        _escaped(_without_empty(document)),
        Dumper=_PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return (_HEADER + text).encode()


class _PlainDumper(yaml.SafeDumper):
    """Repeats values instead of pointing to them: people read this file."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors."""
        return True


def _configs_of(
    app: App, service: Service, files: tuple[RenderedFile, ...]
) -> list[dict[str, str]]:
    return [
        {"source": file.key(app.name), "target": target}
        for file in files
        for reader, target in file.mounts
        if reader == service.name
    ]


def _without_empty(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value}


def _escaped(value: Any) -> Any:
    """`value` as Compose reads it back after interpolation: a dollar sign is written twice."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_escaped(child) for child in value]
    return value
