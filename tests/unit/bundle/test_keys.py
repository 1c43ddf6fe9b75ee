"""Keys and signatures: made once, never overwritten, and read by cosign where it is installed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_world import Keys, make_keys

from smartcity_pkg.bundle.contents import Signature
from smartcity_pkg.bundle.keys import load_signing_key, load_trusted, new_key, public_path
from smartcity_pkg.bundle.sign import sign_root
from smartcity_pkg.bundle.trust import TrustedKeys, check_signatures, key_id, payload_for
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, SmartCityError, UntrustedBundleError

ROOT = digest.of_bytes(b"root")


def test_a_private_key_is_for_its_owner_only(tmp_path: Path) -> None:
    new_key(tmp_path / "a.key", b"rahasia")
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.pub").stat().st_mode & 0o777 == 0o644
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.key", "a.pub"]


def test_a_password_encrypts_the_key(tmp_path: Path) -> None:
    made = new_key(tmp_path / "a.key", b"rahasia")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "a.key").read_bytes()
    assert load_signing_key(tmp_path / "a.key", b"rahasia").key_id == made.key_id
    for password in (b"salah", b"", None):
        with pytest.raises(InputError) as caught:
            load_signing_key(tmp_path / "a.key", password)
        assert "rahasia" not in str(caught.value)
        assert caught.value.hint


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    for existing in ("a.key", "a.pub"):
        folder = tmp_path / existing
        folder.mkdir()
        (folder / existing).write_text("precious")
        with pytest.raises(SmartCityError, match="never overwritten"):
            new_key(folder / "a.key")
        assert [p.read_text() for p in folder.iterdir()] == ["precious"]


def test_key_files_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.key").write_text("halo")
    make_keys(tmp_path, "good")
    for load in (load_signing_key, lambda path: load_trusted([path])):
        for name in ("missing.key", "text.key"):
            with pytest.raises(InputError) as caught:
                load(tmp_path / name)
            assert name in caught.value.message
    with pytest.raises(InputError):
        load_trusted([tmp_path / "good.key"])
    with pytest.raises(InputError):
        load_signing_key(tmp_path / "good.pub")


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    for private in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (tmp_path / "other.key").write_bytes(pem)
        with pytest.raises(InputError, match="P-256"):
            load_signing_key(tmp_path / "other.key")
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (tmp_path / "other.pub").write_bytes(public)
        with pytest.raises(InputError, match="P-256"):
            load_trusted([tmp_path / "other.pub"])


def test_signing_twice_gives_the_same_bytes(keys: Keys) -> None:
    assert sign_root(ROOT, keys.signing) == sign_root(ROOT, keys.signing)


def test_a_key_shows_no_secret(keys: Keys) -> None:
    assert "BEGIN" not in repr(keys.signing)


def test_who_signed_is_proven_and_not_believed(keys: Keys, tmp_path: Path) -> None:
    other = make_keys(tmp_path, "other")
    both = TrustedKeys({**keys.trusted.pem_by_id, **other.trusted.pem_by_id})
    mine, theirs = sign_root(ROOT, keys.signing), sign_root(ROOT, other.signing)
    assert check_signatures(ROOT, [mine], both) == (keys.signing.key_id,)
    assert set(check_signatures(ROOT, [mine, theirs], both)) == set(both.pem_by_id)
    nameless = replace(mine, key_id="")
    assert check_signatures(ROOT, [nameless], both) == (keys.signing.key_id,)
    misnamed = replace(mine, key_id=other.signing.key_id)
    assert check_signatures(ROOT, [misnamed], both) == (keys.signing.key_id,)


def _payload(**critical: object) -> bytes:
    document = json.loads(payload_for(ROOT))
    document["critical"].update(critical)
    return digest.canonical_json(document)


def _bad_signatures(keys: Keys) -> dict[str, Signature]:
    good = sign_root(ROOT, keys.signing)
    raw = base64.b64decode(good.signature)

    def genuinely(payload: bytes) -> Signature:
        signature = base64.b64encode(keys.signing.sign(payload)).decode()
        return Signature(keys.signing.key_id, payload, signature)

    return {
        "bit flipped": replace(
            good, signature=base64.b64encode(raw[:-1] + bytes((raw[-1] ^ 1,))).decode()
        ),
        "empty": replace(good, signature=""),
        "no base64": replace(good, signature="§§§"),
        "base64 with spaces": replace(
            good, signature=good.signature[:8] + " " + good.signature[8:]
        ),
        "payload of another root": genuinely(payload_for(digest.of_bytes(b"another"))),
        "payload of another kind": genuinely(_payload(type="atomic container signature")),
        "payload without image": genuinely(_payload(image={})),
        "payload is no JSON": genuinely(b"halo"),
        "payload is a list": genuinely(b"[]"),
        "payload with a key twice": genuinely(b'{"critical":{},' + payload_for(ROOT)[1:]),
        "payload with a space more": replace(good, payload=good.payload + b" "),
        "payload too large": genuinely(payload_for(ROOT) + b" " * 70_000),
    }


def test_bad_signatures_are_refused(keys: Keys) -> None:
    for name, bad in _bad_signatures(keys).items():
        good = sign_root(ROOT, keys.signing)
        for signatures in ([bad], [good, bad], [bad, good]):
            with pytest.raises(UntrustedBundleError):
                check_signatures(ROOT, signatures, keys.trusted)
                pytest.fail(name)
    with pytest.raises(UntrustedBundleError):
        check_signatures(ROOT, [], keys.trusted)
    with pytest.raises(UntrustedBundleError):
        check_signatures(ROOT, [sign_root(ROOT, keys.signing)] * 100, keys.trusted)


def test_key_ids_are_what_openssl_computes(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    made = new_key(tmp_path / "a.key")
    der = subprocess.run(
        [openssl, "pkey", "-pubin", "-in", str(public_path(tmp_path / "a.key")), "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    assert made.key_id == digest.of_bytes(der) == key_id(made.public_pem)
