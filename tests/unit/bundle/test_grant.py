"""The agreement inside: who signed it, whom it is for, which apps, and on which days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from bundle_forge import refused
from bundle_world import Keys, grant_bytes, make_keys, packed, write_layout

from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.grant import PAYLOAD_TYPE, BadGrantError, of_agreement, parse
from smartcity_pkg.bundle.ring import Ring, RingKey, TrustedKeys
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.structure import check_grant_fits
from smartcity_pkg.bundle.trust import check_grant
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError

EXAMPLES = Path(__file__).parents[3] / "examples/pemda"
TODAY = date(2026, 6, 15)


@pytest.fixture
def pack_with(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> Callable[[bytes], Path]:
    """Packs a bundle with any grant."""
    source = layout_source(write_layout(tmp_path / "source", images))

    def make(grant: bytes) -> Path:
        path = tmp_path / "bundle.tar"
        packed(source, list(images), keys, path, cache=tmp_path / "cache", grant=grant)
        return path

    return make


def test_the_grant_says_what_the_profiles_agreement_says() -> None:
    pemda = load_pemda(EXAMPLES / "32.15-karawang.yaml")
    grant = of_agreement(pemda, ["postgres", "gateway"])
    pks = pemda.agreement.pks
    assert (grant.region, grant.pemda) == (pemda.region, pemda.name)
    assert (grant.pks.number, grant.valid_from, grant.expires) == (
        pks.number,
        pks.date,
        pks.expires,
    )
    assert grant.platform == ("gateway", "postgres")
    assert all(grant.covers(app) for app in ("gateway", "postgres"))


def test_a_list_of_apps_covers_these_and_the_platform(keys: Keys) -> None:
    grant, envelope = parse(grant_bytes(keys.signing, apps=("laksa",)))
    assert grant.uncovered(["laksa", "perizinan", "e-surat"]) == ["e-surat", "perizinan"]
    assert parse(grant_bytes(keys.signing))[0].uncovered(["laksa", "perizinan"]) == []
    assert envelope.payload == grant.to_json()


@pytest.mark.parametrize(
    ("today", "holds"),
    [("2025-12-31", False), ("2026-01-01", True), ("2026-12-31", True), ("2027-01-01", False)],
)
def test_the_first_and_the_last_day_belong_to_it(keys: Keys, today: str, holds: bool) -> None:
    data = grant_bytes(keys.signing, valid_from=date(2026, 1, 1), expires=date(2026, 12, 31))
    why = parse(data)[0].why_not_on(date.fromisoformat(today))
    assert (why == "") is holds
    assert holds or "PKS/1/2020" in why


def test_without_an_end_it_holds_for_ever(keys: Keys) -> None:
    assert parse(grant_bytes(keys.signing))[0].why_not_on(date.max) == ""


# -- in a bundle -----------------------------------------------------------------------------------


def test_a_release_without_a_grant_is_refused(
    pack_with: Callable[[bytes], Path], keys: Keys
) -> None:
    refused(pack_with(b""), keys.trusted, "no grant")


def test_a_grant_must_be_signed_by_a_trusted_key(
    pack_with: Callable[[bytes], Path], keys: Keys, tmp_path: Path
) -> None:
    foreign = make_keys(tmp_path, "foreign")
    good = grant_bytes(keys.signing)
    bare = Envelope(PAYLOAD_TYPE, parse(good)[0].to_json())
    stolen = parse(grant_bytes(keys.signing, region="32.16"))[1].signatures[0]
    for data, said in (
        (bare.to_json(), r"signatures: 0, trusted keys: 1"),
        (grant_bytes(foreign.signing), r"signatures: 1, trusted keys: 1"),
        (bare.with_signature(stolen).to_json(), "not genuine"),
    ):
        refused(pack_with(data), keys.trusted, said)


def test_a_release_key_without_the_role_cannot_grant(
    pack_with: Callable[[bytes], Path], keys: Keys, tmp_path: Path
) -> None:
    """Whoever holds only a release key cannot give a pemda what nobody agreed to."""
    granting = make_keys(tmp_path, "grant")
    ring = Ring(
        (
            RingKey(keys.signing.key_id, keys.signing.public_pem, roles=frozenset({"release"})),
            RingKey(granting.signing.key_id, granting.signing.public_pem,
                    roles=frozenset({"grant"})),
        )
    )  # fmt: skip
    trusted: TrustedKeys = ring.on(TODAY)
    refused(pack_with(grant_bytes(keys.signing)), trusted, "its roles are release")
    contents = verify(pack_with(grant_bytes(granting.signing)), trusted)
    assert check_grant(contents.grant, trusted)[1] == granting.signing.key_id


def test_verify_does_not_judge_the_day(pack_with: Callable[[bytes], Path], keys: Keys) -> None:
    """An old bundle stays genuine; whether it may be installed today is for the installation."""
    over = grant_bytes(keys.signing, expires=date(2021, 1, 1))
    assert verify(pack_with(over), keys.trusted).grant == over


def test_pack_itself_refuses_a_grant_that_does_not_fit(
    pack_with: Callable[[bytes], Path], keys: Keys, tmp_path: Path
) -> None:
    for data in (grant_bytes(keys.signing, region="32.16"), b"{}", b"halo"):
        with pytest.raises(UntrustedBundleError):
            pack_with(data)
    assert not (tmp_path / "bundle.tar").exists()


def test_an_app_that_is_not_covered_is_refused(keys: Keys, bundles: dict[str, Path]) -> None:
    release: Release = verify(bundles["tar"], keys.trusted).release
    app = {
        "app": "laksa",
        "version": "1.0.0",
        "server": "server-1",
        "project": "p",
        "compose_files": (),
        "env_file": "e",
        "services": (),
        "images": (),
        "networks": (),
        "config_digest": digest.of_bytes(b""),
    }
    with_app = Release.model_validate({**release.model_dump(), "apps": (app,)})
    check_grant_fits(grant_bytes(keys.signing, apps=("laksa",)), with_app)
    with pytest.raises(UntrustedBundleError, match="does not cover: laksa"):
        check_grant_fits(grant_bytes(keys.signing, apps=("perizinan",)), with_app)
    with pytest.raises(UntrustedBundleError, match=r"for region 32\.16"):
        check_grant_fits(grant_bytes(keys.signing, region="32.16"), with_app)


# -- bad grants ------------------------------------------------------------------------------------


def _payload(**changes: Any) -> Callable[[Keys], bytes]:
    def make(keys: Keys) -> bytes:
        import json

        document = {**json.loads(parse(grant_bytes(keys.signing))[0].to_json()), **changes}
        wanted = {k: v for k, v in document.items() if v is not ...}
        return (
            Envelope(PAYLOAD_TYPE, digest.canonical_json(wanted)).signed_by(keys.signing).to_json()
        )

    return make


def _raw(payload: bytes, kind: str = PAYLOAD_TYPE) -> Callable[[Keys], bytes]:
    return lambda keys: Envelope(kind, payload).signed_by(keys.signing).to_json()


BAD: dict[str, Callable[[Keys], bytes]] = {
    "no envelope": lambda _keys: b"halo",
    "an empty envelope": lambda _keys: b"{}",
    "another payload type": lambda keys: (
        Envelope("text/plain", parse(grant_bytes(keys.signing))[0].to_json())
        .signed_by(keys.signing)
        .to_json()
    ),
    "not canonical": lambda keys: _raw(parse(grant_bytes(keys.signing))[0].to_json() + b" ")(keys),
    "no JSON": _raw(b"halo"),
    "a list": _raw(b"[]"),
    "deep": _raw(b"[" * 5000 + b"]" * 5000),
    "a key twice": lambda keys: _raw(
        b'{"apps":"all",' + parse(grant_bytes(keys.signing))[0].to_json()[1:]
    )(keys),
    "a later version": _payload(schema_version=2),
    "another kind": _payload(kind="plan"),
    "an unknown field": _payload(more=1),
    "a region that is a number": _payload(region=32.15),
    "a region of another form": _payload(region="3215"),
    "no region": _payload(region=...),
    "no apps": _payload(apps=...),
    "apps of another form": _payload(apps="some"),
    "an app's name of another form": _payload(apps=["../etc"]),
    "no first day": _payload(valid_from=...),
    "a day that is none": _payload(expires="2026-02-30"),
    "a time in place of a day": _payload(expires="2026-02-03T04:05:06Z"),
    "no agreement": _payload(pks=...),
    "an agreement without number": _payload(pks={"number": "", "date": "2020-01-01"}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_grant_is_refused_though_a_trusted_key_signed_it(keys: Keys, name: str) -> None:
    data = BAD[name](keys)
    with pytest.raises(BadGrantError):
        parse(data)
    with pytest.raises(UntrustedBundleError, match="damaged"):
        check_grant(data, keys.trusted)
