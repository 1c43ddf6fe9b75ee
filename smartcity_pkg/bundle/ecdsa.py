"""ECDSA P-256 over sha256, the one kind of key and signature that bundles know; no I/O.

Who may sign what is decided in `ring` and `trust`. cryptography is loaded where it is used.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


def key_id(public_pem: bytes) -> str:
    """sha256 of a public key's SPKI DER; SmartCityError where it is no ECDSA P-256 key."""
    return digest.of_bytes(_der(public_pem))


def verifies(public_pem: bytes, signature: str, message: bytes) -> bool:
    """Whether `signature` (base64 of DER) is the key's over `message`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        raw = base64.b64decode(signature, validate=True)
        _public_key(public_pem).verify(raw, message, ec.ECDSA(hashes.SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def pem_of_line(line: str) -> bytes:
    """The PEM of a public key given as one line of base64; SmartCityError where it is none."""
    pem = f"-----BEGIN PUBLIC KEY-----\n{line.strip()}\n-----END PUBLIC KEY-----\n".encode()
    return _pem(pem)


def line_of_pem(public_pem: bytes) -> str:
    """A public key as one line of base64 (its SPKI DER), to stand in a file of text."""
    return base64.b64encode(_der(public_pem)).decode()


def _der(public_pem: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return _public_key(public_pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(public_pem: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return _public_key(public_pem).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


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
