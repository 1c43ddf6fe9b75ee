"""The road through a registry: each server pulls the images that it lacks, by digest, and proves
them. The bundle is pushed there before (`bundle.registry.push`); documents still come over SSH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.contents import BlobReader, BundleContents
from smartcity_pkg.bundle.registry.address import Address
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.facts import EngineFacts, gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths

# moby 23.0 is the first that opens zstd layers; 20.10 fails only after it has fetched everything.
_FIRST_WITH_ZSTD = 23


def names_there(place: Address, bundle: BlobReader, contents: BundleContents) -> dict[str, str]:
    """What each image of the release is called in the registry: `HOST/NAME@sha256:…`.

    By config digest; `bundle` gives the manifests.
    """
    found: dict[str, str] = {}
    for blob in contents.small_blobs:
        if blob.media_type == oci.MANIFEST:
            manifest = oci.parse(oci.Manifest, bundle.read(blob.digest), _("a manifest"))
            found[manifest.config.digest] = f"{place.host}/{place.name}@{blob.digest}"
    return found


def pull_images(
    host: Host,
    server: str,
    contents: BundleContents,
    names: Mapping[str, str],
    *,
    progress: Progress = no_progress,
    paths: StorePaths | None = None,
) -> tuple[str, ...]:
    """Let the engine behind `host` pull what `server` lacks; the sources of what it pulled.

    `names` is from `names_there`. May be called again; what is there is passed over. Raises
    EngineError with the engine's reason where it cannot pull: nothing else is tried in its place.
    """
    paths = paths or StorePaths()
    engine = ComposeEngine(host, paths)
    facts = engine.check(gather(host, paths))
    wanted = contents.release.images_on(server)
    there = engine.whole(wanted)
    missing = [image for image in wanted if image.reference not in there]
    if missing:
        _need_zstd(host.name, facts)
    for image in missing:
        name = names[image.config_digest]
        text = _("{server} pulls {image} from {registry}")
        registry = name.partition("/")[0]
        progress(Step(text.format(server=server, image=image.source, registry=registry)))
        engine.pull(image, name)
    return tuple(image.source for image in missing)


def _need_zstd(host: str, facts: EngineFacts) -> None:
    major = re.match(r"\d+", facts.version)
    if major and int(major.group()) < _FIRST_WITH_ZSTD:
        raise EngineError(
            _("{host}: Docker {version} cannot pull a bundle's layers (zstd)").format(
                host=host, version=facts.version
            ),
            _("send by SSH instead: --to ssh; or update Docker there to {first} or newer").format(
                first=_FIRST_WITH_ZSTD
            ),
        )
