"""What is in a bundle, for people to look at: sizes by image and layer, sharing, signatures.

The structure is checked, the layers' bytes are not: `verify` does that. Drawing is for `ui`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.bundle import grant, provenance
from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.trust import TrustedKeys, check_signatures
from smartcity_pkg.bundle.verify import sound_contents
from smartcity_pkg.catalogue.release import Release


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its size when opened and in the bundle, and how many images use it."""

    diff_id: str
    size_bytes: int
    packed_bytes: int
    used_by: int


@dataclass(frozen=True)
class ImageSummary:
    """One image and its layers; sizes count every layer, shared or not."""

    reference: str
    source: str
    config_digest: str
    platform: str
    layers: tuple[LayerSummary, ...]
    size_bytes: int
    packed_bytes: int


@dataclass(frozen=True)
class BundleSummary:
    """A bundle at a glance. Sizes in bytes.

    `shared_bytes` is what the packed layers would take more if each image had its own copy.
    `signed_by` are the keys that signed by their own account; `trusted_by` those that were checked
    against the keys given, or None where none was given. `agreement` is the number in the grant,
    `commit` the catalogue's in the provenance; neither is checked against a key.
    """

    root_digest: str
    release: Release
    images: tuple[ImageSummary, ...]
    bundle_bytes: int
    layers_bytes: int
    packed_bytes: int
    shared_bytes: int
    signed_by: tuple[str, ...]
    trusted_by: tuple[str, ...] | None
    agreement: str = ""
    commit: str = ""


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
        bundle_bytes = sum(bundle.blobs.values())
    images = _images(contents)
    packed = sum(layer.blob.size_bytes for layer in contents.layers.values())
    return BundleSummary(
        root_digest=root,
        release=contents.release,
        images=images,
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


def _images(contents: BundleContents) -> tuple[ImageSummary, ...]:
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
            )
        )
    return tuple(summaries)
