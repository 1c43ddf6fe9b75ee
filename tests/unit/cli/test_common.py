"""The options of every command, taken off the line wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.cli.common import CommonOptions, glance, split
from smartcity_pkg.core.errors import UsageError


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        ("select 32.15", CommonOptions(), "select 32.15"),
        ("--json select 32.15", CommonOptions(json=True), "select 32.15"),
        ("select --json 32.15", CommonOptions(json=True), "select 32.15"),
        ("select 32.15 --json", CommonOptions(json=True), "select 32.15"),
        ("select 32.15 --json --json", CommonOptions(json=True), "select 32.15"),
        ("--lang id select x", CommonOptions(lang="id"), "select x"),
        ("select x --lang=en", CommonOptions(lang="en"), "select x"),
        ("--lang id select x --lang en", CommonOptions(lang="en"), "select x"),
        ("select x --workspace /", CommonOptions(workspace=Path("/")), "select x"),
        ("--workspace=/ select x", CommonOptions(workspace=Path("/")), "select x"),
        ("select -- --json", CommonOptions(), "select -- --json"),
        ("select --json -- --lang id", CommonOptions(json=True), "select -- --lang id"),
        ("select x --jsonl", CommonOptions(), "select x --jsonl"),
        ("select x --json=yes", CommonOptions(), "select x --json=yes"),
        ("", CommonOptions(), ""),
    ],
)
def test_common_options_are_taken_wherever_they_stand(
    line: str, options: CommonOptions, rest: str
) -> None:
    assert split(line.split()) == (options, rest.split())


@pytest.mark.parametrize(
    ("words", "says", "cure"),
    [
        (["select", "--lang"], "--lang needs a value", ""),
        (["select", "--workspace"], "--workspace needs a value", ""),
        (["--workspace=", "select"], "--workspace needs a value", ""),
        (["--lang", "", "select"], "--lang needs a value", ""),
        (["--lang", "jv", "select"], "“jv”", ""),
        (["--lang", "--json"], "“--json”", ""),
        (["--lang=ID", "select"], "“ID”", ""),
        (["--workspace", "/no/such", "select"], "/no/such", "mkdir -p /no/such"),
        (["--workspace", "/etc/passwd", "select"], "is not a folder", ""),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(words: list[str], says: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        split(words)
    assert says in caught.value.message
    assert cure in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--json --workspace /no/such", CommonOptions(json=True)),
        ("--workspace /no/such --lang id", CommonOptions(lang="id")),
        ("--lang jv --json", CommonOptions(json=True)),
        ("--lang", CommonOptions()),
        ("-- --json --lang id", CommonOptions()),
    ],
)
def test_a_wrong_line_still_says_how_to_tell_so(line: str, expected: CommonOptions) -> None:
    assert glance(line.split()) == expected


plain = st.text(min_size=1).filter(lambda w: w.partition("=")[0] not in {"--lang", "--workspace"})


@given(st.lists(plain))
def test_other_words_pass_as_they_are_and_in_order(words: list[str]) -> None:
    options, rest = split(words)
    before = words[: words.index("--")] if "--" in words else words
    assert options.json == ("--json" in before)
    assert rest == [w for w in before if w != "--json"] + words[len(before) :]
