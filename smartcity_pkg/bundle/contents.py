"""What a verified bundle holds, as values: the only form in which later steps see a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.oci import LAYER_HELD
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.release import Release


@dataclass(frozen=True)
class Blob:
    """One blob of an OCI layout: digest, size and media type of the bytes as they rest."""

    digest: str
    size_bytes: int
    media_type: str


@dataclass(frozen=True)
class PackedLayer:
    """A layer as it rests in the bundle, and what it is when opened.

    That is zstd; in a differential bundle also a patch to the layer `old` (a diffID), or nothing
    at all (`held`) where every server has the layer.
    """

    diff_id: str
    size_bytes: int
    blob: Blob
    old: str = ""

    @property
    def held(self) -> bool:
        """Whether servers are expected to have it; the bundle has no such blob then."""
        return self.blob.media_type == LAYER_HELD

    @property
    def whole(self) -> bool:
        """Whether the bundle alone is enough to have it."""
        return not self.held and not self.old


class BlobReader(Protocol):
    """Access to the blobs of a layout, whatever it rests in."""

    def open(self, digest: str) -> BinaryIO:
        """A stream over one blob; UntrustedBundleError where it is missing."""

    def read(self, digest: str) -> bytes:
        """A small blob, whole and checked against its digest; UntrustedBundleError if it lies."""


@dataclass(frozen=True)
class Signature:
    """A signature over the root index that one key made: cosign's simple-signing payload."""

    key_id: str
    payload: bytes
    signature: str


@dataclass(frozen=True)
class BundleContents:
    """A bundle whose structure is sound.

    `root_digest` is what is signed. `layers` maps a diffID to its packed form; `small_blobs` are
    all other blobs that a server needs (image configs, release, rendered files, grant). `sboms` are
    the documents of the images by reference: no server needs them, so they do not travel to one.
    `grant` is its envelope's bytes, empty where the release has none; `attestation` is the signed
    provenance, which lies beside the root. Neither is proven here.
    """

    root_digest: str
    release: Release
    layers: dict[str, PackedLayer]
    small_blobs: tuple[Blob, ...]
    signatures: tuple[Signature, ...]
    grant: bytes = b""
    attestation: Envelope | None = None
    sboms: dict[str, Blob] = field(default_factory=dict)

    @property
    def differential(self) -> bool:
        """Whether it builds upon what servers have."""
        return not all(layer.whole for layer in self.layers.values())


class OfferedSignature(Model):
    """A `Signature` as JSON; the payload is text, because cosign's payload is JSON."""

    key_id: str
    payload: str
    signature: str


class Offer(Model):
    """What a server's store keeps of a shipped bundle: its root and who signed it.

    All blobs that the root index leads to are in the store too, layers by diffID. Written last:
    where an offer exists, everything it needs has arrived and was checked there.
    """

    root_digest: str
    signatures: tuple[OfferedSignature, ...]
