"""Brings a release's images from the store into the engine, and proves them there.

How one image is loaded safely is the engine's business; which ones, and whether all their layers
are at hand, is decided here, before anything is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step
from smartcity_pkg.engines.inspection import absent_layers
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.offers import check_blobs, peek, read_blob, release_names
from smartcity_pkg.install.place import Place

# Of one image alone, each at most this large, and together; raw bytes.
_OWN_BYTES, _ALL_OWN_BYTES = 64 << 20, 256 << 20


def images_to_load(place: Place, release: Release) -> tuple[ReleaseImage, ...]:
    """The images of this server's apps that the engine does not have, whole, by reference."""
    wanted = release.images_on(place.server)
    there = place.engine.whole(wanted)
    return tuple(image for image in wanted if image.reference not in there)


def check_content(
    place: Place, release: Release, images: Iterable[ReleaseImage], facts: ServerFacts
) -> None:
    """Hash what the store holds for this installation; every layer must be at hand.

    Raises UntrustedBundleError where content is not what its name says, EngineError where a layer
    is neither in the store nor in the engine.
    """
    wanted = tuple(images)
    sizes = {layer.diff_id: layer.size_bytes for i in wanted for layer in i.layers}
    in_store = check_blobs(place, [*sizes, release.files_digest], sum(sizes.values()))
    chains = [image.diff_ids for image in facts.images]
    missing = {
        layer: image.source
        for image in wanted
        for layer in absent_layers(image.diff_ids, in_store, chains)
    }
    if missing:
        names = ", ".join(f"{image} {layer[7:19]}" for layer, image in sorted(missing.items()))
        raise EngineError(
            _(
                "{server}: {count} layers are neither in the store nor in the engine: {names}"
            ).format(server=place.server, count=len(missing), names=names),
            _("nothing was changed; send the release again: smartcity ship, then install"),
        )


def load_images(
    place: Place,
    images: Iterable[ReleaseImage],
    journal: Journal,
    progress: Progress,
    *,
    doubt: bool,
) -> tuple[str, ...]:
    """Load each image and prove it; their sources. `doubt`: an earlier load was interrupted."""
    loaded = []
    for image in images:
        progress(Step(_("Loading the image {image}").format(image=image.source)))
        config = read_blob(place, image.config_digest)
        with journal.step("load", image.reference):
            place.engine.load(image, config, doubt=doubt)
        loaded.append(image.source)
    return tuple(loaded)


def prove_images(place: Place, release: Release) -> tuple[str, ...]:
    """The sources of images of `release` that this server could not start; empty is good."""
    return tuple(i.source for i in images_to_load(place, release))


def drop_loaded_layers(place: Place, release: Release) -> None:
    """Remove layers from the store that the engine now has, unless another offer waits for them.

    An app's own layers stay as far as they are small: the patch to the next version begins with
    them, and bringing them out of the engine takes longer than such a patch.
    """
    images = release.images_on(place.server)
    mine = {layer for image in images for layer in image.diff_ids}
    for name in release_names(place):
        other = peek(place, name) if name != release.name else None
        if other is None:
            continue
        layers = {layer for image in other.images for layer in image.diff_ids}
        if other.serial > release.serial:
            mine -= layers
        else:
            mine |= layers
    mine -= _own_layers(images)
    Store(place.host, place.store).remove(mine)


def _own_layers(images: Iterable[ReleaseImage]) -> frozenset[str]:
    """The layers that no two images share, the smallest first, until there is no more room."""
    found = [layer for image in images for layer in image.layers]
    used = Counter(layer.diff_id for layer in found)
    own = sorted((la.size_bytes, la.diff_id) for la in found if used[la.diff_id] == 1)
    kept, left = set(), _ALL_OWN_BYTES
    for size_bytes, diff_id in own:
        left -= size_bytes
        if size_bytes > _OWN_BYTES or left < 0:
            break
        kept.add(diff_id)
    return frozenset(kept)
