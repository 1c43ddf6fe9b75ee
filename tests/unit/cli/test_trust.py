"""Keys, signatures and grants as people use them: the command in a folder, from end to end."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from workspace import KARAWANG, Workspace

REGION = "32.15"
TODAY = date.today()


def new_key(space: Workspace, name: str) -> str:
    """A further key in its own folder, so that nobody trusts it by its place; gives its id."""
    made = space.smartcity("key", "new", "--no-password", "--out", f"others/{name}.key")
    return str(made.json["key_id"])


def ring(space: Workspace) -> str:
    return (space.folder / "keys/trusted.yaml").read_text()


def set_threshold(space: Workspace, count: int) -> None:
    path = space.folder / "keys/trusted.yaml"
    path.write_text(re.sub(r"(?m)^threshold: \d+", f"threshold: {count}", path.read_text()))


# -- the ring --------------------------------------------------------------------------------------


def test_a_key_is_trusted_from_the_moment_it_is_in_the_ring(space: Workspace) -> None:
    key_id = new_key(space, "kedua")
    space.smartcity("verify", REGION, "--key", "others/kedua.pub", code=10)
    said = space.smartcity("key", "trust", "others/kedua.pub", "--name", "Kedua")
    assert said.json["key_id"] == key_id
    assert any("keys/trusted.yaml is new" in e.get("text", "") for e in said.events)
    listed = {k["name"]: k for k in space.smartcity("key", "list").json["keys"]}
    assert listed["Kedua"]["counts_for"] == ["release"]
    assert listed[""]["counts_for"] == ["grant", "release"], "what was trusted before still is"
    space.smartcity("verify", REGION)
    space.smartcity("key", "trust", "others/kedua.pub", code=2)


def test_a_ring_that_was_carried_over_is_enough(space: Workspace, tmp_path: Path) -> None:
    """A technician gets one file, compares its digest by telephone, and verifies."""
    new_key(space, "kedua")
    space.smartcity("key", "trust", "others/kedua.pub")
    there = Workspace(tmp_path / "pemda")
    (there.folder / "keys").mkdir(parents=True)
    shutil.copy(space.folder / "keys/trusted.yaml", there.folder / "keys")
    bundle = next((space.folder / "releases" / REGION).glob("*.tar"))
    there.smartcity("verify", str(bundle))
    digests = {s.smartcity("key", "list").json["ring_digest"] for s in (space, there)}
    assert len(digests) == 1


def test_a_revoked_key_counts_for_nothing_even_when_it_is_named(space: Workspace) -> None:
    key_id = space.smartcity("key", "show").json["key_id"]
    space.smartcity("key", "revoke", key_id[7:19], "--reason", "laptop hilang")
    assert "laptop hilang" in ring(space)
    for words in (("verify", REGION), ("verify", REGION, "--key", "keys/release.pub")):
        ran = space.smartcity(*words, code=10)
        assert "laptop hilang" in ran.error["message"]
    shown = space.smartcity("key", "show").json
    assert "laptop hilang" in shown["why_not"]


@pytest.mark.parametrize("until", [TODAY - timedelta(days=1), TODAY])
def test_the_last_day_counts(space: Workspace, until: date) -> None:
    new_key(space, "kedua")
    space.smartcity("sign", REGION, "--key", "others/kedua.key")
    space.smartcity("key", "trust", "others/kedua.pub", "--until", str(until))
    set_threshold(space, 2)
    over = until < TODAY
    ran = space.smartcity("verify", REGION, code=10 if over else 0)
    assert not over or str(until) in ran.error["message"]


def test_export_gives_the_public_half_and_never_the_other(space: Workspace) -> None:
    ran = space.smartcity("key", "export", "keys/release.key", "--out", "kirim/kominfo.pub")
    assert (space.folder / "kirim/kominfo.pub").read_text() == ran.json["pem"]
    assert "PRIVATE" not in ran.out
    (space.folder / "keys/release.pub").unlink()
    assert space.smartcity("key", "export").json == {**ran.json, "file": None}
    new_key(space, "kedua")
    space.smartcity("key", "export", "others/kedua.pub", "--out", "kirim/kominfo.pub", code=1)
    assert (space.folder / "kirim/kominfo.pub").read_text() == ran.json["pem"]


Bad = Callable[[Workspace], tuple[list[str], int, str]]
BAD_COMMANDS: dict[str, Bad] = {
    "trust what is no key": lambda s: (["key", "trust", "plans/32.15.yaml"], 20, "P-256"),
    "trust a private key": lambda s: (["key", "trust", "keys/release.key"], 20, "P-256"),
    "trust a missing file": lambda s: (["key", "trust", "tiada.pub"], 20, "tiada.pub"),
    "trust in an unknown role": lambda s: (
        ["key", "trust", "keys/release.pub", "--role", "root"],
        2,
        "root",
    ),
    "trust until no day": lambda s: (
        ["key", "trust", "keys/release.pub", "--until", "besok"],
        2,
        "--until",
    ),
    "trust until before from": lambda s: (
        ["key", "trust", "keys/release.pub", "--from", "2027-01-02", "--until", "2027-01-01"],
        2,
        "before its first",
    ),
    "revoke an unknown key": lambda s: (["key", "revoke", "0" * 8, "--reason", "x"], 2, "00000000"),
    "revoke by too few digits": lambda s: (
        ["key", "revoke", s.smartcity("key", "show").json["key_id"][7:10], "--reason", "x"],
        2,
        "no key",
    ),
    "revoke without a reason": lambda s: (
        ["key", "revoke", s.smartcity("key", "show").json["key_id"], "--reason", " "],
        2,
        "reason",
    ),
    "show a missing key": lambda s: (["key", "show", "tiada.key"], 2, "tiada.key"),
    "sign with a missing key": lambda s: (["sign", REGION, "--key", "tiada.key"], 2, "tiada.key"),
    "sign with a public key": lambda s: (
        ["sign", REGION, "--key", "keys/release.pub"],
        20,
        "no private key",
    ),
    "sign a missing bundle": lambda s: (["sign", "tiada.tar"], 20, "tiada.tar"),
    "sign and ask for it": lambda s: (
        ["sign", REGION, "--key", "keys/release.key", "--request", "r.json"],
        2,
        "--request",
    ),
    "a request to be attached": lambda s: (["sign", "r.json", "--attach", "r.json"], 2, "request"),
    "attach what is no signature": lambda s: (
        ["sign", REGION, "--attach", "plans/32.15.yaml"],
        20,
        "no signature",
    ),
    "sign something else": lambda s: (["sign", "plans/32.15.yaml"], 20, "no bundle"),
    "pack unsigned with a key": lambda s: (
        ["pack", REGION, "--unsigned", "--key", "keys/release.key"],
        2,
        "--unsigned",
    ),
    "show a grant that is not there": lambda s: (["grant", "show", REGION], 2, "grant new"),
    "grant for an unknown pemda": lambda s: (["grant", "new", "atlantis"], 2, "atlantis"),
    "a ring that is broken": lambda s: (
        [str((s.folder / "keys/trusted.yaml").write_text("keys: []\n") and "verify"), REGION],
        20,
        "trusted.yaml",
    ),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_command_that_cannot_be_meant_says_what_to_do(space: Workspace, name: str) -> None:
    (space.folder / "r.json").write_text("{}")
    words, code, said = BAD_COMMANDS[name](space)
    ran = space.smartcity(*words, code=code)
    assert said in ran.error["message"] + ran.error["hint"]


# -- signing ---------------------------------------------------------------------------------------


def test_two_of_three_sign_one_of_them_on_another_machine(
    space: Workspace, images: Path, tmp_path: Path
) -> None:
    for name in ("kedua", "ketiga"):
        new_key(space, name)
        space.smartcity("key", "trust", f"others/{name}.pub", "--name", name)
    set_threshold(space, 2)
    space.smartcity("grant", "new", REGION)
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", "--unsigned")
    assert ran.json["signed_by"] == []
    assert ran.json["serial"] == 2
    bundle = ran.json["bundle"]
    assert "signatures: 0" in space.smartcity("verify", bundle, code=10).error["message"]

    space.smartcity("sign", bundle, "--key", "others/kedua.key")
    assert "asks for 2" in space.smartcity("verify", bundle, code=10).error["message"]

    told = space.smartcity("sign", bundle, "--request", "usb/minta.json").json
    assert told["release"] == ran.json["release"]
    safe = Workspace(tmp_path / "brankas")
    safe.folder.mkdir()
    shutil.copy(space.folder / "others/ketiga.key", safe.folder / "ketiga.key")
    shutil.copy(space.folder / "usb/minta.json", safe.folder / "minta.json")
    there = safe.smartcity("sign", "minta.json", "--key", "ketiga.key").json
    assert there["signature"] == "minta.signature.json"
    shutil.copy(safe.folder / "minta.signature.json", space.folder / "usb")
    space.smartcity("sign", bundle, "--attach", "usb/minta.signature.json")

    done = space.smartcity("verify", bundle, "--receipt", f"{bundle}.receipt.json").json
    assert {s["name"] for s in done["receipt"]["signers"]} == {"kedua", "ketiga"}
    seen = space.smartcity("inspect", bundle).json
    assert seen["receipt"] == done["receipt"]
    assert json.loads((space.folder / f"{bundle}.receipt.json").read_text()) == done["receipt"]


def test_a_receipt_of_another_bundle_is_not_shown(space: Workspace) -> None:
    (bundle,) = (space.folder / "releases" / REGION).glob("*.tar")
    space.smartcity("verify", REGION, "--receipt", f"{bundle}.receipt.json")
    assert space.smartcity("inspect", REGION).json["receipt"]
    path = Path(f"{bundle}.receipt.json")
    other = {**json.loads(path.read_text()), "root_digest": "sha256:" + "0" * 64}
    path.write_text(json.dumps(other))
    assert space.smartcity("inspect", REGION).json["receipt"] is None


# -- the agreement ---------------------------------------------------------------------------------


def profile(space: Workspace, **pks: object) -> None:
    """Karawang's profile with other terms of the agreement."""
    data = yaml.safe_load(KARAWANG.read_text())
    data["agreement"]["pks"].update(pks)
    path = space.folder / "pemda" / KARAWANG.name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False))


def test_pack_refuses_an_app_that_the_grant_does_not_cover(space: Workspace, images: Path) -> None:
    profile(space, apps=["laksa"])
    space.smartcity("grant", "new", REGION)
    profile(space, apps="all")  # the profile promises more than was signed
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", code=20)
    assert "does not cover: e-surat, perizinan, siap-kerja" in ran.error["message"]
    assert "grants/32.15.json" in ran.error["message"]
    assert "smartcity grant new 32.15" in ran.error["hint"]
    space.smartcity("grant", "new", REGION)
    space.smartcity("pack", REGION, "--images", f"oci:{images}")


def test_pack_refuses_a_grant_that_has_ended(space: Workspace, images: Path) -> None:
    ended = TODAY - timedelta(days=1)
    profile(space, expires=str(ended))
    space.smartcity("grant", "new", REGION)
    assert str(ended) in space.smartcity("grant", "show", REGION).json["why_not"]
    profile(space, expires=str(TODAY + timedelta(days=1)))
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", code=20)
    assert f"ended on {ended}" in ran.error["message"]


def test_pack_refuses_a_grant_of_another_pemda(space: Workspace, images: Path) -> None:
    space.smartcity("grant", "new", REGION)
    path = space.folder / "grants/32.15.json"
    space.smartcity("grant", "new", "21.05")
    (space.folder / "grants/21.05.json").replace(path)
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", code=20)
    assert "the grant is for region 21.05" in ran.error["message"]


def test_a_release_key_without_the_role_makes_no_grant(space: Workspace, images: Path) -> None:
    granting = new_key(space, "hukum")
    key_id = space.smartcity("key", "show").json["key_id"]
    space.smartcity("key", "trust", "others/hukum.pub", "--role", "grant", "--name", "Hukum")
    path = space.folder / "keys/trusted.yaml"
    data = yaml.safe_load(path.read_text())
    for entry in data["keys"]:
        if entry["id"] == key_id:
            entry["roles"] = ["release"]
    path.write_text(yaml.safe_dump(data))
    for words in (("grant", "new", REGION), ("pack", REGION, "--images", f"oci:{images}")):
        ran = space.smartcity(*words, code=2)
        assert "its roles are release" in ran.error["message"]
    made = space.smartcity("grant", "new", REGION, "--key", "others/hukum.key").json
    assert made["key_id"] == granting
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}")
    done = space.smartcity("verify", ran.json["bundle"]).json
    assert done["receipt"]["grant"]["signer"] == {"key_id": granting, "name": "Hukum"}
    # What was packed before, with the release key's own grant, is refused from now on.
    old = next((space.folder / "releases" / REGION).glob("1-*.tar"))
    assert "signed the grant" in space.smartcity("verify", str(old), code=10).error["message"]


def test_where_a_grant_key_lies_only_its_grants_are_packed(space: Workspace, images: Path) -> None:
    space.smartcity("key", "new", "--no-password", "--out", "keys/grant.key")
    ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", code=2)
    assert "smartcity grant new 32.15" in ran.error["hint"]
    made = space.smartcity("grant", "new", REGION).json
    assert made["key_id"] == space.smartcity("key", "show", "keys/grant.key").json["key_id"]
    space.smartcity("pack", REGION, "--images", f"oci:{images}")


def test_a_grant_that_was_edited_is_refused(space: Workspace, images: Path) -> None:
    space.smartcity("grant", "new", REGION)
    path = space.folder / "grants/32.15.json"
    document = json.loads(path.read_text())
    for name, data in {
        "indented": json.dumps(document, indent=1).encode(),
        "no signature": json.dumps(
            {**document, "signatures": []}, sort_keys=True, separators=(",", ":")
        ).encode(),
        "text": b"halo",
        "empty": b"",
    }.items():
        path.write_bytes(data)
        space.smartcity("grant", "show", REGION, code=10)
        ran = space.smartcity("pack", REGION, "--images", f"oci:{images}", code=10)
        assert "grant" in ran.error["message"], name
