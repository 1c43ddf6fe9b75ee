"""Which keys count: roles, days, revocation, and how many must sign; and the file that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from bundle_world import Keys, grant_bytes, make_keys

from smartcity_pkg.bundle.ecdsa import key_id, line_of_pem, pem_of_line
from smartcity_pkg.bundle.ring import Ring, RingKey, TrustedKeys
from smartcity_pkg.bundle.ringfile import (
    add_key,
    entry_of,
    load_ring,
    new_ring_text,
    revoke_key,
)
from smartcity_pkg.bundle.sign import sign_root
from smartcity_pkg.bundle.trust import check_grant, check_signatures
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, UntrustedBundleError

ROOT = digest.of_bytes(b"root")
TODAY = date(2026, 6, 15)


def ring_key(keys: Keys, **changes: Any) -> RingKey:
    made = RingKey(keys.signing.key_id, keys.signing.public_pem, name="rilis")
    return replace(made, **changes)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Keys, Keys]:
    folder = tmp_path_factory.mktemp("three")
    first, second, third = (make_keys(folder, name) for name in ("a", "b", "c"))
    return first, second, third


def of_three(three: tuple[Keys, Keys, Keys], threshold: int, **changes: Any) -> TrustedKeys:
    """The ring of all three, the first of them changed."""
    first, *others = (ring_key(k) for k in three)
    return Ring((replace(first, **changes), *others), threshold).on(TODAY)


# -- one key ---------------------------------------------------------------------------------------

NOT_COUNTING = {
    "revoked today": ({"revoked": TODAY, "reason": "laptop hilang"}, "revoked on 2026-06-15"),
    "revoked long ago": ({"revoked": date(2020, 1, 1), "reason": "x"}, "revoked on 2020-01-01"),
    "revoked from tomorrow": ({"revoked": date(2026, 6, 16), "reason": "x"}, "revoked"),
    "only for grants": ({"roles": frozenset({"grant"})}, "its roles are grant"),
    "for nothing": ({"roles": frozenset()}, "its roles are"),
    "from tomorrow": ({"valid_from": date(2026, 6, 16)}, "not valid before 2026-06-16"),
    "until yesterday": ({"valid_until": date(2026, 6, 14)}, "was valid until 2026-06-14"),
}


@pytest.mark.parametrize("name", NOT_COUNTING)
def test_a_key_that_does_not_count_is_refused_with_the_reason(keys: Keys, name: str) -> None:
    changes, said = NOT_COUNTING[name]
    trusted = Ring((ring_key(keys, **changes),)).on(TODAY)
    with pytest.raises(UntrustedBundleError) as caught:
        check_signatures(ROOT, [sign_root(ROOT, keys.signing)], trusted)
    assert said in caught.value.message
    assert keys.signing.key_id[:19] in caught.value.message
    assert caught.value.exit_code == 10


def test_the_first_and_the_last_day_count(keys: Keys) -> None:
    ring = Ring((ring_key(keys, valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31)),))
    signature = sign_root(ROOT, keys.signing)
    for day in (date(2026, 1, 1), date(2026, 12, 31)):
        assert check_signatures(ROOT, [signature], ring.on(day)) == (keys.signing.key_id,)
    for day in (date(2025, 12, 31), date(2027, 1, 1)):
        with pytest.raises(UntrustedBundleError):
            check_signatures(ROOT, [signature], ring.on(day))


def test_a_key_for_releases_signs_no_grant_and_the_other_way_round(keys: Keys) -> None:
    data = grant_bytes(keys.signing)
    releasing = Ring((ring_key(keys, roles=frozenset({"release"})),)).on(TODAY)
    granting = Ring((ring_key(keys, roles=frozenset({"grant"})),)).on(TODAY)
    assert check_grant(data, granting)[1] == keys.signing.key_id
    with pytest.raises(UntrustedBundleError, match="its roles are release"):
        check_grant(data, releasing)
    with pytest.raises(UntrustedBundleError, match="its roles are grant"):
        check_signatures(ROOT, [sign_root(ROOT, keys.signing)], granting)


def test_an_empty_ring_trusts_nobody(keys: Keys) -> None:
    for trusted in (TrustedKeys(), Ring(()).on(TODAY)):
        with pytest.raises(UntrustedBundleError):
            check_signatures(ROOT, [sign_root(ROOT, keys.signing)], trusted)
        with pytest.raises(UntrustedBundleError):
            check_grant(grant_bytes(keys.signing), trusted)


# -- several keys ----------------------------------------------------------------------------------


def test_two_of_three_need_two_different_keys(three: tuple[Keys, Keys, Keys]) -> None:
    trusted = of_three(three, 2)
    a, b, c = (sign_root(ROOT, k.signing) for k in three)
    for pair in ([a, b], [b, c], [c, a]):
        assert len(check_signatures(ROOT, pair, trusted)) == 2
    assert len(check_signatures(ROOT, [a, b, c], trusted)) == 3
    for few in ([a], [a, a], [a, replace(a, key_id="")]):
        with pytest.raises(UntrustedBundleError, match=r"bundle: 1; the ring asks for 2"):
            check_signatures(ROOT, few, trusted)


@pytest.mark.parametrize("name", NOT_COUNTING)
def test_a_key_that_does_not_count_is_none_of_the_two(
    three: tuple[Keys, Keys, Keys], name: str
) -> None:
    changes, said = NOT_COUNTING[name]
    trusted = of_three(three, 2, **changes)
    a, b, c = (sign_root(ROOT, k.signing) for k in three)
    with pytest.raises(UntrustedBundleError) as caught:
        check_signatures(ROOT, [a, b], trusted)
    assert said in caught.value.message
    assert set(check_signatures(ROOT, [a, b, c], trusted)) == {b.key_id, c.key_id}


def test_a_foreign_key_is_none_of_the_two(three: tuple[Keys, Keys, Keys], keys: Keys) -> None:
    signatures = [sign_root(ROOT, k.signing) for k in (three[0], keys)]
    with pytest.raises(UntrustedBundleError, match="signed the bundle: 1;"):
        check_signatures(ROOT, signatures, of_three(three, 2))


def test_a_revoked_key_whose_public_half_is_gone_is_named(keys: Keys) -> None:
    known_by_id = RingKey(keys.signing.key_id, b"", "lama", revoked=TODAY, reason="dicuri")
    trusted = Ring((known_by_id,)).on(TODAY)
    with pytest.raises(UntrustedBundleError, match=r"lama.*dicuri"):
        check_signatures(ROOT, [sign_root(ROOT, keys.signing)], trusted)


def test_the_rings_digest_says_all_that_counts_and_no_order(
    three: tuple[Keys, Keys, Keys],
) -> None:
    made = Ring(tuple(ring_key(k) for k in three))
    assert Ring(made.keys[::-1]).digest == made.digest
    changed = (
        Ring(made.keys, 2),
        Ring(made.keys[:2]),
        Ring((replace(made.keys[0], revoked=TODAY, reason="x"), *made.keys[1:])),
        Ring((replace(made.keys[0], roles=frozenset({"grant"})), *made.keys[1:])),
        Ring((replace(made.keys[0], valid_until=TODAY), *made.keys[1:])),
    )
    assert len({made.digest, *(r.digest for r in changed)}) == 6


# -- the file --------------------------------------------------------------------------------------


def test_a_key_as_one_line_is_the_same_key(keys: Keys) -> None:
    assert key_id(pem_of_line(line_of_pem(keys.signing.public_pem))) == keys.signing.key_id


def test_a_ring_file_is_read_as_it_was_written(
    three: tuple[Keys, Keys, Keys], tmp_path: Path
) -> None:
    first, second, third = (ring_key(k, name=n) for k, n in zip(three, "abc", strict=True))
    second = replace(second, roles=frozenset({"grant"}), valid_until=date(2027, 1, 1))
    path = tmp_path / "trusted.yaml"
    path.write_text(new_ring_text([entry_of(first), entry_of(second)]))
    add_key(path, third)
    assert load_ring(path) == Ring((first, second, third))
    revoke_key(path, second.key_id, TODAY, "laptop hilang")
    revoked = replace(second, revoked=TODAY, reason="laptop hilang")
    assert load_ring(path) == Ring((first, revoked, third))


def test_a_key_may_be_named_by_its_file_or_its_id(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "kominfo.pub").write_bytes(keys.signing.public_pem)
    path = tmp_path / "trusted.yaml"
    for named in ("file: kominfo.pub", f"id: {keys.signing.key_id}"):
        path.write_text(f"schema_version: 1\nkeys:\n- {{{named}, roles: [release]}}\n")
        (key,) = load_ring(path).keys
        assert (key.key_id, key.pem) == (keys.signing.key_id, keys.signing.public_pem)
    (tmp_path / "kominfo.pub").unlink()
    with pytest.raises(InputError, match="no public key with this id"):
        load_ring(path)
    path.write_text(
        f"schema_version: 1\nkeys:\n- id: {keys.signing.key_id}\n  roles: [release]\n"
        "  revoked: {date: 2026-01-01, reason: dicuri}\n"
    )
    assert load_ring(path).keys[0].revoked == date(2026, 1, 1)


def test_comments_and_order_survive_edits(three: tuple[Keys, Keys, Keys], tmp_path: Path) -> None:
    path = tmp_path / "trusted.yaml"
    text = f"""\
# kunci yang dipercaya
threshold: 1  # nanti dua
schema_version: 1
keys:
  # brankas lantai dua
  - name: "Kominfo"
    public_key: {line_of_pem(three[0].signing.public_pem)}
    roles: [release, grant]
"""
    path.write_text(text)
    add_key(path, ring_key(three[1], name="kedua"))
    revoke_key(path, three[0].signing.key_id, TODAY, "rotasi")
    after = path.read_text()
    for kept in ("# kunci yang dipercaya", "# nanti dua", "# brankas lantai dua", '"Kominfo"'):
        assert kept in after
    assert after.index("threshold") < after.index("schema_version")
    assert [k.name for k in load_ring(path).keys] == ["Kominfo", "kedua"]


def _ring(change: str, line: str = "") -> Callable[[str, str], str]:
    def text(first: str, _second: str) -> str:
        entry = "- public_key: KEY\n  roles: [release]\n"
        return {
            "head": f"{line}\nkeys:\n{entry}",
            "entry": f"schema_version: 1\nkeys:\n- {line}\n",
            "more": f"schema_version: 1\nkeys:\n{entry}{line}\n",
        }[change].replace("KEY", first)

    return text


BAD_FILES = {
    "empty": (lambda _a, _b: "", "empty"),
    "a list": (lambda _a, _b: "- x\n", "fields"),
    "no keys": (lambda _a, _b: "schema_version: 1\nkeys: []\n", "must not be empty"),
    "later version": (_ring("head", "schema_version: 2"), "schema_version"),
    "no version": (_ring("head", ""), "schema_version"),
    "threshold of zero": (_ring("head", "schema_version: 1\nthreshold: 0"), "at least 1"),
    "threshold above the keys": (
        _ring("head", "schema_version: 1\nthreshold: 2"),
        "2 keys must sign",
    ),
    "unknown field": (_ring("head", "schema_version: 1\nwarna: merah"), "warna"),
    "field twice": (_ring("head", "schema_version: 1\nschema_version: 1"), "twice"),
    "no key": (_ring("entry", "roles: [release]"), "names no key"),
    "unknown role": (_ring("more", "  bukan: x"), "bukan"),
    "role of another kind": (_ring("entry", "{file: a.pub, roles: [root]}"), "root"),
    "no roles": (_ring("entry", "{file: a.pub, roles: []}"), "must not be empty"),
    "no such file": (_ring("entry", "{file: tiada.pub, roles: [release]}"), "tiada.pub"),
    "a path as file": (_ring("entry", "{file: ../a.pub, roles: [release]}"), "../a.pub"),
    "an id that is none": (_ring("entry", "{id: sha256:12, roles: [release]}"), "sha256:12"),
    "a key that is none": (_ring("entry", "{public_key: AAAA, roles: [release]}"), "P-256"),
    "file and key": (
        _ring("entry", "{file: a.pub, public_key: AAAA, roles: [release]}"),
        "both file and public_key",
    ),
    "a wrong id": (
        _ring("more", f"  id: sha256:{'0' * 64}"),
        "the key's id is sha256:",
    ),
    "the same key twice": (
        _ring("more", "- public_key: KEY\n  roles: [grant]"),
        "stands here twice",
    ),
    "days turned round": (
        _ring("more", "  valid_from: 2027-01-01\n  valid_until: 2026-01-01"),
        "last day is before",
    ),
    "no date": (_ring("more", "  valid_until: besok"), "YYYY-MM-DD"),
    "revoked without reason": (_ring("more", "  revoked: {date: 2026-01-01}"), "reason"),
    "revoked with an empty reason": (
        _ring("more", "  revoked: {date: 2026-01-01, reason: ''}"),
        "must not be empty",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_ring_file_is_refused_with_the_place(
    three: tuple[Keys, Keys, Keys], tmp_path: Path, name: str
) -> None:
    make, said = BAD_FILES[name]
    path = tmp_path / "trusted.yaml"
    path.write_text(make(*(line_of_pem(k.signing.public_pem) for k in three[:2])))
    with pytest.raises(InputError) as caught:
        load_ring(path)
    assert said in caught.value.message
    assert caught.value.exit_code == 20
    assert str(path) in caught.value.message
    if name != "empty":
        assert all(problem.line for problem in caught.value.problems), caught.value.problems
