"""Later or earlier: as dpkg itself says, as PEP 440 and Semantic Versioning say, or nothing."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from smartcity_pkg.bundle.sbom.versions import is_later

DEB = (
    *("1.0", "1.0~rc1", "1.0~~", "1.0-1", "1.0-1+b1", "1.0-1+deb13u2", "1.0-1~bpo13+1", "1.0a"),
    *("1.0+dfsg-1", "1:0.9", "2:0.1-1", "0:1.0", "1.00", "1.0.0", "10.0", "9.0", "1.0-10", "1.0-9"),
    *("1.3.dfsg+really1.3.1-1+b1", "1.3.dfsg-3", "1.0.", "1.a", "1.~a", "1.+a", "20231003-2"),
)  # fmt: skip


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
def test_debian_versions_are_ordered_as_dpkg_orders_them() -> None:
    pairs = list(itertools.combinations(DEB, 2))
    script = "\n".join(
        f"dpkg --compare-versions '{a}' gt '{b}' 2>/dev/null && echo gt || "
        f"{{ dpkg --compare-versions '{a}' lt '{b}' 2>/dev/null && echo lt || echo eq; }}"
        for a, b in pairs
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    words = {True: "gt", False: "lt", None: "eq"}
    found = [(a, words[is_later("deb", a, b)], b) for a, b in pairs]
    assert found == [(a, w, b) for (a, b), w in zip(pairs, done.stdout.split(), strict=True)]


@pytest.mark.parametrize(
    ("kind", "ascending"),
    [
        ("npm", ("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
                 "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0+x")),
        ("pypi", ("1.0.dev1", "1.0a1", "1.0", "1.0.post1", "1.10", "1!0.1")),
    ],
)  # fmt: skip
def test_other_versions_are_ordered_by_their_own_rules(
    kind: str, ascending: tuple[str, ...]
) -> None:
    for (at, a), (bt, b) in itertools.permutations(enumerate(ascending), 2):
        assert is_later(kind, a, b) is (at > bt), (a, b)


@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        ("apk", "1.2.5-r0", "1.2.5-r1"),
        ("npm", "latest", "1.0.0"),
        ("pypi", "x", "1.0"),
        ("deb", "x:1", "1"),
        ("deb", "1", "1"),
        ("deb", "9" * 5000, "1"),
        ("npm", "1.0.0+a", "1.0.0+b"),
    ],
)
def test_where_no_rule_says_it_nothing_is_claimed(kind: str, a: str, b: str) -> None:
    assert is_later(kind, a, b) is None
    assert is_later(kind, b, a) is None
