"""What is in a bundle, for people to look at: sizes, sharing, packages and licences, signatures.

The structure is checked, the layers' bytes are not: `verify` does that. Drawing is for `ui`,
comparing two bundles for `compare`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.bundle import grant, provenance
from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.layout import Bundle, open_bundle
from smartcity_pkg.bundle.sbom.cyclonedx import Sbom
from smartcity_pkg.bundle.sbom.found import Package
from smartcity_pkg.bundle.trust import TrustedKeys, check_signatures
from smartcity_pkg.bundle.verify import sbom_of, sound_contents
from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its size when opened and in the bundle, and how many images use it."""

    diff_id: str
    size_bytes: int
    packed_bytes: int
    used_by: int


@dataclass(frozen=True)
class ImageSummary:
    """One image, its layers and its packages; sizes count every layer, shared or not."""

    reference: str
    source: str
    config_digest: str
    platform: str
    layers: tuple[LayerSummary, ...]
    size_bytes: int
    packed_bytes: int
    sbom: Sbom


@dataclass(frozen=True)
class AppSummary:
    """One app. Layers that no other app of the bundle uses are its own, the others are shared.

    Sizes in bytes, opened and (`packed`) as they rest in the bundle; each layer counts once.
    """

    app: str
    version: str
    servers: tuple[str, ...]
    images: tuple[str, ...]
    own_bytes: int
    own_packed_bytes: int
    shared_bytes: int
    shared_packed_bytes: int


@dataclass(frozen=True)
class BundleSummary:
    """A bundle at a glance. Sizes in bytes.

    `shared_bytes` is what the packed layers would take more if each image had its own copy.
    `packages` are those of all images, each once; `licences` says how many of them name a licence.
    `signed_by` are the keys that signed by their own account; `trusted_by` those that were checked
    against the keys given, or None where none was given. `agreement` is the number in the grant,
    `commit` the catalogue's in the provenance; neither is checked against a key.
    """

    root_digest: str
    release: Release
    apps: tuple[AppSummary, ...]
    images: tuple[ImageSummary, ...]
    packages: tuple[Package, ...]
    licences: dict[str, int]
    bundle_bytes: int
    layers_bytes: int
    packed_bytes: int
    shared_bytes: int
    signed_by: tuple[str, ...]
    trusted_by: tuple[str, ...] | None
    agreement: str = ""
    commit: str = ""

    @property
    def kinds(self) -> dict[str, int]:
        """How many packages of each kind."""
        return dict(sorted(Counter(p.kind for p in self.packages).items()))

    @property
    def without_licence(self) -> int:
        """How many packages name no licence that a program can read."""
        return sum(not p.licences for p in self.packages)


def inspect(path: Path, trusted: TrustedKeys | None = None) -> BundleSummary:
    """Describe the bundle at `path`.

    With `trusted`, UntrustedBundleError is raised where no such key signed; without, nothing that
    it says is proven. UntrustedBundleError also where it is malformed; InputError where there is
    none.
    """
    with open_bundle(path) as bundle:
        root = bundle.root.digest
        checked = check_signatures(root, bundle.signatures, trusted) if trusted else None
        contents = sound_contents(bundle)
        images = _images(bundle, contents)
        bundle_bytes = sum(bundle.blobs.values())
    packed = sum(layer.blob.size_bytes for layer in contents.layers.values())
    packages = _packages(image.sbom for image in images)
    counted = Counter(licence for p in packages for licence in set(p.licences))
    return BundleSummary(
        root_digest=root,
        release=contents.release,
        apps=_apps(contents),
        images=images,
        packages=packages,
        licences=dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))),
        bundle_bytes=bundle_bytes,
        layers_bytes=sum(layer.size_bytes for layer in contents.layers.values()),
        packed_bytes=packed,
        shared_bytes=sum(image.packed_bytes for image in images) - packed,
        signed_by=tuple(s.key_id for s in contents.signatures),
        trusted_by=checked,
        agreement=_agreement(contents),
        commit=_commit(contents),
    )


def _agreement(contents: BundleContents) -> str:
    """The number of the grant's agreement; "" without a grant."""
    return grant.parse(contents.grant)[0].pks.number if contents.grant else ""


def _commit(contents: BundleContents) -> str:
    """The catalogue's commit as the provenance says it; "" where it says none, or is false."""
    if contents.attestation is None:
        return ""
    try:
        origin = provenance.origin_of(contents.attestation, contents.root_digest, contents.release)
    except provenance.FalseStatementError:
        return ""
    return origin.checkout.commit


def sbom_document(path: Path, name: str) -> tuple[ReleaseImage, bytes]:
    """The image that `name` means in the bundle at `path`, and its CycloneDX document.

    `name` is a reference, with or without its tag, or the last part of one. UsageError where it
    means no image or several; else as `inspect`.
    """
    with open_bundle(path) as bundle:
        contents = sound_contents(bundle)
        image = _named(contents.release, name)
        sbom_of(bundle, contents, image)
        return image, bundle.read(contents.sboms[image.reference].digest)


def repository(reference: str) -> str:
    """A reference without its tag."""
    return reference.rpartition(":")[0] if ":" in reference.rsplit("/", 1)[-1] else reference


def _named(release: Release, name: str) -> ReleaseImage:
    for names in (
        lambda i: (i.reference, i.source),
        lambda i: (repository(i.source),),
        lambda i: (repository(i.source).rsplit("/", 1)[-1],),
    ):
        found = [i for i in release.images if name in names(i)]
        if len(found) == 1:
            return found[0]
    raise UsageError(
        _("“{name}” is not the name of one image of this bundle").format(name=name),
        _("its images: {images}").format(images=", ".join(i.source for i in release.images) or "-"),
    )


def _packages(sboms: Iterable[Sbom]) -> tuple[Package, ...]:
    """The packages of all images, each once."""
    found = {(p.kind, p.name, p.version, p.arch): p for sbom in sboms for p in sbom.packages}
    return tuple(found[key] for key in sorted(found))


def _apps(contents: BundleContents) -> tuple[AppSummary, ...]:
    release = contents.release
    of_app: dict[str, set[str]] = {}
    for app in release.apps:
        layers = {d for name in app.images for d in release.image(name).diff_ids}
        of_app.setdefault(app.app, set()).update(layers)
    users = Counter(diff_id for layers in of_app.values() for diff_id in layers)
    summaries = []
    for name, layers in sorted(of_app.items()):
        entries = [a for a in release.apps if a.app == name]
        own = [contents.layers[d] for d in layers if users[d] == 1]
        shared = [contents.layers[d] for d in layers if users[d] > 1]
        summaries.append(
            AppSummary(
                app=name,
                version=entries[0].version,
                servers=tuple(a.server for a in entries),
                images=tuple(sorted({i for a in entries for i in a.images})),
                own_bytes=sum(x.size_bytes for x in own),
                own_packed_bytes=sum(x.blob.size_bytes for x in own),
                shared_bytes=sum(x.size_bytes for x in shared),
                shared_packed_bytes=sum(x.blob.size_bytes for x in shared),
            )
        )
    return tuple(summaries)


def _images(bundle: Bundle, contents: BundleContents) -> tuple[ImageSummary, ...]:
    images = contents.release.images
    used = Counter(diff_id for image in images for diff_id in set(image.diff_ids))
    summaries: list[ImageSummary] = []
    for image in images:
        packed = [contents.layers[diff_id] for diff_id in image.diff_ids]
        layers = tuple(
            LayerSummary(p.diff_id, p.size_bytes, p.blob.size_bytes, used[p.diff_id])
            for p in packed
        )
        summaries.append(
            ImageSummary(
                reference=image.reference,
                source=image.source,
                config_digest=image.config_digest,
                platform=f"{image.os}/{image.architecture}",
                layers=layers,
                size_bytes=sum(layer.size_bytes for layer in layers),
                packed_bytes=sum(layer.packed_bytes for layer in layers),
                sbom=sbom_of(bundle, contents, image),
            )
        )
    return tuple(summaries)
