"""Which of two versions is the later, by the rules of the package manager that they are from.

Sources: Debian policy 5.6.12 (and deb-version(7)), PEP 440, Semantic Versioning 2.0.0 clause 11.
apk's rules are not written down precisely enough to be followed: there nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from smartcity_pkg.bundle.sbom.found import MAX_TEXT

_SEMVER = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")


def is_later(kind: str, version: str, than: str) -> bool | None:
    """Whether `version` is later than `than`; None where that cannot be said."""
    key = _KEYS.get(kind)
    if key is None or max(len(version), len(than)) > MAX_TEXT:
        return None
    first, second = key(version), key(than)
    if first is None or second is None or first == second:
        return None
    return bool(first > second)


def _deb(version: str) -> Any:
    """Epoch, upstream version and revision as lists that compare as dpkg does."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    if not epoch.isdecimal() or not rest:
        return None
    upstream, _hyphen, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch), _DebText(upstream), _DebText(revision or "0")


class _DebText:
    """Text and numbers in turn: `~` before the end, that before letters, those before signs."""

    def __init__(self, text: str) -> None:
        parts = re.split(r"(\d+)", text)
        self._parts = [
            ([_weight(c) for c in words], int(number or "0"))
            for words, number in zip_longest(parts[::2], parts[1::2], fillvalue="")
        ]

    def _order(self, other: _DebText) -> int:
        for (a, m), (b, n) in zip_longest(self._parts, other._parts, fillvalue=([], 0)):
            for x, y in zip_longest(a, b, fillvalue=0):
                if x != y:
                    return x - y
            if m != n:
                return m - n
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _DebText) and self._order(other) == 0

    def __lt__(self, other: _DebText) -> bool:
        return self._order(other) < 0

    def __gt__(self, other: _DebText) -> bool:
        return self._order(other) > 0

    __hash__ = None  # type: ignore[assignment]


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 256


def _pypi(version: str) -> Any:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version)
    except InvalidVersion:
        return None


def _npm(version: str) -> Any:
    match = _SEMVER.fullmatch(version)
    if match is None:
        return None
    before = [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in (match.group(4) or "").split(".")
        if part
    ]
    return tuple(int(match.group(n)) for n in (1, 2, 3)), not before, before


_KEYS: dict[str, Callable[[str], Any]] = {"deb": _deb, "pypi": _pypi, "npm": _npm}
