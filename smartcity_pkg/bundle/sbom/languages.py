"""Reads what Python and npm packages say about themselves.

Sources: Python's core metadata specification (Name, Version, License-Expression, License,
Classifier; PEP 566, PEP 639), npm's package.json (name, version, license).
"""

from __future__ import annotations

import json
from typing import Any

from smartcity_pkg.bundle.sbom.found import Found, Package, clean

_MOST_LICENCES = 10
_CLASSIFIER = "License :: "


def python_metadata(data: bytes) -> Found:
    """`METADATA` of a `.dist-info`, `PKG-INFO` of an `.egg-info`."""
    fields: dict[str, list[str]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break  # the description follows
        name, colon, value = line.partition(":")
        if colon and line[0] not in " \t":
            fields.setdefault(name.lower(), []).append(clean(value))
    name, version = (fields.get(key, [""])[0] for key in ("name", "version"))
    if not name or not version:
        return Found()
    package = Package(
        kind="pypi", name=name, version=version, licences=_python_licences(fields)
    )  # fmt: skip
    return Found(packages=(package,))


def npm_package(data: bytes) -> Found:
    """`package.json` of an installed npm package; one without name and version is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Found()
    if not isinstance(value, dict):
        return Found()
    name, version = value.get("name"), value.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return Found()
    name, version = clean(name), clean(version)
    if not name or not version:
        return Found()
    package = Package(kind="npm", name=name, version=version, licences=_npm_licences(value))
    return Found(packages=(package,))


def _python_licences(fields: dict[str, list[str]]) -> tuple[str, ...]:
    """The expression; else the classifiers, which are from a fixed list; else the free text."""
    if expression := fields.get("license-expression"):
        return (expression[0],)
    named = sorted(
        {c.rsplit(" :: ", 1)[-1] for c in fields.get("classifier", ()) if c.startswith(_CLASSIFIER)}
        - {"OSI Approved", "License"}
    )
    if named:
        return tuple(named[:_MOST_LICENCES])
    text = fields.get("license", [""])[0]
    return (text,) if text and text.upper() != "UNKNOWN" else ()


def _npm_licences(value: dict[str, Any]) -> tuple[str, ...]:
    """`license` as text or, as old packages have it, objects with a `type`."""
    said = value.get("license", value.get("licenses"))
    entries = said if isinstance(said, list) else [said]
    named = [e.get("type") if isinstance(e, dict) else e for e in entries[:_MOST_LICENCES]]
    return tuple(sorted({clean(n) for n in named if isinstance(n, str) and clean(n)}))
