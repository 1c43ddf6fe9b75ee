"""What the known app stores say beside plain Compose: names, words, and which port is the app's.

CasaOS/ZimaOS (`x-casaos`), Runtipi (`x-runtipi`, config.json), Umbrel (`app_proxy`,
umbrel-app.yml), Cosmos Cloud (`routes`), and the labels of Traefik, Caddy and nginx-proxy. Shapes
as their public documentation shows them; whatever has another shape is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.importing.ledger import Ledger
from smartcity_pkg.catalogue.importing.source import Source
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.core.i18n import _

LONGEST = 300
_TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]{1,80}\.loadbalancer\.server\.port")
_CADDY_PORT = re.compile(r"upstreams (?:https? )?(\d{1,5})")
_COSMOS_TARGET = re.compile(r"https?://([A-Za-z0-9._-]{1,80}):(\d{1,5})")
PROXY_LABELS = re.compile(r"(?:traefik|caddy)(?:[._].*)?")


@dataclass(frozen=True)
class Entrance:
    """A service and the port on which it serves HTTP, as a store or a proxy's label says it."""

    service: str
    port: int


@dataclass
class About:
    """What a store says of the app; "" where it says nothing."""

    title: str = ""
    title_id: str = ""
    summary: str = ""
    summary_id: str = ""
    owner: str = ""
    source: str = ""
    version: str = ""
    architectures: tuple[str, ...] = ()


def about(source: Source, ledger: Ledger) -> About:
    """What the stores' files and keys say of the app."""
    found = About()
    casaos = source.part("x-casaos")
    if casaos:
        ledger.note(("x-casaos",), _("what CasaOS says of the app was used"))
        _take(found, casaos, title="title", summary=("tagline", "description"))
        names = casaos.get("architectures")
        if isinstance(names, list):
            found.architectures = tuple(a for a in ("amd64", "arm64") if a in names)
    for file, name in (("umbrel-app.yml", "Umbrel"), ("config.json", "Runtipi")):
        if (name == "Umbrel") == ("app_proxy" in source.services) and (
            fields := _beside(source, file)
        ):
            ledger.note((), _("the file {file} of {store} was used").format(file=file, store=name))
            _take(found, fields, title="name", summary=("tagline", "short_desc"))
    return found


def entrances(source: Source) -> tuple[Entrance, ...]:
    """Which service serves HTTP where, as stores and proxies' labels say, the app's own first."""
    found: list[Entrance] = []
    casaos = source.part("x-casaos")
    main = casaos.get("main") or next(iter(source.services), "")
    for name, service in source.services.items():
        _add(found, name, _mapping(service, "x-runtipi").get("internal_port"))
        for label, value in _pairs(service.get("labels")):
            if _TRAEFIK_PORT.fullmatch(label):
                _add(found, name, value)
            elif label.startswith("caddy") and (match := _CADDY_PORT.search(value)):
                _add(found, name, match[1])
        for variable, value in _pairs(service.get("environment")):
            if variable == "VIRTUAL_PORT":
                _add(found, name, value)
        routes = service.get("routes")
        for route in routes if isinstance(routes, list) else ():
            target = route.get("target") if isinstance(route, dict) else None
            if isinstance(target, str) and (match := _COSMOS_TARGET.match(target)):
                _add(found, match[1] if match[1] in source.services else name, match[2])
    if isinstance(main, str) and main in source.services and "port_map" in casaos:
        _add(found, main, _inside(source.services[main], casaos["port_map"]))
    proxy = dict(_pairs(source.services.get("app_proxy", {}).get("environment")))
    for name in source.services:  # nextcloud_web_1 is the service web of the app nextcloud
        if re.search(rf"(?:^|_){re.escape(name)}_1$", proxy.get("APP_HOST", "")):
            _add(found, name, proxy.get("APP_PORT"))
    first = [e for e in found if _mapping(source.services[e.service], "x-runtipi").get("is_main")]
    return tuple(dict.fromkeys([*first, *found]))


def _add(found: list[Entrance], service: str, port: object) -> None:
    text = str(port)
    if text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) <= 65535:
        found.append(Entrance(service, int(text)))


def _inside(service: dict[str, Any], published: object) -> object:
    """The container's port behind one of the server's."""
    ports = service.get("ports")
    for entry in ports if isinstance(ports, list) else ():
        if isinstance(entry, dict) and str(entry.get("published")) == str(published):
            return entry.get("target")
        if isinstance(entry, str) and entry.partition("/")[0].startswith(f"{published}:"):
            return entry.partition("/")[0].rpartition(":")[2]
    return published


def _take(found: About, fields: dict[str, Any], *, title: str, summary: tuple[str, ...]) -> None:
    found.title = found.title or _said(fields.get(title))
    found.title_id = found.title_id or _said(fields.get(title), "id")
    for key in summary:
        found.summary = found.summary or _said(fields.get(key))
        found.summary_id = found.summary_id or _said(fields.get(key), "id")
    for key in ("developer", "author"):
        found.owner = found.owner or _said(fields.get(key))
    for key in ("repo", "website", "source"):
        found.source = found.source or _said(fields.get(key))
    found.version = found.version or _said(fields.get("version"))


def _said(value: object, language: str = "en") -> str:
    """One line of text, which may be written by language (`en_us`, `en_US`)."""
    if isinstance(value, dict):
        for code, text in value.items():
            if code.lower().partition("_")[0] == language and isinstance(text, str):
                return _line(text)
        return ""
    return _line(str(value)) if isinstance(value, str | int | float) and language == "en" else ""


def _line(text: str) -> str:
    words = " ".join(text[: 4 * LONGEST].split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def _beside(source: Source, file: str) -> dict[str, Any]:
    data = source.beside(file)
    try:
        found = yamlfile.parse(data, file).data if data else None
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(service: dict[str, Any], key: str) -> dict[str, Any]:
    value = service.get(key)
    return value if isinstance(value, dict) else {}


def _pairs(value: object) -> list[tuple[str, str]]:
    """Labels or variables of either form."""
    if isinstance(value, dict):
        return [(name, str(text)) for name, text in value.items()]
    if isinstance(value, list):
        return [(name, text) for name, _sep, text in (str(e).partition("=") for e in value)]
    return []
