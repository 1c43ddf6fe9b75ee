"""Images without a base: each app's own files as an OCI image layout, made without root or engine.

They cannot run. They let a person without root see selection, rendering, packing, signing and
checking on the real catalogue; `images` builds those that run.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from smartcity_pkg.core import atomic, digest

_NOT_PACKED = {"compose.yaml", "README.md", "Dockerfile", "__pycache__", "templates"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def write_layout(catalogue: Path, layout: Path) -> list[str]:
    """Write the images of every service with a `build` section to `layout`; gives their names."""
    manifests = []
    for compose in sorted(catalogue.glob("[!_]*/compose.yaml")):
        layer = _layer(compose.parent)
        for service in yaml.safe_load(compose.read_text())["services"].values():
            if "build" in service:
                manifests.append(_image(layout, str(service["image"]), layer))
    index = {"schemaVersion": 2, "manifests": manifests}
    atomic.write(layout / "index.json", digest.canonical_json(index))
    atomic.write(layout / "oci-layout", digest.canonical_json({"imageLayoutVersion": "1.0.0"}))
    return [str(m["annotations"]["org.opencontainers.image.ref.name"]) for m in manifests]


def _image(layout: Path, name: str, layer: bytes) -> dict[str, Any]:
    config = digest.canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"id.smartcity.note": "files only, no base: cannot run"}},
            "rootfs": {"type": "layers", "diff_ids": [digest.of_bytes(layer)]},
        }
    )
    parts = {
        "config": _blob(layout, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_blob(layout, layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    manifest = digest.canonical_json({"schemaVersion": 2, "mediaType": _MANIFEST, **parts})
    annotations = {"org.opencontainers.image.ref.name": name}
    return {**_blob(layout, manifest, _MANIFEST), "annotations": annotations}


def _blob(layout: Path, data: bytes, media_type: str) -> dict[str, Any]:
    name = digest.of_bytes(data)
    atomic.write(layout / "blobs" / "sha256" / digest.hex_of(name), data)
    return {"mediaType": media_type, "digest": name, "size": len(data)}


def _layer(folder: Path) -> bytes:
    """A tar of what a Dockerfile would copy: sorted, without times and owners."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in _files(folder):
            entry = tarfile.TarInfo(f"srv/app/{path.relative_to(folder)}")
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return stream.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _NOT_PACKED & set(path.relative_to(folder).parts):
            yield path
