"""What may be believed about a bundle: bytes in, verdict out, no I/O.

Two questions. Did a key that we trust sign this root: answered here. Does everything that the root
leads to fit together: answered in `structure`, whose functions are part of this interface.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.bundle.contents import Signature
from smartcity_pkg.bundle.structure import broken, contents_of, files_of, release_of
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import SmartCityError, UntrustedBundleError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = [
    "TrustedKeys",
    "check_signatures",
    "contents_of",
    "files_of",
    "genuine_signatures",
    "key_id",
    "payload_for",
    "release_of",
]

PAYLOAD_TYPE = "cosign container image signature"
MAX_SIGNATURES = 32
_MAX_PAYLOAD_BYTES = 64 << 10


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys (ECDSA P-256, PEM) that may sign, by id: sha256 of the key's SPKI DER."""

    pem_by_id: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def from_pem(cls, keys: Iterable[bytes]) -> TrustedKeys:
        """The keys in PEM; SmartCityError for one that is no ECDSA P-256 public key."""
        return cls({key_id(pem): pem for pem in keys})


def key_id(public_pem: bytes) -> str:
    """sha256 of a public key's SPKI DER; SmartCityError where it is no ECDSA P-256 key."""
    from cryptography.hazmat.primitives import serialization

    der = _public_key(public_pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return digest.of_bytes(der)


def payload_for(root_digest: str) -> bytes:
    """What is signed for a root: cosign's simple-signing payload (SIGNATURE_SPEC.md)."""
    return digest.canonical_json(
        {
            "critical": {
                "identity": {"docker-reference": ""},
                "image": {"docker-manifest-digest": root_digest},
                "type": PAYLOAD_TYPE,
            },
            "optional": None,
        }
    )


def check_signatures(
    root_digest: str, signatures: Sequence[Signature], trusted: TrustedKeys
) -> tuple[str, ...]:
    """The ids of the trusted keys that signed `root_digest`, sorted; never empty.

    Raises as `genuine_signatures` does.
    """
    genuine = genuine_signatures(root_digest, signatures, trusted)
    return tuple(sorted({signature.key_id for signature in genuine}))


def genuine_signatures(
    root_digest: str, signatures: Sequence[Signature], trusted: TrustedKeys
) -> tuple[Signature, ...]:
    """The signatures that trusted keys made over `root_digest`, each with the key it was proven by.

    Never empty. Signatures by keys that are not trusted say nothing and are left out. Raises
    UntrustedBundleError where no trusted key signed, where a signature says that it is of a
    trusted key and is not, and where any payload speaks of another root.
    """
    if len(signatures) > MAX_SIGNATURES:
        raise broken(_("it has too many signatures"))
    genuine: list[Signature] = []
    for signature in signatures:
        _check_payload(root_digest, signature.payload)
        signer = next(
            (k for k, pem in trusted.pem_by_id.items() if _verifies(pem, signature)), None
        )
        if signer is not None:
            genuine.append(replace(signature, key_id=signer))
        elif signature.key_id in trusted.pem_by_id:
            raise UntrustedBundleError(
                _("the signature of key {key} is not genuine").format(key=signature.key_id[:19]),
                _("Do not use this bundle. Get it again, and ask whoever packed it."),
            )
    if not genuine:
        raise UntrustedBundleError(
            _(
                "no trusted key signed the bundle (signatures: {count}, trusted keys: {keys})"
            ).format(count=len(signatures), keys=len(trusted.pem_by_id)),
            _("Get the public key from the Kominfo that packed it, over a way that you trust."),
        )
    return tuple(genuine)


def _check_payload(root_digest: str, payload: bytes) -> None:
    try:
        critical = strictjson.loads(payload, _MAX_PAYLOAD_BYTES)["critical"]
        says = (critical["image"]["docker-manifest-digest"], critical["type"])
    except (strictjson.UnsafeJsonError, KeyError, TypeError) as error:
        raise broken(_("a signature is damaged")) from error
    if says != (root_digest, PAYLOAD_TYPE):
        raise UntrustedBundleError(
            _("a signature is for another bundle (it names {found}, this is {root})").format(
                found=str(says[0])[:19], root=root_digest[:19]
            ),
            _("Do not use this bundle. Get it again, and ask whoever packed it."),
        )


def _verifies(public_pem: bytes, signature: Signature) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        raw = base64.b64decode(signature.signature, validate=True)
        _public_key(public_pem).verify(raw, signature.payload, ec.ECDSA(hashes.SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _public_key(public_pem: bytes) -> ec.EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(public_pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key() from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _not_a_key()
    return key


def _not_a_key() -> SmartCityError:
    return SmartCityError(
        _("this is no public key for bundles; expected ECDSA P-256 in PEM"),
        _("A public key file begins with “-----BEGIN PUBLIC KEY-----”."),
    )
