"""The provenance: derived, not believed; the same bytes from the same release, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_forge import (
    Files,
    blob,
    edited,
    provenance_of,
    refused,
    roots,
    unsigned,
    write_folder,
    write_tar,
)
from bundle_world import Keys, make_keys

from smartcity_pkg.bundle import dsse, oci, provenance
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.sign import outer_files, sign_root
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.catalogue.checkout import Checkout
from smartcity_pkg.core import digest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def with_envelope(files: Files, key: SigningKey, envelope: Envelope | None) -> Files:
    """A bundle signed by `key`, with any provenance."""
    root = roots(files)[0]["digest"]
    described = oci.Descriptor.model_validate(oci.descriptor(blob(files, root), oci.INDEX))
    images = oci.images_of(oci.parse(oci.Index, blob(files, root), "root"))
    return {**unsigned(files), **outer_files(described, [sign_root(root, key)], envelope, images)}


def statement(files: Files) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(provenance_of(files, roots(files)[0]["digest"]).payload)
    return value


def test_the_statement_says_catalogue_commit_plan_and_images(sound: Files, keys: Keys) -> None:
    made = statement(sound)
    build = made["predicate"]["buildDefinition"]
    catalogue, *images = build["resolvedDependencies"]
    assert catalogue["digest"]["sha256"] == digest.hex_of(digest.of_bytes(b"catalogue"))
    assert [i["name"] for i in images] == ["smartcity/gateway:1.0.0", "smartcity/laksa:1.0.0"]
    assert build["externalParameters"]["region"] == "32.15"
    assert made["subject"][0]["digest"]["sha256"] == digest.hex_of(roots(sound)[0]["digest"])


@pytest.mark.parametrize(
    "checkout", [Checkout(), Checkout(COMMIT), Checkout(COMMIT, True), Checkout("ab" * 32)]
)
def test_a_commit_is_read_back(
    sound: Files, bundles: dict[str, Path], keys: Keys, tmp_path: Path, checkout: Checkout
) -> None:
    root = roots(sound)[0]["digest"]
    release = verify(bundles["tar"], keys.trusted).release
    origin = provenance.Origin(checkout, "0.1.0")
    envelope = provenance.envelope_for(root, release, origin).signed_by(keys.signing)
    files = with_envelope(sound, keys.signing, envelope)
    contents = verify(write_folder(tmp_path / "bundle", files), keys.trusted)
    assert contents.attestation == envelope
    assert provenance.origin_of(envelope, root, release) == origin


Change = Callable[[dict[str, Any]], object]


def _build(change: Change) -> Change:
    return lambda d: change(d["predicate"]["buildDefinition"])


FALSE: dict[str, Change] = {
    "another root": lambda d: d["subject"][0]["digest"].update(sha256="0" * 64),
    "another name": lambda d: d["subject"][0].update(name="9-000000000000"),
    "two subjects": lambda d: d["subject"].append(d["subject"][0]),
    "another type": lambda d: d.update(predicateType="https://slsa.dev/provenance/v0.2"),
    "another catalogue": _build(
        lambda b: b["resolvedDependencies"][0]["digest"].update(sha256="0" * 64)
    ),
    "a commit that is none": _build(
        lambda b: b["resolvedDependencies"][0]["digest"].update(gitCommit="main")
    ),
    "a commit without a word on changes": _build(
        lambda b: b["resolvedDependencies"][0]["digest"].update(gitCommit=COMMIT)
    ),
    "dirty is no truth value": _build(
        lambda b: b["resolvedDependencies"][0].update(annotations={"dirty": "no"})
    ),
    "an image left out": _build(lambda b: b["resolvedDependencies"].pop()),
    "an image added": _build(lambda b: b["resolvedDependencies"].append({"name": "x"})),
    "another image": _build(
        lambda b: b["resolvedDependencies"][1]["digest"].update(sha256="0" * 64)
    ),
    "another plan": _build(lambda b: b["externalParameters"]["plan"].update(sha256="0" * 64)),
    "another serial": _build(lambda b: b["externalParameters"].update(serial=2)),
    "another region": _build(lambda b: b["externalParameters"].update(region="32.16")),
    "no catalogue": _build(lambda b: b.update(resolvedDependencies=[])),
    "dependencies are no list": _build(lambda b: b.update(resolvedDependencies=1)),
    "a time": lambda d: d["predicate"]["runDetails"].update(metadata={"startedOn": "2026-01-01"}),
    "another builder": lambda d: d["predicate"]["runDetails"]["builder"].update(id="urn:x"),
    "no builder": lambda d: d["predicate"].pop("runDetails"),
    "no predicate": lambda d: d.pop("predicate"),
    "the version is a list": lambda d: d["predicate"]["runDetails"]["builder"].update(
        version={"smartcity": []}
    ),
    "a very long version": lambda d: d["predicate"]["runDetails"]["builder"].update(
        version={"smartcity": "1" * 1000}
    ),
    "a field more": lambda d: d.update(note="x"),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_statement_is_refused_though_a_trusted_key_signed_it(
    sound: Files, keys: Keys, tmp_path: Path, name: str
) -> None:
    made = provenance_of(sound, roots(sound)[0]["digest"])
    payload = edited(made.payload, FALSE[name])
    assert payload != made.payload
    envelope = Envelope(provenance.PAYLOAD_TYPE, payload).signed_by(keys.signing)
    files = with_envelope(sound, keys.signing, envelope)
    refused(write_folder(tmp_path / "bundle", files), keys.trusted, "provenance is not that of")


def _envelopes(sound: Files, keys: Keys, foreign: Keys) -> dict[str, tuple[Envelope | None, str]]:
    made = provenance_of(sound, roots(sound)[0]["digest"])
    signed = made.signed_by(keys.signing)
    (theirs,) = made.signed_by(foreign.signing).signatures
    claimed = dsse.EnvelopeSignature(keys.signing.key_id, theirs.signature)
    return {
        "left out": (None, "no provenance"),
        "not signed": (made, "0 trusted keys signed the provenance"),
        "signed by a foreign key": (
            made.signed_by(foreign.signing),
            "0 trusted keys signed the provenance",
        ),
        "a foreign signature in a trusted name": (
            made.with_signature(claimed),
            "is not genuine",
        ),
        "another payload type": (
            Envelope("text/plain", made.payload).signed_by(keys.signing),
            "provenance is not that of",
        ),
        "the signature of another payload": (
            Envelope(made.payload_type, made.payload, Envelope("x", b"y").signed_by(
                keys.signing).signatures),
            "is not genuine",
        ),
        "no JSON": (
            Envelope(made.payload_type, b"halo").signed_by(keys.signing),
            "provenance is not that of",
        ),
        "spaces": (
            Envelope(made.payload_type, made.payload + b" ").signed_by(keys.signing),
            "provenance is not that of",
        ),
        "a key twice": (
            Envelope(made.payload_type, b'{"_type":"",' + made.payload[1:]).signed_by(keys.signing),
            "provenance is not that of",
        ),
        "too many signatures": (
            Envelope(made.payload_type, made.payload, signed.signatures * 33),
            "provenance is damaged",
        ),
    }  # fmt: skip


def test_a_bad_envelope_is_refused_in_either_form(sound: Files, keys: Keys, tmp_path: Path) -> None:
    foreign = make_keys(tmp_path, "foreign")
    for number, (name, (envelope, said)) in enumerate(_envelopes(sound, keys, foreign).items()):
        files = with_envelope(sound, keys.signing, envelope)
        try:
            refused(write_folder(tmp_path / str(number), files), keys.trusted, said)
            refused(write_tar(tmp_path / f"{number}.tar", files), keys.trusted, said)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_an_envelope_is_accepted_in_one_spelling_only(sound: Files) -> None:
    good = provenance_of(sound, roots(sound)[0]["digest"]).to_json()
    assert dsse.parse(good).to_json() == good
    document = json.loads(good)
    for bad in (
        json.dumps(document).encode(),
        good + b"\n",
        b"\xef\xbb\xbf" + good,
        b"",
        b"[]",
        b"{}",
        digest.canonical_json({**document, "more": 1}),
        digest.canonical_json({**document, "payload": "§"}),
        digest.canonical_json({**document, "signatures": {}}),
        digest.canonical_json({**document, "signatures": [{"sig": ""}]}),
        b"[" * 100_000,
    ):
        with pytest.raises(dsse.BadEnvelopeError):
            dsse.parse(bad)
