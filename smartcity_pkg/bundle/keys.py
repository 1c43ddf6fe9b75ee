"""Key files: making, reading and never overwriting them. What a key may sign is not decided here.

ECDSA P-256 in PEM: the private key as PKCS #8 (RFC 5958), encrypted where a password is given, mode
0600; the public key as SubjectPublicKeyInfo, which cosign reads as well.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.ring import TrustedKeys
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError
from smartcity_pkg.core.i18n import _, os_text

_MAX_KEY_FILE_BYTES = 64 << 10


@dataclass(frozen=True)
class SigningKey:
    """A private key that is ready to sign. Its `repr` shows no secret."""

    _private: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls) -> SigningKey:
        """A new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def to_pem(self, password: bytes | None = None) -> bytes:
        """The private key as PKCS #8, encrypted where a password is given."""
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    @property
    def public_pem(self) -> bytes:
        """The public half in PEM."""
        return self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def key_id(self) -> str:
        """sha256 of the public key's SPKI DER."""
        return ecdsa.key_id(self.public_pem)

    def sign(self, message: bytes) -> bytes:
        """A DER signature over sha256 of `message`; the same message gives the same bytes.

        RFC 6979: with a clock's and a random source's help gone, packing is reproducible.
        """
        return self._private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def public_path(path: Path) -> Path:
    """Where the public half of the key file `path` lies: beside it, ending in `.pub`."""
    return path.with_suffix(".pub")


def new_key(path: Path, password: bytes | None = None) -> SigningKey:
    """Make a key pair and write both files; SmartCityError where one exists already."""
    for each in (path, public_path(path)):
        if each.exists():
            raise _exists(each)
    key = SigningKey.made()
    _write_new(path, key.to_pem(password), 0o600)
    _write_new(public_path(path), key.public_pem, 0o644)
    return key


def load_signing_key(path: Path, password: bytes | None = None) -> SigningKey:
    """The private key in `path`; InputError where it is missing, wrong, or needs a password."""
    return signing_key_of(_read(path), path, password)


def signing_key_of(data: bytes, path: PurePath, password: bytes | None = None) -> SigningKey:
    """The private key in PEM; `path` names it in messages. InputError as `load_signing_key`."""
    try:
        private = serialization.load_pem_private_key(data, password or None)
    except TypeError as error:
        hint = (
            _("The key has no password: run the command without one.")
            if password
            else _("Give the key's password.")
        )
        raise _bad(path, _("the key and the password do not belong together"), hint) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad(
            path,
            _("no private key, or the password is wrong"),
            _("Check the password, and that this is the file that “key new” wrote."),
        ) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
        private.curve, ec.SECP256R1
    ):
        raise _bad(path, _("the key is of another kind than ECDSA P-256"), "")
    return SigningKey(private)


def load_public(path: Path) -> bytes:
    """The public key in `path`, in PEM; InputError where it is missing or is no public key."""
    data = _read(path)
    try:
        ecdsa.key_id(data)
    except SmartCityError as error:
        raise _bad(path, error.message, error.hint) from error
    return data


def load_trusted(paths: Iterable[Path]) -> TrustedKeys:
    """The public keys in `paths`, for every role; InputError as `load_public`."""
    return TrustedKeys.from_pem(load_public(path) for path in paths)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet; whole or not at all, even if the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".key.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link fails where another process made the file in the meantime.
        os.link(name, path)
        atomic.sync_directory(path.parent)
    except FileExistsError as error:
        raise _exists(path) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_KEY_FILE_BYTES)
    except OSError as error:
        why = os_text(error)
        hint = _("Check the path, and that the disk is connected.")
        raise _bad(path, _("the key cannot be read: {why}").format(why=why), hint) from error


def _exists(path: Path) -> SmartCityError:
    return SmartCityError(
        _("{path} exists already, and a key is never overwritten").format(path=path),
        _("Choose another name, or move the old key to a safe place first."),
    )


def _bad(path: PurePath, message: str, hint: str) -> InputError:
    return InputError(Problem(message, str(path)), hint)
