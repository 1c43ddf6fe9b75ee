"""Differential bundles: what servers are known to have is left out, or said by a patch.

The release is the same as in a whole bundle, to its last byte; only the layers differ. A server
that lacks what such a bundle builds upon refuses it before anything changes (`ship.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.contents import Blob, PackedLayer
from smartcity_pkg.bundle.patch.book import LEAST_BYTES, MOST_SHARE, OpenRaw, PatchBook
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step
from smartcity_pkg.core.units import bytes_text


@dataclass(frozen=True)
class Base:
    """What is known to be on servers: the diffIDs of layers, by the server's name.

    `sources` give the bytes of such layers, beside the cache of packed layers.
    """

    held: Mapping[str, frozenset[str]]
    sources: tuple[OpenRaw, ...] = ()


def shrunk(
    layers: Mapping[str, tuple[PackedLayer, Path]],
    release: Release,
    base: Base,
    cache: Path,
    progress: Progress,
) -> dict[str, tuple[PackedLayer, Path]]:
    """`layers` (by diffID, with the files of their blobs) as a bundle since `base` carries them.

    A layer for several servers builds only upon what all of them have.
    """
    book = PatchBook(cache, base.sources)
    found = {}
    for diff_id, (packed, path) in sorted(layers.items()):
        held = _held_by_all(diff_id, release, base)
        if diff_id in held:
            found[diff_id] = (_left_out(packed), path)
            continue
        old = book.base_for(diff_id, held) if packed.blob.size_bytes >= LEAST_BYTES else None
        patch = None
        if old is not None:
            size = bytes_text(packed.blob.size_bytes)
            progress(Step(_("Making a patch for a layer of {size}").format(size=size)))
            patch = book.make(old, diff_id, int(packed.blob.size_bytes * MOST_SHARE))
        if patch is not None:
            patched = PackedLayer(diff_id, packed.size_bytes, patch.blob, patch.old)
            found[diff_id] = (patched, book.path(patch))
        else:
            found[diff_id] = (packed, path)
    return found


def _held_by_all(diff_id: str, release: Release, base: Base) -> frozenset[str]:
    """The layers that every server has which needs `diff_id`."""
    held: frozenset[str] | None = None
    for server in {a.server for a in release.apps}:
        if any(diff_id in image.diff_ids for image in release.images_on(server)):
            there = base.held.get(server, frozenset())
            held = there if held is None else held & there
    return held or frozenset()


def _left_out(packed: PackedLayer) -> PackedLayer:
    blob = Blob(packed.diff_id, 0, oci.LAYER_HELD)
    return PackedLayer(packed.diff_id, packed.size_bytes, blob)
