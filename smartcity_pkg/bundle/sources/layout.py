"""Which images an OCI image layout holds: a directory, an oci-archive tar, or one of our bundles.

Source: image-spec 1.1, image-layout.md and annotations.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.sources.source import familiar
from smartcity_pkg.bundle.sources.stored import (
    ImageFiles,
    StoredImage,
    StoredSource,
    open_files,
    read_small,
)

_NAMES = (oci.REF_NAME, oci.SOURCE, "io.containerd.image.name")
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_MAX_DEPTH = 4


def layout_source(path: Path, architecture: str = "amd64") -> StoredSource:
    """The images of the layout at `path` that run on linux and `architecture`.

    InputError where it is no layout; UntrustedBundleError where a document is malformed.
    """
    files = open_files(path)
    top = oci.parse(oci.Index, read_small(files, oci.INDEX_FILE), oci.INDEX_FILE)
    platform = oci.Platform(architecture=architecture, os="linux")
    return StoredSource(files, list(_images(files, top, frozenset(), platform, _MAX_DEPTH)))


def _images(
    files: ImageFiles, index: oci.Index, names: frozenset[str], platform: oci.Platform, depth: int
) -> Iterator[StoredImage]:
    """The images below `index`; a name given to an index holds for what is below it."""
    for entry in index.manifests:
        if entry.artifact_type is not None or entry.platform not in (None, platform):
            continue
        own = {familiar(entry.annotations[key]) for key in _NAMES if key in entry.annotations}
        called = names | own
        path = oci.blob_name(entry.digest)
        if entry.media_type in (oci.INDEX, _DOCKER_INDEX) and depth:
            below = oci.parse(oci.Index, read_small(files, path), path)
            yield from _images(files, below, called, platform, depth - 1)
        elif entry.media_type in (oci.MANIFEST, _DOCKER_MANIFEST) and called:
            manifest = oci.parse(oci.Manifest, read_small(files, path), path)
            layers = tuple(oci.blob_name(layer.digest) for layer in manifest.layers)
            yield StoredImage(called, oci.blob_name(manifest.config.digest), layers)
