"""Signing a root digest the way cosign does, and the manifest in which signatures travel.

Checking is in `trust`. Source: cosign's SIGNATURE_SPEC.md ("Storage", "Payload", "Signature").
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from smartcity_pkg.bundle import oci, trust
from smartcity_pkg.bundle.contents import Signature
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
    config = digest.canonical_json(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest.of_bytes(p) for p in payloads]},
        }
    )
    layers = [
        oci.descriptor(
            s.payload,
            oci.SIMPLE_SIGNING,
            annotations={oci.COSIGN_SIGNATURE: s.signature, oci.KEY_ID: s.key_id},
        )
        for s in signatures
    ]
    manifest = oci.manifest_json(oci.descriptor(config, oci.CONFIG), layers)
    return manifest, {digest.of_bytes(b): b for b in (manifest, config, *payloads)}
