"""From any Compose file to the draft of a catalogue entry, with a row for each matter on the way.

The draft always loads and passes `catalogue lint`, as a draft: what a person must decide is MARKER,
and stands under `x-smartcity.draft` with its place. Nothing is read but what the caller hands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import MARKER, App
from smartcity_pkg.catalogue.importing import stores
from smartcity_pkg.catalogue.importing.ledger import Finding, Kind, Ledger
from smartcity_pkg.catalogue.importing.mounts import Mounts
from smartcity_pkg.catalogue.importing.routes import routes_of
from smartcity_pkg.catalogue.importing.secrets import Secrets, free_name
from smartcity_pkg.catalogue.importing.service import ServiceImport, Shared
from smartcity_pkg.catalogue.importing.source import Beside, Source, read_source
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.i18n import _

_TOP_LEVEL = frozenset({"version", "name", "services", "networks", "volumes", "configs", "secrets"})
_SERVICE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_MACHINERY = frozenset({"app_proxy"})  # Umbrel's own; the gateway does its work
_SECTION = re.compile(r"^(?=(?:x-smartcity|services|secrets|networks|volumes):)", re.MULTILINE)
_MOST_LITERAL = 8


@dataclass(frozen=True)
class Row:
    """One row of the table: `line` in the source, `draft_line` in the draft (0: nowhere)."""

    kind: Kind
    line: int
    draft_line: int
    what: str
    todo: str


@dataclass(frozen=True)
class Imported:
    """A draft: its name, its Compose file's text, and what was found on the way."""

    name: str
    text: str
    rows: tuple[Row, ...]


def import_compose(
    data: bytes, file: str, name: str, *, beside: Beside, gateway: App | None = None
) -> Imported:
    """The Compose file in `data` as the draft of the app `name`.

    `file` is what messages call the source; `beside` reads a file of its folder. Routes need a
    gateway: without one in the catalogue the draft has none. Raises InputError for what is no
    Compose file, or grows without end.
    """
    ledger = Ledger()
    source = read_source(data, file, name, beside, ledger)
    about = stores.about(source, ledger)
    services = _services(source, name, ledger)
    _forget_literals(services)
    _top_level(source, ledger)
    for unset, at in services.shared.variables.unset.items():
        what = _("nobody sets the variable {name}").format(name=f"${{{unset[:80]}}}")
        todo = _("write what belongs in its place instead of {marker}").format(marker=MARKER)
        ledger.missing(at, what, todo, _in_draft(at, services))
    spec = _spec(name, file, about, services, source, gateway)
    document = _assembled(name, spec, services)
    points = _open_points(ledger)
    spec["draft"] = [{"at": _dotted(at), "todo": todo} for at, todo in points]
    text = _written(document, file)
    return Imported(name, text, _rows(ledger, source.document, yamlfile.parse(text.encode(), name)))


def app_name(text: str) -> str:
    """`text` in the form that an app's name must have; "app" where nothing is left of it."""
    name = re.sub(r"[^a-z0-9]+", "-", text[:200].lower()).strip("-")[:40].strip("-")
    return name if re.match(r"[a-z]", name) else (f"app-{name}"[:40].strip("-"))


@dataclass
class _Services:
    shared: Shared
    imported: dict[str, ServiceImport]


def _services(source: Source, app: str, ledger: Ledger) -> _Services:
    wanted = _wanted(source, ledger)
    names: dict[str, str] = {}
    for name in wanted:
        good = name if _SERVICE_NAME.fullmatch(name) else app_name(name)
        names[name] = free_name(good, names.values(), 60)
        if names[name] != name:
            what = _("the service “{old}” is called “{new}” now")
            ledger.changed(("services", name), what.format(old=name[:60], new=names[name]))
    shared = Shared(
        app=app,
        ledger=ledger,
        variables=source.variables,
        secrets=Secrets(),
        mounts=Mounts(ledger, source.variables, source.part("volumes")),
        service_names=names,
        beside=source.beside,
        networks=_networks(source, wanted, ledger),
    )
    return _Services(
        shared, {names[n]: ServiceImport(n, fields, shared) for n, fields in wanted.items()}
    )


def _wanted(source: Source, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """The services that start by default; all of them where none does."""
    kept: dict[str, dict[str, Any]] = {}
    for name, fields in source.services.items():
        at: Path_ = ("services", name)
        if name in _MACHINERY and "image" not in fields:
            ledger.changed(at, _("the store's own proxy is left out: routes say the way"))
        elif fields.get("profiles"):
            what = _("“{name}” starts only with a profile, and is left out").format(name=name[:60])
            todo = _("make it an app of its own, if it is wanted")
            ledger.dropped(at, what, todo, ("services",))
        else:
            kept[name] = fields
    return kept or source.services


def _networks(
    source: Source, services: dict[str, dict[str, Any]], ledger: Ledger
) -> dict[str, dict[str, Any]]:
    """The app's own networks; others' networks go."""
    used: dict[str, None] = {}
    for fields in services.values():
        given = fields.get("networks")
        names = given if isinstance(given, list | dict) else ()
        used |= {n: None for n in names if isinstance(n, str)}
    kept: dict[str, dict[str, Any]] = {}
    for name in used:
        declared = source.part("networks").get(name)
        declared = declared if isinstance(declared, dict) else {}
        if declared.get("external"):
            what = _("the network “{name}” belongs to others, and is left out").format(name=name)
            todo = _("if another app is met there, require it (x-smartcity.requires)")
            ledger.dropped(("networks", name), what, todo, ("x-smartcity",))
        elif _SERVICE_NAME.fullmatch(name):
            kept[name] = {"internal": True} if declared.get("internal") is True else {}
            if declared.keys() - {"internal", "driver", "name", "external"}:
                what = _("how the network “{name}” is built is for the engine to say")
                ledger.dropped(("networks", name), what.format(name=name))
    return kept


def _forget_literals(services: _Services) -> None:
    """No secret's value may stand elsewhere in the draft (a command, a health check)."""
    literals = [v for v in services.shared.secrets.literals if len(v) >= _MOST_LITERAL]

    def cleaned(value: Any, at: Path_) -> Any:
        if isinstance(value, dict):
            return {k: cleaned(v, (*at, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [cleaned(v, (*at, i)) for i, v in enumerate(value)]
        if not isinstance(value, str):
            return value
        clean = value
        for literal in literals:
            if value != literal or at[2] != "environment":  # a user called like the password
                clean = clean.replace(literal, MARKER)
        if clean != value:
            services.shared.ledger.secret(
                at,
                _("a secret stands here once more; it is not in the draft"),
                _("let it read the secret at /run/secrets instead of {marker}").format(
                    marker=MARKER
                ),
            )
        return clean

    for name, service in services.imported.items():
        for key in service.draft.keys() - {"image", "secrets", "depends_on", "networks"}:
            service.draft[key] = cleaned(service.draft[key], ("services", name, key))


def _top_level(source: Source, ledger: Ledger) -> None:
    for key in source.top:
        if key not in _TOP_LEVEL and not key.startswith("x-"):
            what = _("“{key}” is outside what Compose and docker stack share").format(key=key[:60])
            ledger.dropped(
                (key,), what, _("see whether the app works without it"), ("x-smartcity",)
            )
    for name in source.part("configs"):
        what = _("the configuration “{name}” is not in the draft").format(name=name[:60])
        todo = _("write it as a template: templates/NAME.j2, listed under x-smartcity.files")
        ledger.dropped(("configs", name), what, todo, ("x-smartcity",))


def _spec(
    name: str,
    file: str,
    about: stores.About,
    services: _Services,
    source: Source,
    gateway: App | None,
) -> dict[str, Any]:
    ledger = services.shared.ledger
    routes = routes_of(name, services.imported, stores.entrances(source), ledger) if gateway else []
    main = routes[0]["service"] if routes else next(iter(services.imported))
    title = about.title or name.replace("-", " ").title()
    spec: dict[str, Any] = {
        "schema_version": 1,
        "draft": [],
        "version": _version(services.imported[main].draft["image"], about.version),
        "title": {"id": about.title_id or title, "en": title},
        "summary": {"id": about.summary_id or MARKER, "en": about.summary or MARKER},
        "group": "layanan-publik",
        "owner": MARKER,
        "source": f"{about.source} ({file})" if about.source else file,
        "benefit": 0,
    }
    if about.architectures:
        spec["architectures"] = list(about.architectures)
    if routes and gateway:
        spec["requires"] = [{"app": gateway.name, "version": _compatible(gateway.version)}]
    spec["secrets"] = {s: {} for s in services.shared.secrets.names}
    spec["routes"] = routes
    at: Path_ = ("x-smartcity",)
    found = _("guessed, or not known at all")
    said = about.owner or _("nobody is named")
    for key, todo in (
        ("version", _("see that it is the version of what the images hold")),
        ("title", _("say what people call it, in both languages")),
        ("summary", _("say in one sentence what it is for, in both languages")),
        ("group", _("say whether it is layanan-publik or e-gov")),
        ("owner", _("say who answers for it (the source says: {owner})").format(owner=said)),
        ("benefit", _("say how much residents gain from it, 0 to 100")),
        ("demand_per_100k", _("say what it needs for each 100,000 residents, and which staff")),
    ):
        ledger.missing((), _("“{name}”: {why}").format(name=key, why=found), todo, (*at, key))
    return spec


def _version(image: str, said: str) -> str:
    for text in (image.rpartition(":")[2], said):
        match = re.match(r"v?(\d{1,9}(?:\.\d{1,9}){0,4})", text)
        try:
            return str(Version(match[1])) if match else str(Version(text))
        except InvalidVersion:
            continue
    return "0"


def _compatible(version: str) -> str:
    release = Version(version).release
    return f">={'.'.join(str(n) for n in release[:2])},<{release[0] + 1}"


def _assembled(name: str, spec: dict[str, Any], services: _Services) -> dict[str, Any]:
    shared = services.shared
    drafts = {name: service.draft for name, service in services.imported.items()}
    document: dict[str, Any] = {"name": name, "x-smartcity": spec, "services": drafts}
    if shared.secrets.names:
        document["secrets"] = {s: {"file": f"./secrets/{s}"} for s in shared.secrets.names}
    if shared.networks:
        document["networks"] = shared.networks
    if shared.mounts.volumes:
        document["volumes"] = shared.mounts.volumes
    return document


def _in_draft(at: Path_, services: _Services) -> Path_:
    """The service of the draft that a place of the source belongs to."""
    names = services.shared.service_names
    return ("services", names[str(at[1])]) if at[1:] and at[1] in names else ("services",)


def _open_points(ledger: Ledger) -> list[tuple[Path_, str]]:
    """What a person must do and where; the entry's own fields first."""
    points = {
        (f.draft_at, f"{f.what}: {f.todo}" if f.at else f.todo): None
        for f in ledger.findings
        if f.todo
    }
    return sorted(points, key=lambda p: p[0][:1] != ("x-smartcity",))


def _dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path) or "services"


def _written(document: dict[str, Any], file: str) -> str:
    source = " ".join(file.split())
    head = _("A draft, made from {file} by `smartcity catalogue import`.").format(file=source)
    rest = _("No plan takes it while x-smartcity.draft has an open point.")
    return f"# {head}\n# {rest}\n" + _SECTION.sub("\n", yamlfile.dump(document))


def _rows(ledger: Ledger, source: Document, draft: Document) -> tuple[Row, ...]:
    def line(document: Document, path: Path_) -> int:
        return document.problem(path, "").line if path else 0

    def row(finding: Finding) -> Row:
        lines = line(source, finding.at), line(draft, finding.draft_at)
        return Row(finding.kind, *lines, finding.what, finding.todo)

    return tuple(sorted(map(row, ledger.findings), key=lambda r: r.line))
