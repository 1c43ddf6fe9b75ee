"""docs/exit-codes.md and the tree of errors say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from smartcity_pkg.core import errors
from smartcity_pkg.core.errors import SmartCityError

PAGE = Path(__file__).parents[3] / "docs/exit-codes.md"


def documented() -> dict[int, str]:
    """The table: names by exit code."""
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \| \S.* \|$", PAGE.read_text(), re.MULTILINE)
    table = {int(code): name for code, name in rows}
    assert len(table) == len(rows), "an exit code stands in the table twice"
    return table


def tree(root: type[SmartCityError] = SmartCityError) -> Iterator[type[SmartCityError]]:
    """Every error of `core.errors`, the root included."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_exit_code_of_the_errors_is_in_the_table_and_no_other() -> None:
    assert {error.exit_code for error in tree()} | {0} == set(documented())


def test_the_table_calls_each_exit_code_as_the_first_error_that_ends_with_it() -> None:
    named = documented()
    assert named.pop(0) == "done"
    for code, name in named.items():
        first = next(error for error in tree() if error.exit_code == code)
        assert first.code == name


def test_the_table_is_in_order() -> None:
    assert list(documented()) == sorted(documented())


def test_guides_tell_only_of_exit_codes_that_exist() -> None:
    for guide in (PAGE.parent / "guides").glob("*.md"):
        told = {int(c) for c in re.findall(r"^\| (\d+) \|", guide.read_text(), re.MULTILINE)}
        assert told and told <= set(documented()), guide.name
