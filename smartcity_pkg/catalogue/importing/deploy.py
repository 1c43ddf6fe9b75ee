"""What a service may take, and how it is restarted: all forms under the one key `deploy`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from smartcity_pkg.catalogue import compose
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.importing.service import ServiceImport

_RESTART = {"always": "any", "unless-stopped": "any", "on-failure": "on-failure", "no": "none"}
_OLD = {
    ("limits", "memory"): "mem_limit",
    ("limits", "cpus"): "cpus",
    ("reservations", "memory"): "mem_reservation",
}
_CPUS = re.compile(r"\d{1,6}(?:\.\d{1,15})?")
_KEPT = ("update_config", "restart_policy", "resources", "replicas", "mode", "labels")


def deploy_of(service: ServiceImport) -> dict[str, Any]:
    """`deploy` of the draft, from `deploy` and from the keys that said the same before it."""
    given = service.source.get("deploy")
    at = (*service.at, "deploy")
    if given is not None and not isinstance(given, dict):
        service.ledger.unreadable(at)
    fields: dict[str, Any] = given if isinstance(given, dict) else {}
    result: dict[str, Any] = {}
    if resources := _resources(service, fields):
        result["resources"] = resources
    for key in ("update_config", "restart_policy"):
        value = service.text(fields.get(key), (*at, key))
        if isinstance(value, dict) and all(isinstance(v, str | int) for v in value.values()):
            result[key] = value
    if "restart_policy" not in result and (policy := _restart(service)):
        result["restart_policy"] = policy
    if fields.get("replicas", 1) != 1 or fields.get("mode", "replicated") != "replicated":
        what = _("a service runs once on a server; replicas and mode are left out")
        todo = _("see whether one is enough, and give it what several had")
        service.ledger.dropped((*at, "replicas"), what, todo, service.here)
    for key in fields.keys() - set(_KEPT):
        what = _("“{key}” of deploy is left out: the plan says where an app runs").format(key=key)
        service.ledger.dropped((*at, key), what)
    return result


def size_text(value: object) -> str:
    """A byte value as Compose writes it: a number is bytes."""
    return "" if isinstance(value, bool) or value is None else str(value).strip()


def _resources(service: ServiceImport, fields: dict[str, Any]) -> dict[str, dict[str, str]]:
    given = fields.get("resources")
    resources: dict[str, Any] = given if isinstance(given, dict) else {}
    found: dict[str, dict[str, str]] = {}
    for part in ("limits", "reservations"):
        at = (*service.at, "deploy", "resources", part)
        amounts = resources.get(part)
        amounts = amounts if isinstance(amounts, dict) else {}
        for key in ("memory", "cpus"):
            old = _OLD.get((part, key), "")
            value, where = amounts.get(key), (*at, key)
            if value is None and old in service.source:
                value, where = service.source[old], (*service.at, old)
                what = _("“{old}” is deploy.resources.{part}.{key} now")
                service.ledger.changed(where, what.format(old=old, part=part, key=key))
            if value is not None and (amount := _amount(service, key, value, where)):
                found.setdefault(part, {})[key] = amount
        for key in amounts.keys() - {"memory", "cpus", "pids"}:
            what = _("“{key}” cannot be reserved on both engines").format(key=key)
            todo = _("see whether the app works without it")
            service.ledger.dropped((*at, key), what, todo, service.here)
    _lower(service, found)
    _what_lacks(service, found)
    return found


def _amount(service: ServiceImport, key: str, value: object, at: Path_) -> str:
    text = size_text(service.text(value, at))
    good = compose.size_bytes(text) if key == "memory" else _CPUS.fullmatch(text)
    if not good:
        service.ledger.unreadable(at)
        return ""
    return text


def _lower(service: ServiceImport, found: dict[str, dict[str, str]]) -> None:
    """A reservation above its limit becomes the limit."""
    reserved, limits = found.get("reservations", {}), found.get("limits", {})
    for key in ("memory", "cpus"):
        if key in reserved and key in limits and _more(key, reserved[key], limits[key]):
            reserved[key] = limits[key]
            what = _("the service reserves more “{key}” than its limit allows").format(key=key)
            at = (*service.at, "deploy", "resources", "reservations", key)
            service.ledger.changed(at, what, _("say how much it needs at least"))


def _more(key: str, amount: str, limit: str) -> bool:
    if key == "memory":
        return (compose.size_bytes(amount) or 0) > (compose.size_bytes(limit) or 0)
    return float(amount) > float(limit)


def _what_lacks(service: ServiceImport, found: dict[str, dict[str, str]]) -> None:
    lacks = []
    if "memory" not in found.get("limits", {}):
        lacks.append("limits.memory")
    lacks += [
        f"reservations.{key}"
        for key in ("memory", "cpus")
        if key not in found.get("reservations", {})
    ]
    if lacks:
        what = _("the service does not say what it needs: {missing}").format(
            missing=", ".join(lacks)
        )
        todo = _("write it under deploy.resources, as measured (smartcity catalogue measure)")
        at = (*service.at, "deploy", "resources")
        service.ledger.missing(at, what, todo, (*service.here, "deploy"))


def _restart(service: ServiceImport) -> dict[str, Any]:
    given = service.source.get("restart")
    if given is None:
        return {}
    word = "no" if given is False else str(service.text(given, (*service.at, "restart")))
    name, _colon, attempts = word.partition(":")
    if name not in _RESTART:
        service.ledger.unreadable((*service.at, "restart"))
        return {}
    what = _("“{old}” is deploy.restart_policy now").format(old=f"restart: {word}")
    service.ledger.changed((*service.at, "restart"), what)
    policy: dict[str, Any] = {"condition": _RESTART[name]}
    if attempts.isascii() and attempts.isdecimal() and len(attempts) < 9:
        policy["max_attempts"] = int(attempts)
    return policy
