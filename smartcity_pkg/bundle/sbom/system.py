"""Reads what Debian and Alpine say about their packages: dpkg, apk, copyright files, os-release.

Sources: Debian policy chapter 5 (control files), copyright-format 1.0 (DEP-5), the apk database
format as `apk-tools` writes it (apk-package(5), "installed"), os-release(5).
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator

from smartcity_pkg.bundle.sbom.found import MOST_PACKAGES, Found, Package, clean

_MOST_LICENCES = 40
_MOST_LINE_BYTES = 8192
# dpkg(1), "Package states": in these, files of the package are on the disk.
_PRESENT = frozenset(
    {"installed", "half-installed", "unpacked", "half-configured"}
    | {"triggers-awaited", "triggers-pending"}
)
_WANTED = frozenset({"package", "status", "version", "architecture", "source"})
_SYSTEM = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")
_COPYRIGHT_FORMAT = re.compile(r"^Format:.*copyright-format", re.IGNORECASE | re.MULTILINE)
_LICENCE = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)


def dpkg_status(data: bytes) -> Found:
    """`var/lib/dpkg/status`, or one file of `status.d` (as distroless images have)."""
    packages = []
    for stanza in _stanzas(data):
        status = stanza.get("status", "install ok installed").split()
        if {"package", "version"} <= stanza.keys() and status and status[-1] in _PRESENT:
            packages.append(
                Package(
                    kind="deb",
                    name=clean(stanza["package"]),
                    version=clean(stanza["version"]),
                    arch=clean(stanza.get("architecture", "")),
                    source=clean(stanza.get("source", "")),
                )
            )
            if len(packages) > MOST_PACKAGES:
                break  # the layer says that it has too many
    return Found(packages=tuple(packages))


def apk_installed(data: bytes) -> Found:
    """`lib/apk/db/installed`: one letter, a colon and a value a line; a blank line between."""
    packages = []
    fields: dict[str, str] = {}
    for line in _lines(data):
        if line:
            if line[1:2] == ":" and line[0] in "PVALo":
                fields.setdefault(line[0], clean(line[2:]))
            continue
        if fields.get("P") and fields.get("V"):
            origin = fields.get("o", "")
            packages.append(
                Package(
                    kind="apk",
                    name=fields["P"],
                    version=fields["V"],
                    arch=fields.get("A", ""),
                    licences=(fields["L"],) if fields.get("L") else (),
                    source=origin if origin != fields["P"] else "",
                )
            )
            if len(packages) > MOST_PACKAGES:
                break
        fields = {}
    return Found(packages=tuple(packages))


def copyright_file(data: bytes) -> Found:
    """The short names of licences in a machine-readable copyright file; else nothing."""
    text = data.decode("utf-8", "replace")
    if not _COPYRIGHT_FORMAT.search(text[:4096]):
        return Found()
    names = sorted({clean(name) for name in _LICENCE.findall(text)})
    return Found(licences=tuple(n for n in names if n)[:_MOST_LICENCES])


def os_release(data: bytes) -> Found:
    """What the system calls itself."""
    system: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        name, equals, value = line.strip().partition("=")
        if equals and name in _SYSTEM:
            try:
                words = shlex.split(value)
            except ValueError:  # a quote without its end
                continue
            system[name] = clean(" ".join(words))
    return Found(system=system)


def _lines(data: bytes) -> Iterator[str]:
    """The lines, one at a time, and an empty one at the end: a list of 16 million is too many."""
    for line in io.BytesIO(data):
        yield line[:_MOST_LINE_BYTES].decode("utf-8", "replace").rstrip("\r\n")
    yield ""


def _stanzas(data: bytes) -> Iterator[dict[str, str]]:
    """Stanzas of a control file: the fields that are asked for, by name in small letters."""
    stanza: dict[str, str] = {}
    for line in _lines(data):
        if not line.strip():
            if stanza:
                yield stanza
            stanza = {}
        elif line[0] not in " \t#":
            name, colon, value = line.partition(":")
            if colon and name.lower() in _WANTED:
                stanza[name.lower()] = value.strip()
