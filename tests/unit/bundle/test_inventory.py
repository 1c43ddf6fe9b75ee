"""Receipts of what a server holds: what is read, what is refused, whose key counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.inventory import (
    Inventory,
    InventoryImage,
    load_receipt,
    parse_receipt,
    require_same_key,
)
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, UntrustedBundleError

KEY = SigningKey.made()
LAYERS = tuple(sorted(digest.of_bytes(name) for name in (b"a", b"b")))
DOCUMENT = digest.of_bytes(b"c")


def inventory(key: SigningKey = KEY, **changes: Any) -> Inventory:
    return Inventory(
        region="32.15",
        pemda="Kabupaten Karawang",
        server="balai-kota",
        release="2-0123456789ab",
        serial=2,
        diff_ids=LAYERS,
        images=(InventoryImage(reference="contoh/a:1", diff_ids=LAYERS),),
        documents=(DOCUMENT,),
        taken_at="2026-01-15T02:09:51Z",
        smartcity="0.1.0",
        public_key=ecdsa.line_of_pem(key.public_pem),
    ).model_copy(update=changes)


def signed(key: SigningKey = KEY, **changes: Any) -> bytes:
    return inventory(key, **changes).envelope.signed_by(key).to_json()


def test_a_receipt_is_read_as_it_was_signed(tmp_path: Path) -> None:
    path = tmp_path / "smartcity-receipt-32.15-balai-kota.json"
    path.write_bytes(signed())
    found = load_receipt(path)
    assert (found.region, found.server, found.release) == ("32.15", "balai-kota", "2-0123456789ab")
    assert found.diff_ids == frozenset(LAYERS)
    assert found.images == {"contoh/a:1": LAYERS}
    assert found.documents == frozenset({DOCUMENT})
    assert found.key_id == KEY.key_id


def test_a_receipt_that_is_not_there_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tidak-ada\.json: the receipt cannot be read"):
        load_receipt(tmp_path / "tidak-ada.json")


def _resigned(payload: bytes, kind: str | None = None) -> bytes:
    envelope = inventory().envelope
    return Envelope(kind or envelope.payload_type, payload).signed_by(KEY).to_json()


def _changed(**values: Any) -> bytes:
    """Signed by the right key over fields that no writer of ours writes."""
    return _resigned(digest.canonical_json(json.loads(inventory().to_json()) | values))


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "expected an inventory receipt"),
    "cut short": (signed()[:-40], "half of one"),
    "no JSON": (b"halo", "expected an inventory receipt"),
    "a grant": (_resigned(b"{}", "application/vnd.smartcity.grant.v1+json"), "got 'application"),
    "other bytes after it": (signed() + b"\n", "expected an inventory receipt"),
    "a field more": (_changed(admin=True), "admin: Extra inputs"),
    "a newer version": (_changed(schema_version=2), "schema_version: "),
    "no region code": (_changed(region="../32"), "region: .*'../32'"),
    "a server's name with a path": (_changed(server="../etc"), "server: "),
    "a digest that is none": (_changed(diff_ids=["sha256:12"]), r"diff_ids\.0: .*'sha256:12'"),
    "a digest twice": (_changed(diff_ids=[LAYERS[0]] * 2), "ascending order"),
    "out of order": (_changed(diff_ids=LAYERS[::-1]), "ascending order"),
    "not canonical": (_resigned(inventory().to_json() + b" "), "in the one way"),
    "another number": (signed(serial=3), "expected the number 3"),
    "no key": (_changed(public_key="AAAA"), "public_key: this is no public key"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_receipt_is_bad_input(case: str) -> None:
    data, words = BAD[case]
    with pytest.raises(InputError, match=rf"r\.json: .*{words}"):
        parse_receipt(data, "r.json")


def _tampered(change: Callable[[dict[str, Any]], None]) -> bytes:
    envelope = json.loads(signed())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    change(payload)
    envelope["payload"] = base64.b64encode(digest.canonical_json(payload)).decode()
    return digest.canonical_json(envelope)


TAMPERED: dict[str, bytes] = {
    "another layer": _tampered(lambda p: p.update(diff_ids=[LAYERS[0]])),
    "another server": _tampered(lambda p: p.update(server="lain")),
    "another region": _tampered(lambda p: p.update(region="32.16")),
    "another key": _tampered(
        lambda p: p.update(public_key=ecdsa.line_of_pem(SigningKey.made().public_pem))
    ),
    "no signature": inventory().envelope.to_json(),
    "two signatures": inventory().envelope.signed_by(KEY).signed_by(SigningKey.made()).to_json(),
    "signed by another": inventory().envelope.signed_by(SigningKey.made()).to_json(),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_changed_after_signing_is_not_believed(case: str) -> None:
    with pytest.raises(UntrustedBundleError, match=r"r\.json: .*changed after it was signed"):
        parse_receipt(TAMPERED[case], "r.json")


def test_a_receipt_by_another_key_than_the_first_is_refused() -> None:
    receipt = parse_receipt(signed(), "r.json")
    require_same_key(receipt, receipt.public_key + "\n")
    stranger = SigningKey.made()
    with pytest.raises(UntrustedBundleError) as told:
        require_same_key(parse_receipt(signed(stranger), "r.json"), receipt.public_key)
    assert stranger.key_id[:19] in told.value.message
    assert KEY.key_id[:19] in told.value.message
    assert "receipts/32.15-balai-kota.pub" in told.value.hint
