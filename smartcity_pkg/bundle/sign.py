"""Signing a root digest the way cosign does, and the manifests in which signatures travel.

Checking is in `trust`. Source: cosign's SIGNATURE_SPEC.md ("Storage", "Payload", "Signature").
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from smartcity_pkg.bundle import oci, provenance, trust
from smartcity_pkg.bundle.contents import Signature
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.core import digest


def sign_root(root_digest: str, key: SigningKey) -> Signature:
    """The signature of `key` over a root; equal input gives equal bytes."""
    payload = trust.payload_for(root_digest)
    signature = base64.b64encode(key.sign(payload)).decode()
    return Signature(key.key_id, payload, signature)


def signature_blobs(signatures: Sequence[Signature]) -> tuple[bytes, dict[str, bytes]]:
    """The manifest that holds `signatures`, and the blobs that it names, by digest.

    cosign reads signatures as an image whose layers are the payloads; the config says just that.
    """
    payloads = [s.payload for s in signatures]
    layers = [
        oci.descriptor(
            s.payload,
            oci.SIMPLE_SIGNING,
            annotations={oci.COSIGN_SIGNATURE: s.signature, oci.KEY_ID: s.key_id},
        )
        for s in signatures
    ]
    return _manifest(payloads, layers)


def attestation_blobs(envelope: Envelope) -> tuple[bytes, dict[str, bytes]]:
    """The manifest that holds the provenance, and the blobs that it names, by digest."""
    data = envelope.to_json()
    annotations = {oci.COSIGN_SIGNATURE: "", oci.PREDICATE_TYPE: provenance.PREDICATE_TYPE}
    return _manifest([data], [oci.descriptor(data, oci.DSSE, annotations=annotations)])


def outer_files(
    root: oci.Descriptor,
    signatures: Sequence[Signature],
    attestation: Envelope | None,
    images: Sequence[oci.Descriptor],
) -> dict[str, bytes]:
    """index.json and all blobs beside the root, by the names of their files.

    `images` are the root's own entries of images. Signatures are ordered by key: whoever signs
    first, the bytes are the same.
    """
    entries: dict[str, oci.Descriptor] = {}
    files: dict[str, bytes] = {}

    def add(kind: str, manifest: bytes, blobs: dict[str, bytes]) -> None:
        described = oci.descriptor(manifest, oci.MANIFEST)
        entries[kind] = oci.Descriptor.model_validate(described)
        files.update({oci.blob_name(name): data for name, data in blobs.items()})

    if signatures:
        ordered = sorted(signatures, key=lambda s: (s.key_id, s.signature))
        add(oci.KIND_SIGNATURES, *signature_blobs(ordered))
    if attestation is not None:
        add(oci.KIND_ATTESTATIONS, *attestation_blobs(attestation))
    return {oci.INDEX_FILE: oci.top_index_json(root, entries, images), **files}


def _manifest(
    payloads: Sequence[bytes], layers: list[dict[str, Any]]
) -> tuple[bytes, dict[str, bytes]]:
    config = digest.canonical_json(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest.of_bytes(p) for p in payloads]},
        }
    )
    manifest = oci.manifest_json(oci.descriptor(config, oci.CONFIG), layers)
    return manifest, {digest.of_bytes(b): b for b in (manifest, config, *payloads)}
