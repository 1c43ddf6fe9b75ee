"""Indonesia's provinces, kabupaten and kota by Kemendagri code; nothing else about a pemda.

The table and its licence stand in `region_table/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Region:
    """A kabupaten or kota ("32.15", "Kabupaten Karawang") and the name of its province."""

    code: str
    name: str
    province: str


def region(code: str) -> Region | None:
    """The kabupaten or kota with `code`, or None; a province's code is none of these."""
    return _regions().get(code)


def provinces() -> dict[str, str]:
    """The provinces' names by two-digit code, in order of the codes."""
    return {code: name for code, name in _table().items() if "." not in code}


def all_regions() -> tuple[Region, ...]:
    """Every kabupaten and kota, in order of the codes."""
    return tuple(_regions().values())


def find_regions(text: str) -> tuple[Region, ...]:
    """The regions whose code begins with `text` or whose name has all its words, in any case.

    "karawang", "kab bekasi" and "32." all find what a person means; in order of the codes.
    """
    words = _words(text)
    if not words:
        return ()
    return tuple(
        found
        for found in _regions().values()
        if found.code.startswith(text.strip())
        or all(word in " ".join(_words(found.name)) for word in words)
    )


def same_name(first: str, second: str) -> bool:
    """Whether two names of governments differ in nothing but case and spaces."""
    return first.casefold().split() == second.casefold().split()


def _words(text: str) -> list[str]:
    """`text` in lower case, word by word, without the full stop of "Kab."."""
    return [word for part in text.casefold().split() if (word := part.rstrip("."))]


@cache
def _regions() -> dict[str, Region]:
    table = _table()
    return {
        code: Region(code, name, table[code[:2]]) for code, name in table.items() if "." in code
    }


@cache
def _table() -> dict[str, str]:
    file = resources.files("smartcity_pkg.catalogue") / "region_table" / "regions.csv"
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split(",", 1) for line in lines)
