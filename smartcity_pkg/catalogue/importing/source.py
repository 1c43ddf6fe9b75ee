"""A foreign Compose file in one form: services by name, `extends` resolved, old versions too.

What the parts mean is for others; nothing is judged here but that it can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.importing.ledger import Ledger
from smartcity_pkg.catalogue.importing.variables import Variables, environment_file
from smartcity_pkg.catalogue.yamlfile import MAX_BYTES, Document
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _

Beside = Callable[[str], bytes | None]
"""Reads a file of the source's folder; None where there is none, or it leads out of the folder."""

_DEEPEST = 8
_NOT_MERGED = frozenset({"extends", "depends_on", "profiles"})
# Cosmos Cloud writes these where Compose has variables (cosmos-compose.json).
_COSMOS = (
    (re.compile(r"\{Passwords\.(\d{1,3})\}"), r"${COSMOS_PASSWORD_\1}"),
    (re.compile(r"\{(?:Context|Hostnames)\.([A-Za-z_]\w{0,60})[\w.]{0,60}\}"), r"${\1}"),
)


@dataclass
class Source:
    """What was read: services in the file's order, and everything else of the file."""

    document: Document
    services: dict[str, dict[str, Any]]
    beside: Beside
    variables: Variables
    top: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Any]:
        """A top-level mapping (volumes, networks, …); {} where there is none."""
        value = self.top.get(name)
        return value if isinstance(value, dict) else {}


def read_source(data: bytes, file: str, app: str, beside: Beside, ledger: Ledger) -> Source:
    """The Compose file in `data`, called `file` in messages.

    Raises InputError: no YAML, too large, or without a service.
    """
    if b"{ServiceName}" in data or b"cosmos-installer" in data:
        data = _cosmos(data, file, app)
    document = yamlfile.parse(data, file)
    top = document.data
    if not isinstance(top, dict):
        raise InputError(document.problem((), _("not a Compose file: it has no services")))
    services = top.get("services")
    if services is None:
        services = {k: v for k, v in top.items() if isinstance(v, dict) and v.keys() & _V1}
        document.marks |= {
            ("services", *path): mark for path, mark in document.marks.items() if path
        }
        top = {}
    if not isinstance(services, dict) or not any(isinstance(s, dict) for s in services.values()):
        raise InputError(
            document.problem(("services",), _("not a Compose file: it has no services"))
        )
    env = _text(beside(".env"))
    variables = Variables(file, environment_file(env))
    if env:
        ledger.note((), _("the values of the file .env beside it were used"))
    merger = _Merger(document, beside, ledger)
    merged: dict[str, dict[str, Any]] = {}
    for name, service in services.items():
        if isinstance(service, dict):
            merged[name] = merger.extended(service, services, ("services", name))
        else:
            ledger.unreadable(("services", name))
    return Source(document, merged, beside, variables, top)


_V1 = frozenset({"image", "build"})


def _cosmos(data: bytes, file: str, app: str) -> bytes:
    text = yamlfile.decode(data[: MAX_BYTES + 1], file)
    text = text.replace("{ServiceName}", app).replace("{StaticServiceName}", app)
    for pattern, by in _COSMOS:
        text = pattern.sub(by, text)
    return text.encode()


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8-sig", "replace")


class _Merger:
    """`extends`, of the same file and of files beside it (Compose Specification, "extends")."""

    def __init__(self, document: Document, beside: Beside, ledger: Ledger) -> None:
        self.document = document
        self.beside = beside
        self.ledger = ledger
        self.files: dict[str, dict[str, Any]] = {}
        self.built = 0

    def extended(
        self,
        service: dict[str, Any],
        siblings: dict[str, Any],
        at: tuple[str, ...],
        depth: int = 0,
    ) -> dict[str, Any]:
        """`service` with what it extends below it."""
        extends = service.get("extends")
        if extends is None:
            return service
        fields = extends if isinstance(extends, dict) else {"service": extends}
        name, file = fields.get("service"), fields.get("file")
        if file is not None:
            siblings = self._services_of(str(file))
        base = siblings.get(name) if isinstance(name, str) else None
        own = {key: value for key, value in service.items() if key != "extends"}
        if not isinstance(base, dict) or depth >= _DEEPEST:
            self.ledger.dropped(
                (*at, "extends"),
                _("extends “{name}”, which was not found").format(name=str(name)[:60]),
                _("write out what the service takes from there"),
            )
            return own
        base = self.extended(base, siblings, at, depth + 1)
        merged: dict[str, Any] = _merged(
            {k: v for k, v in base.items() if k not in _NOT_MERGED}, own
        )
        self.built += len(json.dumps(merged))
        if self.built > MAX_BYTES:
            raise InputError(
                Problem(_("what its services extend makes it too long"), self.document.file)
            )
        self.ledger.changed((*at, "extends"), _("what it extends is written out"))
        return merged

    def _services_of(self, file: str) -> dict[str, Any]:
        if file not in self.files:
            self.files[file] = {}
            data = self.beside(file)
            if data is not None:
                found = yamlfile.parse(data, file).data
                services = found.get("services") if isinstance(found, dict) else None
                if isinstance(services, dict):
                    self.files[file] = services
        return self.files[file]


def _merged(base: Any, own: Any) -> Any:
    """As Compose merges: fields by name, lists one after the other, anything else is replaced."""
    if isinstance(base, dict) and isinstance(own, dict):
        return {
            **base,
            **{key: _merged(base[key], own[key]) if key in base else own[key] for key in own},
        }
    if isinstance(base, list) and isinstance(own, list):
        return base + [entry for entry in own if entry not in base]
    return own
