"""The documents: valid by the standard's own schema, the same anywhere, bound to their images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_forge import Files, blob, edited, read_folder, refused, replaced, roots, write_tar
from bundle_world import Images, Keys, packed, write_layout
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from layer_forge import dpkg, metadata, package_json, read, tar
from packageurl import PackageURL

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.inspect import inspect, sbom_document
from smartcity_pkg.bundle.sbom.cyclonedx import BadSbomError, document, parse
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UsageError

CONFIG = digest.of_bytes(b"config")
BASE = tar(
    [
        ("etc/os-release", b'PRETTY_NAME="Debian 13"\nID=debian\nVERSION_ID="13"\n'),
        ("var/lib/dpkg/status", dpkg("libc6=2.41-12", "bash=5.2.37-2+b5", "g++=4:14.2.0-1~1")),
        ("usr/share/doc/bash/copyright", b"Format: x/copyright-format/1.0/\n\nLicense: GPL-3+\n"),
        ("a/x.dist-info/METADATA", metadata("Zope_x", "1.0+local", "License-Expression: MIT")),
        ("b/y.dist-info/METADATA", metadata("y", "1!2.0", "License: See the website (really)")),
        ("lib/apk/db/installed", b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\n"),
        ("n/node_modules/@a/b/package.json", package_json("@A/b", "1.0.0-rc.1", license="MIT")),
        ("n/node_modules/c/package.json", package_json("c", "1", licenses=[{"type": "Apache"}])),
    ]
)
# Names that nobody should give: still a valid document.
ODD = tar(
    [
        ("var/lib/dpkg/status", dpkg("a b=1 2", "%=%", "ü=\u20ac", "a?b=1#2", "x=" + "9" * 999)),
        ("n/node_modules/c/package.json", package_json("@/@", "..", license="AND OR (")),
        ("n/node_modules/d/package.json", package_json("a//b", "@", license=["MIT", "ISC", 5])),
    ]
)
EMPTY = tar([])


@pytest.mark.parametrize("layer", [BASE, ODD, EMPTY, b"no tar"], ids=["base", "odd", "empty", "no"])
def test_documents_are_valid_by_cyclonedx_1_6(layer: bytes) -> None:
    data = document("smartcity/laksa:1.0.0-abc", CONFIG, read(layer))
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(data.decode()) is None
    broken = data.decode().replace('"type":"container"', '"type":"box"')
    assert validator.validate_str(broken) is not None  # it does look


@pytest.mark.parametrize("layer", [BASE, ODD], ids=["base", "odd"])
def test_purls_are_those_of_the_reference_implementation(layer: bytes) -> None:
    found = [c for c in read(layer).components if c.package.name not in ("@/@", "a//b")]
    assert found
    for component in found:
        assert PackageURL.from_string(component.purl).to_string() == component.purl


def test_a_document_says_what_was_found() -> None:
    data = document("registri.example:5000/laksa:1.0.0-abc", CONFIG, read(BASE))
    value = json.loads(data)
    assert value["metadata"]["component"]["name"] == "registri.example:5000/laksa"
    by_purl = {c.get("purl"): c for c in value["components"]}
    assert len(by_purl) == len(value["components"])
    bash = by_purl["pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=debian-13"]
    assert bash["licenses"] == [{"license": {"name": "GPL-3+"}}]
    assert by_purl["pkg:pypi/zope-x@1.0%2Blocal"]["licenses"] == [{"expression": "MIT"}]
    assert by_purl["pkg:pypi/y@1%212.0"]["licenses"][0]["license"]["name"].startswith("See the")
    sbom = parse(data)
    assert (sbom.config_digest, sbom.system) == (CONFIG, "debian 13")
    assert sbom.kinds == {"apk": 1, "deb": 3, "npm": 2, "pypi": 2}
    found = {(p.kind, p.name, p.version, p.arch, p.licences) for p in sbom.packages}
    packages = [c.package for c in read(BASE).components]
    assert found == {(p.kind, p.name, p.version, p.arch, p.licences) for p in packages}


def test_a_document_has_no_clock_no_chance_and_a_serial_number_of_its_own() -> None:
    one, again = (document("a:1", CONFIG, read(BASE)) for _time in range(2))
    assert one == again
    assert "timestamp" not in json.loads(one)["metadata"]
    other = document("a:1", digest.of_bytes(b"other"), read(BASE))
    serials = {json.loads(d)["serialNumber"] for d in (one, other)}
    assert len(serials) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"bomFormat":"CycloneDX","specVersion":"1.6"}', b"[" * 50_000,
     b'{"bomFormat":"SPDX","specVersion":"1.6","metadata":{"component":{"name":"x"}}}',
     b'{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"name":1}}}'],
)  # fmt: skip
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(BadSbomError):
        parse(data)


@pytest.fixture(scope="module")
def forged(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    images: Images = {"smartcity/laksa:1.0.0": [BASE], "smartcity/gateway:1.0.0": [BASE, EMPTY]}
    source = layout_source(write_layout(folder / "source", images))
    return packed(source, list(images), keys, folder / "bundle", cache=folder / "cache").path


def test_the_bundle_holds_the_document_of_each_image(forged: Path, keys: Keys) -> None:
    contents = verify(forged, keys.trusted)
    assert set(contents.sboms) == {i.reference for i in contents.release.images}
    for name in ("laksa", "smartcity/laksa", "smartcity/laksa:1.0.0"):
        image, data = sbom_document(forged, name)
        assert image.source == "smartcity/laksa:1.0.0"
        assert digest.of_bytes(data) == image.sbom_digest
        assert parse(data).config_digest == image.config_digest
    for name in ("smartcity", "", "laksa:2"):
        with pytest.raises(UsageError, match="is not the name of one image"):
            sbom_document(forged, name)


def test_packages_and_licences_of_all_images_count_once(forged: Path) -> None:
    summary = inspect(forged)
    assert summary.kinds == {"apk": 1, "deb": 3, "npm": 2, "pypi": 2}
    assert summary.licences == {"MIT": 3, "Apache": 1, "GPL-3+": 1,
                                "See the website (really)": 1}  # fmt: skip
    assert summary.without_licence == 2


def _release_manifest(files: Files) -> tuple[str, dict[str, Any]]:
    """Its layers are the rendered files, the grant, then the documents."""
    root = json.loads(blob(files, roots(files)[0]["digest"]))
    entry = root["manifests"][-1]["digest"]
    return entry, json.loads(blob(files, entry))


def _swap(value: dict[str, Any]) -> None:
    value["layers"][2], value["layers"][3] = value["layers"][3], value["layers"][2]


def _cross(value: dict[str, Any]) -> None:
    one, other = value["layers"][2:]
    one["digest"], other["digest"] = other["digest"], one["digest"]
    one["size"], other["size"] = other["size"], one["size"]


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "without documents": lambda v: v["layers"].__delitem__(slice(2, None)),
    "without one": lambda v: v["layers"].pop(),
    "twice the same": lambda v: v["layers"].append(v["layers"][-1]),
    "in another order": _swap,
    "of each other": _cross,
    "of another type": lambda v: v["layers"][2].update(mediaType="application/json"),
    "with another name": lambda v: v["layers"][2]["annotations"].update({oci.TITLE: "x.json"}),
    "with one name more": lambda v: v["layers"][2]["annotations"].update(x="y"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_documents_other_than_the_release_names_are_refused(
    forged: Path, keys: Keys, tmp_path: Path, name: str
) -> None:
    files = read_folder(forged)
    entry, manifest = _release_manifest(files)
    changed = edited(digest.canonical_json(manifest), lambda v: MANIFESTS[name](v) and None)
    made = replaced(files, entry, changed, keys.signing)
    refused(write_tar(tmp_path / "x.tar", made), keys.trusted, "packages")


@pytest.mark.parametrize("what", ["no document", "of another image"])
def test_a_document_that_lies_about_its_image_is_refused_even_if_signed(
    forged: Path, keys: Keys, tmp_path: Path, what: str
) -> None:
    files = read_folder(forged)
    _entry, manifest = _release_manifest(files)
    old = manifest["layers"][2]["digest"]
    if what == "no document":
        new = b"{}"
    else:
        other = digest.hex_of(CONFIG)
        new = edited(
            blob(files, old),
            lambda v: v["metadata"]["component"]["hashes"][0].update(content=other),
        )
    # The release names the document as text, not as a descriptor: it is changed first.
    release = manifest["config"]["digest"]
    text = blob(files, release).replace(old.encode(), digest.of_bytes(new).encode())
    made = replaced(files, release, text, keys.signing)
    made = replaced(made, old, new, keys.signing)
    refused(write_tar(tmp_path / "x.tar", made), keys.trusted, "list of packages of")
