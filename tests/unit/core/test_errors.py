"""The tree of errors: stable codes, and what each carries."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from smartcity_pkg.core import errors
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError


def tree(root: type[SmartCityError] = SmartCityError) -> Iterator[type[SmartCityError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


TREE = list(tree())


def test_codes_are_unique_and_stable_words() -> None:
    codes = [error.code for error in TREE]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_every_error_of_the_module_is_in_the_tree() -> None:
    found = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)}
    assert found == set(TREE)


@pytest.mark.parametrize("error", [e for e in TREE if e is not InputError])
def test_an_error_carries_its_message_and_hint(error: type[SmartCityError]) -> None:
    raised = error("the server is away", "plug it in")
    assert (raised.message, raised.hint, str(raised)) == (
        "the server is away",
        "plug it in",
        "the server is away",
    )
    assert error("only this").hint == ""
    assert 1 <= raised.exit_code <= 255


def test_only_what_may_pass_by_itself_is_transient() -> None:
    assert {e.code for e in TREE if e.transient} == {"locked", "unreachable"}


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("wrong"), "wrong"),
        (Problem("wrong", "a.yaml"), "a.yaml: wrong"),
        (Problem("wrong", "a.yaml", 3), "a.yaml:3: wrong"),
        (Problem("wrong", "a.yaml", 3, 7), "a.yaml:3:7: wrong"),
    ],
)
def test_a_problem_says_where_as_editors_understand_it(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_an_input_error_lists_every_problem_and_takes_the_first_hint() -> None:
    found = [Problem("one", "a", 1), Problem("two", "b", hint="do two"), Problem("3", hint="no")]
    error = InputError(found)
    assert error.message.splitlines() == ["a:1: one", "b: two", "3"]
    assert error.hint == "do two"
    assert InputError(found, "all of it").hint == "all of it"
    assert InputError(found[0]).problems == [found[0]]
