"""The archive that every Docker Engine loads: OCI layout and docker-archive in one, layers raw.

Pure: from an image's description to the bytes of the small files. Layers are not among them; the
caller puts those that the engine lacks beside the files, uncompressed, under
`blobs/sha256/<diffID>`, and may leave the others out ("thin"). Measured on Docker Engine 20.10, 26
and 28, both image stores: facts.md, "What docker load accepts".

Sources: image-spec 1.1 (image-layout.md, manifest.md); moby image/spec v1.2 for `manifest.json`.
"""

from __future__ import annotations

import io
import tarfile
from typing import Any

from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.core import digest

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_REPOSITORY = "smartcity-staging"


def staging_reference(image: ReleaseImage) -> str:
    """The reference under which an image is loaded before it is proven."""
    return f"{_REPOSITORY}:{digest.hex_of(image.config_digest)}"


def manifest(image: ReleaseImage, config: bytes) -> bytes:
    """The OCI manifest that names the layers by their diffIDs."""
    layers = [_descriptor(_LAYER, layer.diff_id, layer.size_bytes) for layer in image.layers]
    return digest.canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, image.config_digest, len(config)),
            "layers": layers,
        }
    )


def small_files(image: ReleaseImage, config: bytes) -> dict[str, bytes]:
    """Path and content of everything in the archive except layers.

    `config` is the image configuration, whose digest is `image.config_digest`.
    """
    listed = manifest(image, config)
    reference = staging_reference(image)
    annotations = {
        # containerd takes the name of the image from here, and wants it canonical.
        "io.containerd.image.name": f"docker.io/library/{reference}",
        "org.opencontainers.image.ref.name": reference.partition(":")[2],
    }
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            _descriptor(_MANIFEST, digest.of_bytes(listed), len(listed))
            | {
                "platform": {"architecture": image.architecture, "os": image.os},
                "annotations": annotations,
            }
        ],
    }
    docker_archive = [
        {
            "Config": blob_path(image.config_digest),
            "RepoTags": [reference],
            "Layers": [blob_path(diff_id) for diff_id in image.diff_ids],
        }
    ]
    return {
        "oci-layout": digest.canonical_json({"imageLayoutVersion": "1.0.0"}),
        "index.json": digest.canonical_json(index),
        "manifest.json": digest.canonical_json(docker_archive),
        blob_path(digest.of_bytes(listed)): listed,
        blob_path(image.config_digest): config,
    }


def small_tar(files: dict[str, bytes]) -> bytes:
    """`files` as one tar, to be unpacked where the layers are joined to it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def blob_path(of: str) -> str:
    """Where a blob lies in an OCI layout."""
    return f"blobs/sha256/{digest.hex_of(of)}"


def _descriptor(media_type: str, of: str, size_bytes: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": of, "size": size_bytes}
