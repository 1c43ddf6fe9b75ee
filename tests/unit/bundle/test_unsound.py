"""Bundles that are signed by a trusted key and still not sound: refused all the same."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_forge import Files, blob, edited, refused, replaced, roots, write_folder, write_tar
from bundle_world import Keys, zstd

from smartcity_pkg.bundle import oci
from smartcity_pkg.core import digest


def _root(files: Files) -> str:
    found: str = roots(files)[0]["digest"]
    return found


def _image_manifest(files: Files) -> str:
    found: str = json.loads(blob(files, _root(files)))["manifests"][0]["digest"]
    return found


def _part(files: Files, *path: str | int) -> str:
    """The digest of what the first image's manifest names at `path`."""
    value = json.loads(blob(files, _image_manifest(files)))
    for step in path:
        value = value[step]
    found: str = value["digest"]
    return found


def _release(files: Files) -> str:
    entry = json.loads(blob(files, _root(files)))["manifests"][-1]
    found: str = json.loads(blob(files, entry["digest"]))["config"]["digest"]
    return found


Forge = Callable[[Files], tuple[str, bytes]]


def _in_root(change: Callable[[dict[str, object]], object]) -> Forge:
    return lambda f: (_root(f), edited(blob(f, _root(f)), change))  # type: ignore[arg-type]


def _in_manifest(change: Callable[[dict[str, object]], object]) -> Forge:
    return lambda f: (_image_manifest(f), edited(blob(f, _image_manifest(f)), change))  # type: ignore[arg-type]


def _in_release(change: Callable[[dict[str, object]], object]) -> Forge:
    return lambda f: (_release(f), edited(blob(f, _release(f)), change))  # type: ignore[arg-type]


def _in_config(change: Callable[[dict[str, object]], object]) -> Forge:
    return lambda f: (_part(f, "config"), edited(blob(f, _part(f, "config")), change))  # type: ignore[arg-type]


# A frame header (RFC 8878) that asks for a window of 128 MiB, and an empty last block.
_WIDE = b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00"

_WHY = {
    "layer with other content": "opens to other bytes",
    "layer not compressed": "Unknown frame descriptor|Unable to decompress",
    "layer in two frames": "something follows",
    "layer with something after it": "something follows",
    "layer with a huge window": "requires too much memory|Unable to decompress",
    "layer cut short": "ends too early",
    "decompression bomb": "opens to more than",
    "layers swapped": "in two ways",
    "layer of another size": "another size than expected",
    "release names a smaller layer": "opens to more than 10 bytes",
    "release names a larger layer": "opens to other bytes",
    "key twice": "a key stands twice",
    "nested too deeply": "nested deeper",
    "later format": "only 1, 2 are understood",
    "format of differential bundles": "its layers are not those of its format",
}

_UNSOUND: dict[str, Forge] = {
    "layer with other content": lambda f: (_part(f, "layers", 1), zstd(b"other")),
    "layer not compressed": lambda f: (_part(f, "layers", 1), b"plain"),
    "layer in two frames": lambda f: (
        _part(f, "layers", 1),
        blob(f, _part(f, "layers", 1)) + zstd(b"more"),
    ),
    "layer with something after it": lambda f: (
        _part(f, "layers", 1),
        blob(f, _part(f, "layers", 1)) + b"\0",
    ),
    "layer with a huge window": lambda f: (_part(f, "layers", 1), _WIDE),
    "layer cut short": lambda f: (_part(f, "layers", 1), blob(f, _part(f, "layers", 1))[:-9]),
    "decompression bomb": lambda f: (_part(f, "layers", 1), zstd(bytes(200 << 20))),
    "key twice": lambda f: (
        _root(f),
        blob(f, _root(f)).replace(b'{"annotations"', b'{"schemaVersion":2,"annotations"', 1),
    ),
    "nested too deeply": lambda f: (
        _root(f),
        blob(f, _root(f))[:-1] + b',"x":' + b"[" * 900 + b"]" * 900 + b"}",
    ),
    "nested very deeply": lambda f: (
        _root(f),
        blob(f, _root(f))[:-1] + b',"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ),
    "not UTF-8": lambda f: (_root(f), blob(f, _root(f))[:-1] + b',"x":"\xff"}'),
    "NaN": lambda f: (_root(f), blob(f, _root(f))[:-1] + b',"x":NaN}'),
    "huge number": lambda f: (_root(f), blob(f, _root(f))[:-1] + b',"x":' + b"9" * 9999 + b"}"),
    "later format": _in_root(lambda d: d.update(annotations={oci.FORMAT: "3"})),
    "format of differential bundles": _in_root(lambda d: d.update(annotations={oci.FORMAT: "2"})),
    "no format": _in_root(lambda d: d.pop("annotations")),
    "no release": _in_root(lambda d: d["manifests"].pop()),  # type: ignore[attr-defined]
    "two releases": _in_root(lambda d: d["manifests"].append(d["manifests"][-1])),  # type: ignore[index,attr-defined]
    "image missing": _in_root(lambda d: d["manifests"].pop(0)),  # type: ignore[attr-defined]
    "image twice": _in_root(lambda d: d["manifests"].insert(0, d["manifests"][0])),  # type: ignore[index,attr-defined]
    "images swapped": _in_root(lambda d: d["manifests"].insert(0, d["manifests"].pop(1))),  # type: ignore[attr-defined]
    "other platform": _in_root(lambda d: d["manifests"][0]["platform"].update(os="x")),  # type: ignore[index]
    "other name": _in_root(lambda d: d["manifests"][0]["annotations"].update({oci.REF_NAME: "x"})),  # type: ignore[index]
    "negative size": _in_root(lambda d: d["manifests"][0].update(size=-1)),  # type: ignore[index]
    "size as text": _in_root(lambda d: d["manifests"][0].update(size="9")),  # type: ignore[index]
    "other digest": _in_root(lambda d: d["manifests"][0].update(digest="sha512:00")),  # type: ignore[index]
    "digest is a path": _in_root(lambda d: d["manifests"][0].update(digest="sha256:../../x")),  # type: ignore[index]
    "foreign manifest type": _in_root(lambda d: d["manifests"][0].update(mediaType="x")),  # type: ignore[index]
    "manifest without config": _in_manifest(lambda d: d.pop("config")),
    "layer left out": _in_manifest(lambda d: d["layers"].pop()),  # type: ignore[attr-defined]
    "layers swapped": _in_manifest(lambda d: d["layers"].reverse()),  # type: ignore[attr-defined]
    "layer of a foreign type": _in_manifest(lambda d: d["layers"][0].update(mediaType="x")),  # type: ignore[index]
    "layer of another size": _in_manifest(lambda d: d["layers"][1].update(size=7)),  # type: ignore[index]
    "config changed": _in_config(lambda d: d.update(architecture="arm64")),
    "config is a list": lambda f: (_part(f, "config"), b"[]"),
    "release of another schema": _in_release(lambda d: d.update(schema_version=2)),
    "release with an unknown field": _in_release(lambda d: d.update(extra=1)),
    "release not canonical": lambda f: (_release(f), blob(f, _release(f)) + b" "),
    "release names another layer": _in_release(
        lambda d: d["images"][0]["layers"][0].update(diff_id=digest.of_bytes(b""))  # type: ignore[index]
    ),
    "release names a smaller layer": _in_release(
        lambda d: d["images"][0]["layers"][1].update(size_bytes=10)  # type: ignore[index]
    ),
    "release names a larger layer": _in_release(
        lambda d: d["images"][0]["layers"][1].update(size_bytes=1 << 40)  # type: ignore[index]
    ),
    "release names another pin": _in_release(lambda d: d["images"][0].update(reference="a:1")),  # type: ignore[index]
    "release names other files": _in_release(
        lambda d: d["files"].update({"server-1/x": digest.of_bytes(b"")})  # type: ignore[attr-defined]
    ),
}


@pytest.mark.parametrize("kind", _UNSOUND)
def test_an_unsound_bundle_is_refused_though_it_is_signed(
    sound: Files, keys: Keys, tmp_path: Path, kind: str
) -> None:
    old, new = _UNSOUND[kind](sound)
    assert new != blob(sound, old)
    files = replaced(sound, old, new, keys.signing)
    refused(write_folder(tmp_path / "bundle", files), keys.trusted, _WHY.get(kind))
    refused(write_tar(tmp_path / "bundle.tar", files), keys.trusted, _WHY.get(kind))


def test_files_with_a_traversing_name_are_refused_though_signed(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    entry = json.loads(blob(sound, _root(sound)))["manifests"][-1]
    files_digest = json.loads(blob(sound, entry["digest"]))["layers"][0]["digest"]
    for name in ("../../root/.ssh/authorized_keys", "/etc/passwd", "a/../b", "a//b", "a/./b"):
        evil = _raw_tar(name)
        one = replaced(sound, files_digest, evil, keys.signing)
        two = replaced(
            one,
            _release(one),
            edited(
                blob(one, _release(one)),
                lambda d, e=evil, n=name: d.update(
                    files={n: digest.of_bytes(b"x")}, files_digest=digest.of_bytes(e)
                ),
            ),
            keys.signing,
        )
        path = write_folder(tmp_path / digest.of_bytes(name.encode())[7:20], two)
        refused(path, keys.trusted, "rendered files are damaged")


def _raw_tar(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return out.getvalue()
