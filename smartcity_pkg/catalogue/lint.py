"""What is to be said of apps that are valid: hard to look after, unsafe, or uneven on engines.

Faults that make an app unusable are errors, raised when the catalogue is loaded. What an app may
not ask for without an exemption (`audit`, `policy`) is an error here, but in a draft a warning: no
plan takes a draft. What the numbers mean is in `rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from smartcity_pkg.catalogue import compose, plaintext, storage, yamlfile
from smartcity_pkg.catalogue.app import App, Service
from smartcity_pkg.catalogue.audit import audit
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.exemption import Breach, judge
from smartcity_pkg.catalogue.policy import NOTHING_EXEMPT, Policy
from smartcity_pkg.catalogue.rules import RULES, Severity
from smartcity_pkg.catalogue.subset import IGNORED
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.errors import Problem
from smartcity_pkg.core.i18n import _

_AT: Path_ = (compose.EXTENSION,)


@dataclass(frozen=True)
class Finding:
    """One breach of a rule: a warning should be followed before the app is shipped."""

    problem: Problem
    in_draft: bool = False

    @property
    def severity(self) -> Severity:
        """What the rule says; a draft has no errors."""
        said = RULES[self.problem.rule].severity
        return "warning" if self.in_draft and said == "error" else said


def lint(
    catalogue: Catalogue,
    only: Collection[str] | None = None,
    policy: Policy = NOTHING_EXEMPT,
) -> tuple[Finding, ...]:
    """Everything to be said of every app (or `only` these), in order of apps and lines.

    `policy` must be the one of the day (`Policy.on`).
    """
    found: list[Finding] = []
    for app in catalogue.apps.values():
        if only is not None and app.name not in only:
            continue
        document = yamlfile.parse(app.compose_text.encode(), catalogue.file(app.name))
        checks = [*_open_points(app, document), *_about_app(app, catalogue)]
        refused = judge(breaches(app, document), policy.exemptions).refused
        checks += [(b.rule, b.path, b.text) for b in refused]
        for service in app.services:
            checks += _about_service(app, service, document)
        found += sorted(
            (
                Finding(replace(document.problem(path, text), rule=number), app.is_draft)
                for number, path, text in checks
            ),
            key=lambda f: (f.problem.line, f.problem.column, f.problem.message),
        )
    return tuple(found)


def breaches(app: App, document: Document) -> tuple[Breach, ...]:
    """What the app's own Compose file asks for, or lacks, whoever may allow it."""
    return audit(app.name, [document.data])


def lint_policy(
    catalogue: Catalogue, policy: Policy, document: Document, today: date
) -> tuple[Finding, ...]:
    """Warnings on the exemptions of `document` that no app needs, or that have expired."""
    asked: list[Breach] = []
    for app in catalogue.apps.values():
        asked += breaches(app, yamlfile.parse(app.compose_text.encode(), catalogue.file(app.name)))
    used = set(judge(asked, policy.exemptions).used)
    found = []
    for i, exemption in enumerate(policy.exemptions):
        who = f"{exemption.app}/{exemption.service}" if exemption.service else exemption.app
        text = ""
        if not exemption.counts_on(today):
            text = _("the exemption of {who} from {rule} expired on {day}")
        elif exemption not in used:
            text = _("{who} needs no exemption from {rule}")
        if text:
            text = text.format(who=who, rule=exemption.rule, day=exemption.until)
            problem = document.problem(("exemptions", i), text)
            found.append(Finding(replace(problem, rule="SC113")))
    return tuple(found)


_Checks = Iterator[tuple[str, Path_, str]]


def _open_points(app: App, document: Document) -> _Checks:
    for point in app.spec.draft:
        text = _("open point: {at}: {todo}").format(at=point.at, todo=point.todo)
        yield "SC112", document.path_of(point.at), text


def _about_app(app: App, catalogue: Catalogue) -> _Checks:
    spec = app.spec
    if spec.summary.id == spec.summary.en and not app.is_draft:
        text = _("the Indonesian and the English summary are the same")
        yield "SC201", (*_AT, "summary"), text
    for i, name in enumerate(spec.conflicts):
        if name not in catalogue.apps:
            text = _("is in conflict with “{app}”, which the catalogue does not have")
            yield "SC202", (*_AT, "conflicts", i), text.format(app=name)
    for name in spec.secrets:
        if not any(name in s.secrets for s in app.services):
            text = _("no service reads the secret “{name}”")
            yield "SC110", (*_AT, "secrets", name), text.format(name=name)
    for name in sorted(set(app.templates) - {f.template for f in spec.files}):
        text = _("nothing uses the template templates/{name}")
        yield "SC203", (*_AT, "files"), text.format(name=name)


def _about_service(app: App, service: Service, document: Document) -> _Checks:
    at = ("services", service.name)
    fields: dict[str, Any] = document.data["services"][service.name]
    yield from _about_resources(service)
    yield from _about_safety(service, fields)
    if service.published_ports and not app.is_platform:
        text = _("publishes a port of its own: the gateway is the public entrance, use a route")
        yield "SC107", (*at, "ports"), text
    for key in sorted(IGNORED & set(fields)):
        text = _("docker stack ignores “{key}”: the app behaves otherwise on several servers")
        yield "SC108", (*at, key), text.format(key=key)
    for i, volume in enumerate(fields.get("volumes") or ()):
        if _is_bind(volume) and not any(storage.of_service((), {"volumes": [volume]})):
            text = _("mounts a folder of the app's own: use a named volume, or a template")
            yield "SC109", (*at, "volumes", i), text


def _about_safety(service: Service, fields: dict[str, Any]) -> _Checks:
    at = ("services", service.name)
    if service.user.split(":")[0] in ("", "0", "root"):
        yield "SC104", (*at, "user"), _("runs as root unless the image says otherwise: set user")
    if fields.get("read_only") is not True:
        yield "SC105", (*at, "read_only"), _("its root file system is writable: read_only: true")
    if "ALL" not in (fields.get("cap_drop") or ()):
        yield "SC204", (*at, "cap_drop"), _("keeps capabilities of root: cap_drop: [ALL]")
    environment = fields.get("environment")
    for key, name, value in _variables(environment):
        if plaintext.is_secret(name, value) or plaintext.without_secrets(value) != value:
            text = _("“{name}” holds a secret in plain text: let the server make it")
            yield "SC111", (*at, "environment", key), text.format(name=name)


def _about_resources(service: Service) -> _Checks:
    at = ("services", service.name, "deploy", "resources")
    if not service.reservation.memory_mib or not service.reservation.cpus:
        text = _("no reservation of memory or CPU: selection counts “{name}” as nothing")
        yield "SC103", (*at, "reservations"), text.format(name=service.name)


def _variables(environment: object) -> Iterator[tuple[str | int, str, str]]:
    """Key or position, name and value of each variable of either form."""
    if isinstance(environment, dict):
        yield from ((name, name, str(value)) for name, value in environment.items() if value)
    elif isinstance(environment, list):
        for i, entry in enumerate(environment):
            name, _equals, value = str(entry).partition("=")
            yield i, name, value


def _is_bind(volume: object) -> bool:
    if isinstance(volume, dict):
        return volume.get("type") == "bind"
    return isinstance(volume, str) and volume.startswith((".", "/", "~")) and ":" in volume
