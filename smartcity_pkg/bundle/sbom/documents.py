"""The documents of all images of a bundle, from the layer cache; each layer is read once, ever."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smartcity_pkg.bundle import compression
from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sbom.cyclonedx import document
from smartcity_pkg.bundle.sbom.found import LayerPackages
from smartcity_pkg.bundle.sbom.image import image_packages
from smartcity_pkg.bundle.sbom.layer import layer_packages
from smartcity_pkg.bundle.sources import SourceImage
from smartcity_pkg.catalogue.release import pinned
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress


def image_documents(
    images: Sequence[SourceImage], cache: LayerCache, layers: dict[str, Path], progress: Progress
) -> dict[str, bytes]:
    """A document for each of `images`, by the reference that was asked for.

    `layers` are the packed layers by diffID. Most were read while they were compressed; the others
    are read from there now. What could not be read is noted, and stands in the document.
    """
    diff_ids = sorted({d for image in images for d in image.diff_ids})
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        read = pool.map(lambda d: _layer(cache, d, layers[d]), diff_ids)
        found = dict(zip(diff_ids, read, strict=True))
    documents: dict[str, bytes] = {}
    for image in images:
        reference = pinned(image.reference, image.config_digest)
        packages = image_packages([found[d] for d in image.diff_ids])
        documents[image.reference] = document(reference, image.config_digest, packages)
        if packages.unread:
            progress(Note(_incomplete(image.reference, packages.unread), warning=True))
    return documents


def _layer(cache: LayerCache, diff_id: str, path: Path) -> LayerPackages:
    known = cache.packages(diff_id)
    if known is not None:
        return known

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            yield from compression.decompressed(stream)

    found = layer_packages(chunks)
    cache.add_packages(diff_id, found)
    return found


def _incomplete(reference: str, unread: tuple[str, ...]) -> str:
    return _("{image}: its list of packages is incomplete ({why})").format(
        image=reference, why="; ".join(unread[:5])
    )
