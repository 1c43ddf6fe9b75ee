"""CycloneDX 1.6 documents: writing one for an image, and reading it back from a bundle.

The same image gives the same bytes: sorted, no clock, a serial number that is made of the content.
Why this is not left to a library: docs/adr/0008. Sources: CycloneDX 1.6 JSON schema (ECMA-424).
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.bundle.sbom.found import READER_VERSION, Package
from smartcity_pkg.bundle.sbom.image import Component, ImagePackages
from smartcity_pkg.core import digest

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_SPEC_VERSION = "1.6"
_ROOT_REF = "image"
_SYSTEM_REF = "system"
_UNREAD = "smartcity:unread"
_SOURCE = "smartcity:source-package"
_EXPRESSION_KINDS = frozenset({"apk", "npm", "pypi"})
_IDENTIFIER = r"\(*[A-Za-z0-9][A-Za-z0-9.-]*\+?\)*"
_EXPRESSION = re.compile(rf"{_IDENTIFIER}(?: (?:AND|OR|WITH) {_IDENTIFIER})*")
_PURL_KIND = re.compile(r"pkg:(deb|apk|pypi|npm)/")


class BadSbomError(ValueError):
    """The bytes are no document that `document` writes; `str` says why."""


def document(reference: str, config_digest: str, packages: ImagePackages) -> bytes:
    """The document of the image called `reference`, canonical JSON of at most 16 MiB.

    Where packages would not fit (no real image is near it), the last by name are left out, and the
    document says so.
    """
    components = packages.components
    unread = packages.unread
    while True:
        data = _document(reference, config_digest, packages.system, components, unread)
        if len(data) <= strictjson.MAX_BYTES:
            return data
        components = components[: len(components) // 2]
        unread = tuple(sorted({*packages.unread, "too many packages"}))


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Named(_Document):
    name: str = ""


class _Licence(_Document):
    license: _Named = _Named()
    expression: str = ""


class _Property(_Document):
    name: str
    value: str = ""


class _Hash(_Document):
    alg: str
    content: str


class _Component(_Document):
    name: str
    version: str = ""
    purl: str = ""
    licenses: tuple[_Licence, ...] = ()
    properties: tuple[_Property, ...] = ()
    hashes: tuple[_Hash, ...] = ()


class _Metadata(_Document):
    component: _Component
    properties: tuple[_Property, ...] = ()


class _Bom(_Document):
    format: str = Field(alias="bomFormat", pattern="^CycloneDX$")
    spec_version: str = Field(alias="specVersion", pattern=r"^1\.6$")
    metadata: _Metadata
    components: tuple[_Component, ...] = ()


class Sbom(_Document):
    """What a document says: of which image it is, and what is inside.

    `system` is what the image's system calls itself, like `debian 13`, or "".
    """

    config_digest: str
    system: str
    packages: tuple[Package, ...]
    unread: tuple[str, ...]

    @property
    def kinds(self) -> dict[str, int]:
        """How many packages of each kind."""
        return dict(sorted(Counter(p.kind for p in self.packages).items()))


def parse(data: bytes) -> Sbom:
    """The document `data`, from whoever's hands; BadSbomError where it is none."""
    try:
        bom = _Bom.model_validate(strictjson.loads(data))
    except (strictjson.UnsafeJsonError, ValidationError) as error:
        raise BadSbomError(str(error).splitlines()[0]) from error
    image = bom.metadata.component
    system = [f"{c.name} {c.version}".strip() for c in bom.components if not c.purl]
    return Sbom(
        config_digest=next((f"sha256:{h.content}" for h in image.hashes if h.alg == "SHA-256"), ""),
        system=system[0] if system else "",
        packages=tuple(p for p in map(_package, bom.components) if p is not None),
        unread=tuple(p.value for p in bom.metadata.properties if p.name == _UNREAD),
    )


def _document(
    reference: str,
    config_digest: str,
    system: dict[str, str],
    components: tuple[Component, ...],
    unread: tuple[str, ...],
) -> bytes:
    name, _colon, version = reference.rpartition(":")
    image = {
        "type": "container",
        "bom-ref": _ROOT_REF,
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest.hex_of(config_digest)}],
    }
    tool = {"type": "application", "name": "smartcity", "version": f"reader {READER_VERSION}"}
    metadata: dict[str, Any] = {"component": image, "tools": {"components": [tool]}}
    if unread:
        metadata["properties"] = [{"name": _UNREAD, "value": text} for text in unread]
    value: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC_VERSION,
        "version": 1,
        "metadata": metadata,
        "components": [*_system(system), *map(_component, components)],
        # Packages are read, single files that no package owns are not; less where something failed.
        "compositions": [
            {"aggregate": "incomplete" if unread else "unknown", "assemblies": [_ROOT_REF]}
        ],
    }
    content = digest.of_bytes(digest.canonical_json(value))
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"smartcity:sbom:{content}")
    return digest.canonical_json({**value, "serialNumber": f"urn:uuid:{serial}"})


def _system(system: dict[str, str]) -> list[dict[str, Any]]:
    if not system.get("ID"):
        return []
    found = {"type": "operating-system", "bom-ref": _SYSTEM_REF, "name": system["ID"]}
    release = system.get("VERSION_ID") or system.get("VERSION_CODENAME")
    if release:
        found["version"] = release
    if system.get("PRETTY_NAME"):
        found["description"] = system["PRETTY_NAME"]
    return [found]


def _component(component: Component) -> dict[str, Any]:
    package = component.package
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": package.name,
        "version": package.version,
        "purl": component.purl,
    }
    if package.licences:
        found["licenses"] = _licences(package)
    if package.source:
        found["properties"] = [{"name": _SOURCE, "value": package.source}]
    if component.places:
        found["evidence"] = {"occurrences": [{"location": place} for place in component.places]}
    return found


def _licences(package: Package) -> list[dict[str, Any]]:
    """One SPDX expression where it is one; else names, as copyright files and people write them."""
    if (
        package.kind in _EXPRESSION_KINDS
        and len(package.licences) == 1
        and _EXPRESSION.fullmatch(package.licences[0])
    ):
        return [{"expression": package.licences[0]}]
    return [{"license": {"name": name}} for name in package.licences]


def _package(component: _Component) -> Package | None:
    match = _PURL_KIND.match(component.purl)
    if match is None:
        return None
    qualifiers = parse_qs(component.purl.partition("?")[2])
    source = next((p.value for p in component.properties if p.name == _SOURCE), "")
    return Package.model_validate(
        {
            "kind": match.group(1),
            "name": component.name,
            "version": component.version,
            "arch": qualifiers.get("arch", [""])[0],
            "licences": tuple(x.expression or x.license.name for x in component.licenses),
            "source": source,
        }
    )
