"""What stock cosign says of our signatures and provenance: the same as we do."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from bundle_world import Keys, make_keys, packed, write_layout

from smartcity_pkg.bundle.countersign import sign_bundle
from smartcity_pkg.bundle.provenance import PREDICATE_TYPE
from smartcity_pkg.bundle.sources.layout import layout_source


def run(
    cosign: list[str], command: str, bundle: Path, signer: Keys, folder: Path
) -> tuple[bool, bytes]:
    """Whether cosign accepts the bundle for a key, and what it prints."""
    key = folder / "key.pub"
    key.write_bytes(signer.signing.public_pem)
    kind = ["--type=slsaprovenance1"] if command == "verify-attestation" else []
    done = subprocess.run(
        [
            *cosign,
            command,
            *kind,
            f"--key={key}",
            "--insecure-ignore-tlog=true",
            "--local-image",
            str(bundle),
        ],
        capture_output=True,
        check=False,
        env={"HOME": str(folder), "PATH": "/usr/bin"},
    )
    return done.returncode == 0, done.stdout or done.stderr


@pytest.mark.parametrize("command", ["verify", "verify-attestation"])
def test_cosign_accepts_what_the_key_signed_and_nothing_else(
    cosign: list[str], bundles: dict[str, Path], keys: Keys, tmp_path: Path, command: str
) -> None:
    accepted, said = run(cosign, command, bundles["directory"], keys, tmp_path)
    assert accepted, said.decode()
    foreign = make_keys(tmp_path, "foreign")
    accepted, said = run(cosign, command, bundles["directory"], foreign, tmp_path)
    assert not accepted
    assert b"no matching" in said


def test_cosign_reads_the_statement_as_slsa_provenance(
    cosign: list[str], bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    _accepted, said = run(cosign, "verify-attestation", bundles["directory"], keys, tmp_path)
    envelope = json.loads(said.splitlines()[-1])
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicateType"] == PREDICATE_TYPE
    sources = [d["name"] for d in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert sources == ["catalogue", "smartcity/gateway:1.0.0", "smartcity/laksa:1.0.0"]


@pytest.mark.parametrize("command", ["verify", "verify-attestation"])
def test_cosign_accepts_each_of_two_signers(
    cosign: list[str], keys: Keys, images: dict[str, list[bytes]], tmp_path: Path, command: str
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    bundle = tmp_path / "bundle"
    packed(source, list(images), keys, bundle, cache=tmp_path / "cache", unsigned=True)
    second = make_keys(tmp_path, "second")
    for signer in (keys, second):
        accepted, said = run(cosign, command, bundle, signer, tmp_path)
        assert not accepted, said
        sign_bundle(bundle, signer.signing)
    for signer in (keys, second):
        accepted, said = run(cosign, command, bundle, signer, tmp_path)
        assert accepted, said.decode()
