"""Packing: a rendered release and its images become one signed bundle.

The same request gives the same bytes on every machine with the same zstd: everything is sorted, no
clock is read, and signatures are deterministic (docs/bundle-format.md). Rendering needs the pins of
images before there is a release, so resolving images comes first and apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartcity_pkg.bundle import grant as grants
from smartcity_pkg.bundle import oci, provenance, ustar
from smartcity_pkg.bundle.admission import exemptions_used, refuse_leaks
from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.contents import BundleContents, PackedLayer
from smartcity_pkg.bundle.differential import Base, shrunk
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.sbom import cyclonedx
from smartcity_pkg.bundle.sbom.documents import image_documents
from smartcity_pkg.bundle.sign import outer_files, sign_root
from smartcity_pkg.bundle.sources import ImageSource, SourceImage
from smartcity_pkg.bundle.structure import (
    DIFFERENTIAL_VERSION,
    FORMAT_VERSION,
    contents_of,
    sbom_title,
)
from smartcity_pkg.bundle.write import Content, check_output, write_bundle
from smartcity_pkg.catalogue import release as releases
from smartcity_pkg.catalogue.checkout import Checkout
from smartcity_pkg.catalogue.exemption import Exemption
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.catalogue.policy import NOTHING_EXEMPT, Policy
from smartcity_pkg.catalogue.release import Layer, Release, ReleaseApp, ReleaseImage, pinned
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.progress import Progress, Step, no_progress

_HASH_THREADS = 4


@dataclass(frozen=True)
class PackRequest:
    """What goes into a bundle, and where it goes.

    `images` are what `resolve_images` gave for the references of the apps' Compose files; `apps`
    name them by their pins. `output` is a path, or says the path for a release; one that ends in
    `.tar` becomes one file, any other a directory. Without `signing_key` it is for others to sign.
    With `base` the bundle is differential.
    `grant` are the bytes of the signed grant, which every reader asks for; `checkout` is where the
    catalogue comes from; `policy` is the workspace's, of the day.
    """

    plan: Plan
    serial: int
    files: Mapping[str, bytes]
    apps: Sequence[ReleaseApp]
    images: Mapping[str, SourceImage]
    source: ImageSource
    cache: Path
    signing_key: SigningKey | None
    output: Path | Callable[[Release], Path]
    entrance_ports: Mapping[str, int] = field(default_factory=dict)
    grant: bytes = b""
    base: Base | None = None
    checkout: Checkout = field(default_factory=Checkout)
    policy: Policy = NOTHING_EXEMPT


@dataclass(frozen=True)
class Packed:
    """A bundle that was written. Sizes in bytes; `reused_layers` came from the cache."""

    path: Path
    contents: BundleContents
    size_bytes: int
    reused_layers: int


def resolve_images(
    source: ImageSource,
    references: Sequence[str],
    cache: Path,
    progress: Progress = no_progress,
) -> dict[str, SourceImage]:
    """What each reference means in `source` now; `catalogue.release.pinned` makes its pin.

    `cache` is the folder of packed layers; a source that can only export puts them there already.
    Raises SmartCityError that names all references which the source lacks.
    """
    progress(Step(_("Looking up {count} images").format(count=len(set(references)))))
    with _using(cache):
        return source.resolve(sorted(set(references)), LayerCache(cache), progress)


def pack(request: PackRequest, progress: Progress = no_progress) -> Packed:
    """Write the bundle; a crash at any moment leaves no half of one under its name.

    Layers are compressed once and then come from the cache, checked against their digests. Memory
    does not grow with the images. Raises SmartCityError where the source, the cache or the output
    cannot be read or written, UsageError where `output` is something that is no bundle, and
    InputError where an app asks for what the policy does not allow, or a secret was left somewhere.
    """
    if isinstance(request.output, Path):
        check_output(request.output)
    exemptions = exemptions_used(request.apps, request.files, request.policy)
    collected = _collect(request, progress)
    configs = {n: collected.configs[i.config_digest] for n, i in request.images.items()}
    refuse_leaks(request.files, configs, request.policy)
    files_tar = ustar.pack(request.files)
    release = _release(request, collected, files_tar, exemptions)
    path = request.output if isinstance(request.output, Path) else request.output(release)
    check_output(path)
    if request.base is not None:
        with _using(request.cache):
            layers = shrunk(collected.layers, release, request.base, request.cache, progress)
            collected = replace(collected, layers=layers)
    blobs, root = _documents(release, collected, (files_tar, request.grant))
    root_digest, key = digest.of_bytes(root), request.signing_key
    origin = provenance.Origin(request.checkout, version("smartcity"))
    attestation = provenance.envelope_for(root_digest, release, origin)
    signatures = (sign_root(root_digest, key),) if key else ()
    attestation = attestation.signed_by(key) if key else attestation
    # What is written is read by the same code that refuses what others wrote.
    contents = contents_of(root_digest, blobs.__getitem__, signatures)
    contents = replace(contents, attestation=attestation)
    progress(Step(_("Writing the bundle {path}").format(path=path)))
    described = oci.Descriptor.model_validate(oci.descriptor(root, oci.INDEX))
    images = oci.images_of(oci.parse(oci.Index, root, _("the root index")))
    files = _layout(blobs, collected.layers) | outer_files(
        described, signatures, attestation, images
    )
    size_bytes = write_bundle(path, files, progress)
    return Packed(path, contents, size_bytes, collected.reused)


_Layers = dict[str, tuple[PackedLayer, Path]]


@dataclass(frozen=True)
class _Collected:
    """What images are made of: layers by diffID, configs by digest, documents by reference.

    `reused` counts the layers that were in the cache already.
    """

    layers: _Layers
    configs: dict[str, bytes]
    sboms: dict[str, bytes]
    reused: int


def _collect(request: PackRequest, progress: Progress) -> _Collected:
    """Everything of the request's images, from the cache, else from the source."""
    images = [request.images[reference] for reference in sorted(request.images)]
    diff_ids = sorted({d for image in images for d in image.diff_ids})
    with _using(request.cache):
        cache = LayerCache(request.cache)
        reused = sum(path is not None for path in _whole(cache, diff_ids).values())
        progress(
            Step(
                _("Compressing {new} layers; {reused} were packed before").format(
                    new=len(diff_ids) - reused, reused=reused
                )
            )
        )
        request.source.fetch(images, cache, progress)
        layers: _Layers = {}
        for diff_id, path in _whole(cache, diff_ids).items():
            found = cache.layer(diff_id)
            if path is None or found is None:
                raise _lost(diff_id)
            layers[diff_id] = (found, path)
        configs: dict[str, bytes] = {}
        for image in images:
            config = cache.config(image.config_digest)
            if config is None:
                raise _lost(image.config_digest)
            configs[image.config_digest] = config
        paths = {diff_id: path for diff_id, (_found, path) in layers.items()}
        sboms = image_documents(images, cache, paths, progress)
    return _Collected(layers, configs, sboms, reused)


@contextmanager
def _using(cache: Path) -> Iterator[None]:
    """Tell a full or failing disk under the cache in our words."""
    try:
        yield
    except OSError as error:
        raise SmartCityError(
            _("the images cannot be read into the cache {path}: {why}").format(
                path=cache, why=os_text(error)
            ),
            _("Check the free space and the permissions of that folder."),
        ) from error


def _whole(cache: LayerCache, diff_ids: Sequence[str]) -> dict[str, Path | None]:
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        return dict(zip(diff_ids, pool.map(cache.whole, diff_ids), strict=True))


def _lost(blob_digest: str) -> SmartCityError:
    return SmartCityError(
        _("{digest} was lost between compressing and writing").format(digest=blob_digest[:19]),
        _("Did something empty the cache, or is the disk failing? Run the command again."),
    )


def _release(
    request: PackRequest,
    collected: _Collected,
    files_tar: bytes,
    exemptions: tuple[Exemption, ...],
) -> Release:
    sizes = {d: found.size_bytes for d, (found, _path) in collected.layers.items()}
    images = tuple(
        ReleaseImage(
            reference=pinned(source, image.config_digest),
            source=source,
            config_digest=image.config_digest,
            layers=tuple(Layer(diff_id=d, size_bytes=sizes[d]) for d in image.diff_ids),
            architecture=image.architecture,
            os=image.os,
            sbom_digest=digest.of_bytes(collected.sboms[source]),
        )
        for source, image in request.images.items()
    )
    named = {i.reference for i in images}
    if lost := sorted({i for app in request.apps for i in app.images} - named):
        raise SmartCityError(
            _("the apps name images that were not resolved: {images}").format(
                images=", ".join(lost)
            ),
            _("An image may have been built again after rendering; run the command again."),
        )
    return Release(
        region=request.plan.region,
        serial=request.serial,
        plan=request.plan,
        apps=tuple(request.apps),
        images=tuple(sorted(images, key=lambda image: (image.reference, image.source))),
        files={name: digest.of_bytes(data) for name, data in sorted(request.files.items())},
        files_digest=digest.of_bytes(files_tar),
        grant_digest=digest.of_bytes(request.grant) if request.grant else "",
        entrance_ports=dict(sorted(request.entrance_ports.items())),
        exemptions=exemptions,
    )


def _documents(
    release: Release, collected: _Collected, carried: tuple[bytes, bytes]
) -> tuple[dict[str, bytes], bytes]:
    """The blobs that are held in memory, by digest, and among them the root index.

    `carried` are the rendered files' tar and the grant.
    """
    files_tar, grant = carried
    blobs: dict[str, bytes] = {}

    def entry(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        described = oci.descriptor(data, media_type, **more)
        blobs[described["digest"]] = data
        return described

    entries: list[dict[str, Any]] = []
    for image in release.images:
        packed = [collected.layers[d][0] for d in image.diff_ids]
        manifest = oci.manifest_json(
            entry(collected.configs[image.config_digest], oci.CONFIG),
            [_described(layer) for layer in packed],
        )
        platform = {"architecture": image.architecture, "os": image.os}
        names = {oci.REF_NAME: image.reference, oci.SOURCE: image.source}
        entries.append(entry(manifest, oci.MANIFEST, platform=platform, annotations=names))
    sboms = [
        entry(
            collected.sboms[image.source],
            cyclonedx.MEDIA_TYPE,
            annotations={oci.IMAGE: image.reference, oci.TITLE: sbom_title(image.reference)},
        )
        for image in release.images
    ]
    manifest = oci.manifest_json(
        entry(release.to_json(), releases.MEDIA_TYPE),
        [
            entry(files_tar, releases.FILES_MEDIA_TYPE),
            *([entry(grant, grants.MEDIA_TYPE)] if grant else []),
            *sboms,
        ],
        artifactType=releases.MEDIA_TYPE,
    )
    entries.append(entry(manifest, oci.MANIFEST, artifactType=releases.MEDIA_TYPE))
    whole = all(layer.whole for layer, _path in collected.layers.values())
    form = FORMAT_VERSION if whole else DIFFERENTIAL_VERSION
    root = oci.index_json(entries, annotations={oci.FORMAT: form})
    blobs[digest.of_bytes(root)] = root
    return blobs, root


def _layout(blobs: Mapping[str, bytes], layers: _Layers) -> dict[str, Content]:
    """Every file of the layout that the root leads to, by name."""
    files: dict[str, Content] = {oci.LAYOUT_FILE: oci.LAYOUT_BYTES}
    for blob_digest, data in blobs.items():
        files[oci.blob_name(blob_digest)] = data
    for packed, path in layers.values():
        if not packed.held:
            files[oci.blob_name(packed.blob.digest)] = path
    return files


def _described(layer: PackedLayer) -> dict[str, Any]:
    """A layer's entry in the manifest of its image; one that is left out says its raw size."""
    size_bytes = layer.size_bytes if layer.held else layer.blob.size_bytes
    more = {"annotations": {oci.BASE: layer.old}} if layer.old else {}
    return oci.described(layer.blob.digest, size_bytes, layer.blob.media_type, **more)
