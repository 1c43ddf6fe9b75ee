"""Advice on apps that are valid: what makes them hard to look after, unsafe, or uneven on engines.

Faults that make an app unusable are errors, raised when the catalogue is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from smartcity_pkg.catalogue import compose, yamlfile
from smartcity_pkg.catalogue.app import App, Service
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.subset import IGNORED
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.errors import Problem
from smartcity_pkg.core.i18n import _

Severity = Literal["warning", "advice"]
_MOVING_TAGS = frozenset({"stable", "main", "master", "dev", "edge", "nightly", "current"})
_AT: Path_ = (compose.EXTENSION,)


@dataclass(frozen=True)
class Finding:
    """One piece of advice: a warning should be followed before the app is shipped."""

    severity: Severity
    problem: Problem


def lint(catalogue: Catalogue) -> tuple[Finding, ...]:
    """Advice on every app, in order of apps and lines."""
    found: list[Finding] = []
    for app in catalogue.apps.values():
        document = yamlfile.parse(app.compose_text.encode(), catalogue.file(app.name))
        checks = [*_about_app(app, catalogue)]
        for service in app.services:
            checks += _about_service(app, service, document)
        found += sorted(
            (Finding(severity, document.problem(path, text)) for severity, path, text in checks),
            key=lambda f: (f.problem.line, f.problem.column, f.problem.message),
        )
    return tuple(found)


_Checks = Iterator[tuple[Severity, Path_, str]]


def _about_app(app: App, catalogue: Catalogue) -> _Checks:
    spec = app.spec
    if spec.summary.id == spec.summary.en:
        text = _("the Indonesian and the English summary are the same")
        yield "advice", (*_AT, "summary"), text
    for i, name in enumerate(spec.conflicts):
        if name not in catalogue.apps:
            text = _("is in conflict with “{app}”, which the catalogue does not have")
            yield "advice", (*_AT, "conflicts", i), text.format(app=name)
    for name in spec.secrets:
        if not any(name in s.secrets for s in app.services):
            text = _("no service reads the secret “{name}”")
            yield "warning", (*_AT, "secrets", name), text.format(name=name)
    for name in sorted(set(app.templates) - {f.template for f in spec.files}):
        text = _("nothing uses the template templates/{name}")
        yield "advice", (*_AT, "files"), text.format(name=name)


def _about_service(app: App, service: Service, document: Document) -> _Checks:
    at = ("services", service.name)
    fields: dict[str, Any] = document.data["services"][service.name]
    if not service.has_healthcheck:
        text = _("no health check: an installation cannot see whether “{name}” works")
        yield "warning", (*at, "healthcheck"), text.format(name=service.name)
    yield from _about_resources(service)
    if service.user.split(":")[0] in ("", "0", "root"):
        yield "warning", (*at, "user"), _("runs as root unless the image says otherwise: set user")
    if fields.get("read_only") is not True:
        yield "warning", (*at, "read_only"), _("its root file system is writable: read_only: true")
    if "ALL" not in (fields.get("cap_drop") or ()):
        yield "advice", (*at, "cap_drop"), _("keeps capabilities of root: cap_drop: [ALL]")
    if service.image.rpartition(":")[2] in _MOVING_TAGS:
        text = _("the tag of {image} moves: name a version")
        yield "warning", (*at, "image"), text.format(image=service.image)
    if service.published_ports and not app.is_platform:
        text = _("publishes a port of its own: the gateway is the public entrance, use a route")
        yield "warning", (*at, "ports"), text
    for key in sorted(IGNORED & set(fields)):
        text = _("docker stack ignores “{key}”: the app behaves otherwise on several servers")
        yield "warning", (*at, key), text.format(key=key)
    for i, volume in enumerate(fields.get("volumes") or ()):
        if _is_bind(volume):
            text = _("mounts a folder of the server: use a named volume, or a template")
            yield "warning", (*at, "volumes", i), text


def _about_resources(service: Service) -> _Checks:
    at = ("services", service.name, "deploy", "resources")
    if not service.limit.memory_mib:
        text = _("no memory limit: “{name}” can take the whole server down")
        yield "warning", (*at, "limits"), text.format(name=service.name)
    if not service.reservation.memory_mib or not service.reservation.cpus:
        text = _("no reservation of memory or CPU: selection counts “{name}” as nothing")
        yield "warning", (*at, "reservations"), text.format(name=service.name)


def _is_bind(volume: object) -> bool:
    if isinstance(volume, dict):
        return volume.get("type") == "bind"
    return isinstance(volume, str) and volume.startswith((".", "/", "~")) and ":" in volume
