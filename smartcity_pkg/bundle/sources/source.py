"""What packing asks of a place that has images; each place is a module beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress


@dataclass(frozen=True)
class SourceImage:
    """One image in a source: the name that was asked for, and what the image is made of."""

    reference: str
    config_digest: str
    diff_ids: tuple[str, ...]
    architecture: str
    os: str


class ImageSource(Protocol):
    """A place that has images.

    Both methods may put into the cache more than was asked for, and may be called again.
    """

    def resolve(
        self, references: Sequence[str], cache: LayerCache, progress: Progress
    ) -> dict[str, SourceImage]:
        """The images called `references`; SmartCityError names those that are not there."""

    def fetch(self, images: Sequence[SourceImage], cache: LayerCache, progress: Progress) -> None:
        """Put the configs and layers of `images` into the cache, as far as it lacks them.

        Each layer is checked against its diffID on the way. SmartCityError where the source does
        not hold what it said.
        """


def missing(images: Sequence[SourceImage], cache: LayerCache) -> tuple[set[str], set[str]]:
    """The diffIDs and the config digests of `images` that the cache lacks."""
    layers = {d for image in images for d in image.diff_ids if cache.layer(d) is None}
    configs = {i.config_digest for i in images if cache.config(i.config_digest) is None}
    return layers, configs


def image_of(reference: str, config_digest: str, config: bytes) -> SourceImage:
    """A `SourceImage` from an image config's bytes."""
    what = _("the config of image {reference}").format(reference=reference)
    parsed = oci.parse(oci.ImageConfig, config, what)
    return SourceImage(
        reference, config_digest, tuple(parsed.rootfs.diff_ids), parsed.architecture, parsed.os
    )


def familiar(reference: str) -> str:
    """One spelling for names that mean the same: no default registry or project, always a tag.

    `docker.io/library/nginx` and `nginx:latest` are one image; podman says `localhost/`.
    """
    name = reference
    for default in ("docker.io/", "index.docker.io/", "localhost/"):
        name = name.removeprefix(default)
    name = name.removeprefix("library/")
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def not_found(references: Sequence[str], place: str, known: Sequence[str]) -> SmartCityError:
    """The error for images that a source lacks."""
    return SmartCityError(
        _("{place} has no image {references}").format(
            place=place, references=", ".join(references)
        ),
        _("Build or import it first. There are: {known}").format(
            known=", ".join(sorted(known)[:20]) or "-"
        ),
    )
