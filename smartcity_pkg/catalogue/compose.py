"""One app's folder, read and checked: `compose.yaml`, its `x-smartcity` key and `templates/*.j2`.

What concerns several apps is in `catalogue`; which Compose keys are allowed is in `subset`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartcity_pkg.catalogue import references, subset, yamlfile
from smartcity_pkg.catalogue.app import MARKER, App, AppSpec, Resources, Service
from smartcity_pkg.catalogue.faults import by_place
from smartcity_pkg.catalogue.rules import numbered
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB

FILE = "compose.yaml"
EXTENSION = "x-smartcity"

# docker/go-units, size.go, RAMInBytes: powers of 1,024, in any case, "i" and "b" may be left out.
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
# distribution/reference: lower-case path, a tag of at most 128 characters.
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,15})?")
_PORT_SPLIT = re.compile(r":(?![^{]*\})")


def read_app(folder: Path, shown: str) -> App:
    """The app in `folder`, which messages call `shown`; one InputError lists every fault."""
    return read(folder, shown)[0]


def read(folder: Path, shown: str) -> tuple[App, Document]:
    """The app in `folder`, and its Compose file with the place of every value."""
    file = f"{shown}/{FILE}"
    data = yamlfile.read_bytes(folder / FILE, file)
    document = _document(data, file)
    templates, problems = _templates(folder / "templates", f"{shown}/templates")
    problems = subset.problems(document) + problems
    if document.data.get("name") != folder.name:
        wrong = document.problem(
            ("name",),
            _("the app is called “{name}”, but its folder “{folder}”").format(
                name=document.data.get("name", ""), folder=folder.name
            ),
            _("write: name: {folder}").format(folder=folder.name),
        )
        problems += numbered("SC004", [wrong])
    reader = _ServiceReader(document)
    services = reader.services()
    problems += reader.problems
    try:
        spec = yamlfile.validate(document, AppSpec, (EXTENSION,))
    except InputError as error:
        found = numbered("SC010", error.problems)
        raise InputError(by_place(problems + found)) from error
    problems += _markers(document, spec)
    problems += references.problems(document, spec, services, templates)
    if problems:
        raise InputError(by_place(problems))
    text = yamlfile.decode(data, file)
    app = App(
        name=folder.name, spec=spec, services=services, compose_text=text, templates=templates
    )
    return app, document


def _document(data: bytes, file: str) -> Document:
    """The Compose file in `data`; InputError where it is none."""
    try:
        document = yamlfile.parse(data, file)
    except InputError as error:
        raise InputError(numbered("SC001", error.problems)) from error
    if not isinstance(document.data, dict):
        what = _("the file is empty") if document.data is None else _("not a Compose file")
        problem = document.problem((), what, _("bundles/laksa/compose.yaml is an example"))
        raise InputError(numbered("SC004", [problem]))
    return document


def _markers(document: Document, spec: AppSpec) -> list[Problem]:
    """What a person has still to fill in, in an entry that is no draft."""
    if spec.draft:
        return []
    found = [
        document.problem(
            path,
            _("“{marker}” is left here, and the app is no draft").format(marker=MARKER),
            _("write what belongs here"),
        )
        for path, mark in document.marks.items()
        if MARKER in mark.text
    ]
    return numbered("SC018", found)


def is_image(text: str) -> bool:
    """Whether `text` names an image as apps may: a path, and a tag or none."""
    return bool(_IMAGE.fullmatch(text))


def size_bytes(text: str) -> int | None:
    """The bytes that a Compose byte value (`192M`, `1gb`, `1.5 GiB`, `1048576`) says, or None."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** _EXPONENT[match[2].lower()])


def cpus(text: str) -> float | None:
    """The number of CPUs that `text` says, or None where it is no plain number."""
    return float(text) if _NUMBER.fullmatch(text) else None


def checks_health(fields: Mapping[str, Any]) -> bool:
    """Whether a `healthcheck` is there and not switched off."""
    test = fields.get("test")
    return bool(test) and test not in ("NONE", ["NONE"]) and not fields.get("disable")


def _templates(folder: Path, shown: str) -> tuple[dict[str, str], list[Problem]]:
    """The templates' text by file name, in order of the names."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.j2")):
        file = f"{shown}/{path.name}"
        texts[path.name] = ""
        if not path.resolve().is_relative_to(folder.resolve()):
            problems.append(Problem(_("the link leads out of the app's folder"), file))
            continue
        try:
            texts[path.name] = yamlfile.decode(yamlfile.read_bytes(path, file), file)
        except InputError as error:
            problems += error.problems
    return texts, problems


class _ServiceReader:
    """What smartcity needs of `services`, and every fault met on the way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def services(self) -> tuple[Service, ...]:
        """All services, in the file's order."""
        named = self._fields(("services",))
        if not named and not self.problems:
            self._fault("SC004", ("services",), _("the app has no service"))
        return tuple(self._service(name) for name in named)

    def _service(self, name: str) -> Service:
        at = ("services", name)
        fields = self._fields(at)
        self._check_runs_once(at)
        self._check_depends_on(at)
        for key in ("cap_drop", "volumes"):
            self._list((*at, key))
        limit = self._resources((*at, "deploy", "resources", "limits"))
        reservation = self._resources((*at, "deploy", "resources", "reservations"))
        for amount, most, key in (
            (reservation.memory_mib, limit.memory_mib, "memory"),
            (reservation.cpus, limit.cpus, "cpus"),
        ):
            if most and amount > most:
                self._fault(
                    "SC006",
                    (*at, "deploy", "resources", "reservations", key),
                    _("the service reserves more “{key}” than its limit allows").format(key=key),
                )
        return Service(
            name=name,
            image=self._image((*at, "image")),
            user=str(fields.get("user", "")),
            reservation=reservation,
            limit=limit,
            has_healthcheck=self._has_healthcheck((*at, "healthcheck")),
            secrets=self._secrets((*at, "secrets")),
            published_ports=self._published((*at, "ports")),
        )

    def _resources(self, at: Path_) -> Resources:
        fields = self._fields(at)
        memory = amount = 0.0
        if (value := fields.get("memory")) is not None:
            size = size_bytes(str(value))
            if size is None:
                self._fault(
                    "SC006",
                    (*at, "memory"),
                    _("“memory” is no plain amount (got: {got})").format(got=value),
                    _("write it like 192M or 1G: selection counts with it"),
                )
            memory = (size or 0) / MIB
        if (value := fields.get("cpus")) is not None:
            found = cpus(str(value))
            if found is None:
                self._fault(
                    "SC006",
                    (*at, "cpus"),
                    _("“cpus” is no plain number (got: {got})").format(got=value),
                    _('write it like "0.50": selection counts with it'),
                )
            amount = found or 0.0
        return Resources(memory_mib=memory, cpus=amount)

    def _image(self, at: Path_) -> str:
        image = self._value(at)
        hint = _("write it with the app's version, like laksa:1.0.0")
        if not isinstance(image, str) or not image:
            self._fault("SC005", at, _("the service has no image"), hint)
            return ""
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if "@" in image or "$" in image or not _IMAGE.fullmatch(image):
            self._fault(
                "SC005", at, _("“{image}” is no image with a fixed tag").format(image=image), hint
            )
        elif tag in ("", "latest"):
            self._fault(
                "SC005", at, _("the image “{image}” names no version").format(image=image), hint
            )
        return image

    def _has_healthcheck(self, at: Path_) -> bool:
        return checks_health(self._fields(at))

    def _secrets(self, at: Path_) -> tuple[str, ...]:
        names = []
        for i, entry in enumerate(self._list(at)):
            name = entry.get("source") if isinstance(entry, dict) else entry
            if isinstance(name, str):
                names.append(name)
            else:
                self._fault("SC012", (*at, i), _("a secret is a name, or fields with “source”"))
        return tuple(names)

    def _published(self, at: Path_) -> tuple[str, ...]:
        """The host's side of each port: `80`, `127.0.0.1:8080`, `${HTTP_PORT:-80}`."""
        ports = []
        for i, entry in enumerate(self._list(at)):
            if isinstance(entry, dict) and "target" in entry:
                host = str(entry.get("published", ""))
            elif isinstance(entry, str | int):
                host = ":".join(_PORT_SPLIT.split(str(entry))[:-1])
            else:
                self._fault(
                    "SC009", (*at, i), _("a port is text like 8080:80, or fields with “target”")
                )
                continue
            if not host:
                self._fault(
                    "SC009",
                    (*at, i),
                    _("the port has no fixed number on the server"),
                    _("write the server's port too, like 8080:80, or leave the port out"),
                )
            ports.append(host)
        return tuple(ports)

    def _check_runs_once(self, at: Path_) -> None:
        deploy = self._fields((*at, "deploy"))
        for key, only in (("replicas", 1), ("mode", "replicated")):
            if deploy.get(key, only) != only:
                self._fault(
                    "SC007",
                    (*at, "deploy", key),
                    _("a service runs once on a server (got: {key}: {got})").format(
                        key=key, got=deploy[key]
                    ),
                    _("write: {key}: {only}").format(key=key, only=only),
                )

    def _check_depends_on(self, at: Path_) -> None:
        path = (*at, "depends_on")
        if isinstance(self._value(path), dict):
            self._fault(
                "SC008",
                path,
                _("the long form of “depends_on” fails with docker stack"),
                _("write a list of services, and let each wait for what it needs"),
            )
            return
        services = self._fields(("services",))
        for i, name in enumerate(self._list(path)):
            if name not in services:
                self._fault(
                    "SC008", (*path, i), _("there is no service “{name}”").format(name=name)
                )

    def _value(self, at: Path_) -> Any:
        value = self.document.data
        for key in at:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _fields(self, at: Path_) -> dict[str, Any]:
        value = self._value(at)
        if value is not None and not isinstance(value, dict):
            self._fault("SC009", at, _("“{name}”: expected fields").format(name=at[-1]))
        return value if isinstance(value, dict) else {}

    def _list(self, at: Path_) -> list[Any]:
        value = self._value(at)
        if value is not None and not isinstance(value, list):
            self._fault("SC009", at, _("“{name}”: expected a list").format(name=at[-1]))
        return value if isinstance(value, list) else []

    def _fault(self, rule: str, at: Path_, message: str, hint: str = "") -> None:
        (problem,) = numbered(rule, [self.document.problem(at, message, hint)])
        if problem not in self.problems:
            self.problems.append(problem)
