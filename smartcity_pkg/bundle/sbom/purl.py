"""Package URLs: one name for a package that every scanner understands, and reading it back.

Source: the purl specification (ECMA-427) and its types deb, apk, pypi and npm.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from smartcity_pkg.bundle.sbom.found import Package

_VENDORS = {"deb": "debian", "apk": "alpine"}


def purl(package: Package, system: Mapping[str, str]) -> str:
    """The package's URL; `system` are the fields of its image's os-release."""
    name, namespace = package.name, ""
    if package.kind == "pypi":
        name = name.lower().replace("_", "-")
    elif package.kind == "npm":
        namespace, _slash, name = name.lower().rpartition("/")
    else:
        name, namespace = name.lower(), system.get("ID", "").lower() or _VENDORS[package.kind]
    text = f"pkg:{package.kind}/"
    if namespace:
        text += "/".join(_quoted(part) for part in namespace.split("/")) + "/"
    text += f"{_quoted(name)}@{_quoted(package.version)}"
    qualifiers = _qualifiers(package, system)
    if qualifiers:
        text += "?" + "&".join(f"{key}={_quoted(qualifiers[key])}" for key in sorted(qualifiers))
    return text


def _qualifiers(package: Package, system: Mapping[str, str]) -> dict[str, str]:
    if package.kind not in _VENDORS:
        return {}
    vendor = system.get("ID", "").lower() or _VENDORS[package.kind]
    release = system.get("VERSION_ID") or system.get("VERSION_CODENAME", "")
    found = {"arch": package.arch, "distro": f"{vendor}-{release}" if release else ""}
    return {key: value for key, value in found.items() if value}


def _quoted(text: str) -> str:
    """Percent-encoded, but for a colon, as the specification asks."""
    return quote(text, safe=":")
