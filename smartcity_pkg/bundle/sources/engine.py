"""Images of a Docker Engine, asked for and exported through its API.

An engine can only export whole images, so nothing is exported whose layers are all in the cache.
Reading the export is in `saved`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sources.saved import SavedConfig, read_export
from smartcity_pkg.bundle.sources.source import (
    SourceImage,
    familiar,
    image_of,
    missing,
    not_found,
)
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK_BYTES = 1 << 20
# The engine prepares the whole export before its first byte comes.
_EXPORT_TIMEOUT_S = 600
_CONTAINERD = "io.containerd.snapshotter.v1"


@dataclass(frozen=True)
class _Shown:
    """What the engine says about an image. `id` is not everywhere the config's digest."""

    id: str
    diff_ids: tuple[str, ...]
    architecture: str
    os: str
    size_bytes: int


class EngineSource:
    """An `ImageSource` over the engine at `base_url`, or at DOCKER_HOST (docker's own default)."""

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = base_url

    def resolve(
        self, references: Sequence[str], cache: LayerCache, progress: Progress
    ) -> dict[str, SourceImage]:
        """See `ImageSource`."""
        with self._client() as client:
            shown = _inspect(client, references)
            if _keeps_images_in_containerd(client):
                # There an image's id is its manifest's digest: only an export shows the config.
                return _resolve_by_export(client, shown, cache, progress)
        return {
            reference: SourceImage(reference, i.id, i.diff_ids, i.architecture, i.os)
            for reference, i in shown.items()
        }

    def fetch(self, images: Sequence[SourceImage], cache: LayerCache, progress: Progress) -> None:
        """See `ImageSource`."""
        needed = [image for image in images if any(missing([image], cache))]
        if not needed:
            return
        with self._client() as client:
            shown = _inspect(client, [image.reference for image in needed])
            layers, _configs = missing(needed, cache)
            for saved in _export(client, shown, layers, cache, progress):
                cache.add_config(saved.config)
        lost_layers, lost_configs = missing(needed, cache)
        if lost := sorted(lost_layers | lost_configs):
            raise EngineError(
                _("the engine's export lacks {digest}").format(digest=lost[0][:19]),
                _("If an image was built in the meantime, run the command again."),
            )

    @contextmanager
    def _client(self) -> Iterator[APIClient]:
        """A connection; what goes wrong on it is told in our words."""
        import docker
        import requests

        try:
            made = (
                docker.DockerClient(base_url=self._base_url, timeout=_EXPORT_TIMEOUT_S)
                if self._base_url
                else docker.from_env(timeout=_EXPORT_TIMEOUT_S)
            )
            try:
                yield made.api
            finally:
                made.close()
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise EngineError(
                _("the Docker Engine with the images does not answer: {why}").format(why=error),
                _("Start it, or set DOCKER_HOST; or take images from a file (oci:, archive:)."),
            ) from error


def _inspect(client: APIClient, references: Sequence[str]) -> dict[str, _Shown]:
    import docker

    shown: dict[str, _Shown] = {}
    lost: list[str] = []
    for reference in references:
        try:
            image: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            lost.append(reference)
            continue
        diff_ids = tuple(image["RootFS"].get("Layers") or ())
        shown[reference] = _Shown(
            image["Id"], diff_ids, image["Architecture"], image["Os"], image["Size"]
        )
    if lost:
        known = [tag for image in client.images() for tag in image.get("RepoTags") or ()]
        raise not_found(lost, _("the Docker Engine"), known)
    return shown


def _keeps_images_in_containerd(client: APIClient) -> bool:
    status = client.info().get("DriverStatus") or []
    return any(_CONTAINERD in pair for pair in status)


def _resolve_by_export(
    client: APIClient, shown: dict[str, _Shown], cache: LayerCache, progress: Progress
) -> dict[str, SourceImage]:
    """The images with their configs, from the cache's memory or an export (layers are kept)."""
    new = {r: i for r, i in shown.items() if cache.config_of(i.id) is None}
    if new:
        layers = {d for i in new.values() for d in i.diff_ids if cache.layer(d) is None}
        exported = _export(client, new, layers, cache, progress)
        for reference, image in new.items():
            cache.remember(image.id, _config_among(exported, reference, image))
    found: dict[str, SourceImage] = {}
    for reference, image in shown.items():
        config = cast(bytes, cache.config_of(image.id))
        found[reference] = image_of(reference, digest.of_bytes(config), config)
    return found


def _config_among(exported: Sequence[SavedConfig], reference: str, image: _Shown) -> bytes:
    for saved in exported:
        made = image_of(reference, "", saved.config)
        if familiar(reference) in saved.names and made.diff_ids == image.diff_ids:
            return saved.config
    raise EngineError(
        _("the engine's export lacks the image {reference}").format(reference=reference),
        _("If it was built in the meantime, run the command again."),
    )


def _export(
    client: APIClient,
    images: dict[str, _Shown],
    layers: set[str],
    cache: LayerCache,
    progress: Progress,
) -> list[SavedConfig]:
    """Export `images` at once, so that shared layers come once; keep `layers` in the cache."""
    # APIClient is a requests session; its own get_image exports one image at a time.
    url = f"{client.base_url}/v{client.api_version}/images/get"
    response = client.get(
        url, params={"names": sorted(images)}, stream=True, timeout=_EXPORT_TIMEOUT_S
    )
    with response:
        response.raise_for_status()
        size_bytes = sum(image.size_bytes for image in images.values())
        chunks = response.iter_content(_CHUNK_BYTES)
        return read_export(chunks, size_bytes, layers, cache, progress)
