"""Which services of a draft the gateway leads to, instead of ports that they published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from smartcity_pkg.catalogue.importing.ledger import Ledger
from smartcity_pkg.catalogue.importing.ports import Port, holds_data, is_tls, likeliest, read_port
from smartcity_pkg.catalogue.importing.service import ServiceImport
from smartcity_pkg.catalogue.importing.stores import Entrance
from smartcity_pkg.core.i18n import _


def routes_of(
    app: str,
    services: Mapping[str, ServiceImport],
    entrances: Sequence[Entrance],
    ledger: Ledger,
) -> list[dict[str, Any]]:
    """The routes of the draft, the app's own first; every port that was published is accounted for.

    A service that a store or a proxy's label names comes before those with a likely port.
    """
    ways = {name: _way(service, entrances) for name, service in services.items()}
    named = [e.service for e in entrances]
    wanted = [
        *(n for e in named for n, s in services.items() if s.at[-1] == e),
        *(n for n, s in services.items() if not holds_data(str(s.draft["image"]))),
    ]
    routes: list[dict[str, Any]] = []
    taken: set[str] = set()
    for name in dict.fromkeys(wanted):
        port = ways[name]
        if port:
            routes.append(_route(app, services[name], port, taken, first=not routes))
    for name, service in services.items():
        _account(service, next((r["port"] for r in routes if r["service"] == name), 0), ledger)
    for i, route in enumerate(routes):
        _ask(route, services[route["service"]], i, ledger)
    if not routes:
        ledger.note(("services",), _("no service seems to serve HTTP to people: there is no route"))
    return routes


def _way(service: ServiceImport, entrances: Sequence[Entrance]) -> int:
    """The port that a route to `service` would lead to, or 0."""
    said = [e.port for e in entrances if e.service == service.at[-1]]
    if said:
        return said[0]
    found = likeliest(port for _i, port in _published(service))
    return found.target if found else 0


def _published(service: ServiceImport) -> list[tuple[int, Port]]:
    """The ports that were published and can be read, with their positions."""
    given = service.source.get("ports")
    found = []
    for i, entry in enumerate(given if isinstance(given, list) else ()):
        resolve = service.shared.variables.resolve
        if isinstance(entry, dict):
            entry = {k: resolve(v) if isinstance(v, str) else v for k, v in entry.items()}  # noqa: PLW2901
        port = read_port(resolve(entry) if isinstance(entry, str) else entry)
        if port:
            found.append((i, port))
    return found


def _route(
    app: str, service: ServiceImport, port: int, taken: set[str], *, first: bool
) -> dict[str, Any]:
    part = re.sub(r"[^a-z0-9]+", "-", service.name.lower()).strip("-") or "web"
    path = f"/{app}/" if first else f"/{app}-{part}/"
    number = 2
    while path in taken:
        path, number = f"/{app}-{part}-{number}/", number + 1
    taken.add(path)
    health = path + service.health_path().lstrip("/")
    return {"path": path, "service": service.name, "port": port, "health": health}


def _account(service: ServiceImport, routed: int, ledger: Ledger) -> None:
    """Say of each port of the source what became of it."""
    at = (*service.at, "ports")
    given = service.source.get("ports")
    if given is not None and not isinstance(given, list):
        ledger.unreadable(at)
    ports = dict(_published(service))
    for i, _entry in enumerate(given if isinstance(given, list) else ()):
        port = ports.get(i)
        if port is None:
            ledger.unreadable((*at, i))
        elif port.target == routed:
            what = _("the port {port} is reached through the gateway now").format(port=port.target)
            ledger.changed((*at, i), what)
        elif holds_data(str(service.draft["image"])):
            what = _("the port {port} is not published: only the app's own services reach it")
            ledger.dropped((*at, i), what.format(port=port.target))
        else:
            what = _("the port {port} ({protocol}) is not published: the gateway serves HTTP only")
            todo = _("see whether anybody outside needs the port {port}")
            said = {"port": port.target, "protocol": port.protocol}
            ledger.dropped((*at, i), what.format(**said), todo.format(**said), service.here)


def _ask(route: dict[str, Any], service: ServiceImport, i: int, ledger: Ledger) -> None:
    what = _("the gateway leads {path} to “{service}”, and leaves the path as it is")
    todo = _("let the app serve below {path} (its base address), and check the health path")
    ledger.missing(
        service.at, what.format(**route), todo.format(**route), ("x-smartcity", "routes", i)
    )
    if is_tls(route["port"]):
        what = _("the port {port} usually speaks TLS, and the gateway speaks plain HTTP to apps")
        todo = _("let “{service}” serve plain HTTP, and write that port")
        at = ("x-smartcity", "routes", i, "port")
        ledger.missing(service.at, what.format(**route), todo.format(**route), at)
