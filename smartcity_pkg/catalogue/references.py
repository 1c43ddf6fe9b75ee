"""Whether the parts of one app's Compose file and `x-smartcity` key fit together.

Each part alone was checked before, in `compose` and by the models of `app`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smartcity_pkg.catalogue import settings_schema
from smartcity_pkg.catalogue.app import AppSpec, Service
from smartcity_pkg.catalogue.faults import closest
from smartcity_pkg.catalogue.rules import numbered
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.errors import Problem
from smartcity_pkg.core.i18n import _

_AT: Path_ = ("x-smartcity",)


def problems(
    document: Document,
    spec: AppSpec,
    services: tuple[Service, ...],
    templates: Mapping[str, str],
) -> list[Problem]:
    """Every name inside the app that leads nowhere, and settings that are no JSON Schema."""
    return [
        *numbered("SC011", _services_named(document, spec, services)),
        *numbered("SC011", _files(document, spec, templates)),
        *numbered("SC013", _routes(document, spec)),
        *numbered("SC012", _secrets(document, spec, services)),
        *numbered("SC015", _requirements(document, spec)),
        *numbered(
            "SC014",
            (
                document.problem((*_AT, "settings", *fault.path), fault.message)
                for fault in settings_schema.schema_faults(spec.settings)
            ),
        ),
    ]


def _services_named(
    document: Document, spec: AppSpec, services: tuple[Service, ...]
) -> Iterator[Problem]:
    known = [s.name for s in services]
    named: list[tuple[Path_, str]] = [
        *((("files", i), f.service) for i, f in enumerate(spec.files)),
        *((("routes", i), r.service) for i, r in enumerate(spec.routes)),
        *((("hooks", name), hook.service) for name, hook in spec.hooks.named().items()),
    ]
    for path, name in named:
        if name not in known:
            yield document.problem(
                (*_AT, *path, "service"),
                _("there is no service “{name}”").format(name=name),
                closest(name, known) or _("services: {known}").format(known=", ".join(known)),
            )


def _files(document: Document, spec: AppSpec, templates: Mapping[str, str]) -> Iterator[Problem]:
    taken: set[tuple[str, str]] = set()
    for i, file in enumerate(spec.files):
        at = (*_AT, "files", i)
        if file.template not in templates:
            yield document.problem(
                (*at, "template"),
                _("there is no template templates/{name}").format(name=file.template),
                closest(file.template, templates),
            )
        if (file.service, file.target) in taken:
            yield document.problem(
                (*at, "target"),
                _("two files go to {target} of one service").format(target=file.target),
            )
        taken.add((file.service, file.target))


def _routes(document: Document, spec: AppSpec) -> Iterator[Problem]:
    taken: set[str] = set()
    for i, route in enumerate(spec.routes):
        at = (*_AT, "routes", i)
        if not route.health.startswith(route.path):
            yield document.problem(
                (*at, "health"),
                _("the health path {health} is not under the route {path}").format(
                    health=route.health, path=route.path
                ),
            )
        if route.path in taken:
            yield document.problem(
                (*at, "path"), _("the route {path} stands here twice").format(path=route.path)
            )
        taken.add(route.path)


def _secrets(document: Document, spec: AppSpec, services: tuple[Service, ...]) -> Iterator[Problem]:
    declared: Any = document.data.get("secrets") or {}
    if not isinstance(declared, dict):
        yield document.problem(("secrets",), _("“{name}”: expected fields").format(name="secrets"))
        return
    for name in spec.secrets:
        if name not in declared:
            yield document.problem(
                (*_AT, "secrets", name),
                _("the secret “{name}” is missing under the top-level secrets").format(name=name),
                _("add it there: {name}: {{file: ./secrets/{name}}}").format(name=name),
            )
    for name in declared:
        if name not in spec.secrets:
            yield document.problem(
                ("secrets", name),
                _("nothing makes the secret “{name}”").format(name=name),
                _("add it to x-smartcity.secrets: {name}: {{}}").format(name=name),
            )
    for service in services:
        for i, name in enumerate(service.secrets):
            if name not in declared and name not in spec.secrets:
                yield document.problem(
                    ("services", service.name, "secrets", i),
                    _("there is no secret “{name}”").format(name=name),
                    closest(name, declared)
                    or _("declare it under the top-level secrets and x-smartcity.secrets"),
                )


def _requirements(document: Document, spec: AppSpec) -> Iterator[Problem]:
    required = [r.app for r in spec.requires]
    for i, name in enumerate(required):
        if name in required[:i]:
            yield document.problem(
                (*_AT, "requires", i), _("“{name}” is required twice").format(name=name)
            )
    named = {*required, *(r.app for choices in spec.requires_one_of for r in choices)}
    for i, choices in enumerate(spec.requires_one_of):
        listed = [r.app for r in choices]
        for j, name in enumerate(listed):
            if name in listed[:j]:
                yield document.problem(
                    (*_AT, "requires_one_of", i, j),
                    _("“{name}” stands twice in one list").format(name=name),
                )
    for secret, rule in spec.secrets.items():
        for i, name in enumerate(rule.share_with):
            if name not in named:
                yield document.problem(
                    (*_AT, "secrets", secret, "share_with", i),
                    _("“{name}” is not an app that this one requires").format(name=name),
                    closest(name, named)
                    or _("add it to requires, or do not share the secret with it"),
                )
