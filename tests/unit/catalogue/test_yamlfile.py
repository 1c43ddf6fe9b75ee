"""Reading people's YAML: values as Compose reads them, places, bounds, and no surprises."""

from __future__ import annotations

import resource
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import AppSpec
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("12.10", 12.10),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("0812", "0812"),
        ("021.555", "021.555"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2018-05-16", "2018-05-16"),
        ("22:22", "22:22"),
        (".inf", ".inf"),
        ("=", "="),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("'null'", "null"),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_plain_values_are_those_of_the_core_schema(text: str, value: object) -> None:
    data = yamlfile.parse(f"key: {text}\n".encode(), "f").data
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


@pytest.mark.parametrize(
    "text",
    ["!!int ten", "!!float x", "!!bool maybe", "!!binary aGk=", "!!set {a}", "1e999", "9" * 20],
)
def test_values_that_such_files_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="f:1:6"):
        yamlfile.parse(f"key: {text}\n".encode(), "f")


def test_keys_are_text_as_written() -> None:
    assert yamlfile.parse(b"on: 1\n12.10: 2\n~: 3\n", "f").data == {"on": 1, "12.10": 2, "~": 3}


def test_a_merge_key_fills_in_what_is_missing() -> None:
    text = b"a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {z: 3, <<: [*b, {y: 4, w: 4}]}\nd: *b\n"
    data = yamlfile.parse(text, "f").data
    assert data["b"] == {"y": 2, "x": 1}
    assert data["c"] == {"z": 3, "y": 2, "x": 1, "w": 4}
    assert data["d"] == data["b"]


@pytest.mark.parametrize("text", ["a: {<<: 1}", "a: {<<: [1]}"])
def test_only_mappings_can_be_merged(text: str) -> None:
    with pytest.raises(InputError, match="takes a mapping"):
        yamlfile.parse(text.encode(), "f")


def test_two_merge_keys_in_one_mapping_are_both_read() -> None:
    text = b"a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: *a\n  <<: *b\n"
    assert yamlfile.parse(text, "f").data["c"] == {"x": 1, "y": 2}


def test_every_value_knows_its_place() -> None:
    document = yamlfile.parse(b"a:\n  - b: 1\n    c: 12.10\n", "f")
    assert document.problem(("a", 0, "c"), "m").line == 3
    assert document.problem(("a", 0, "c"), "m").column == 5
    assert document.written(("a", 0, "c")) == "12.10"
    assert document.problem(("a", 0, "missing", "deeper"), "m").line == 2


def test_a_byte_order_mark_does_no_harm() -> None:
    assert yamlfile.parse(b"\xef\xbb\xbfa: 1\n", "f").data == {"a": 1}


def test_windows_line_ends_keep_lines_countable() -> None:
    document = yamlfile.parse(b"a: 1\r\nb: 2\r\n", "f")
    assert document.problem(("b",), "m").line == 2


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        yamlfile.read(tmp_path)


def test_an_endless_file_is_refused_after_its_first_bytes() -> None:
    with pytest.raises(InputError, match="larger than 1024 KiB"):
        yamlfile.read(Path("/dev/zero"))


HOSTILE = {
    "nested flow": "[" * 100_000,
    "nested block": "- " * 100_000,
    "nested keys": "? " * 100_000,
    "many nodes": "[" + "a," * 400_000 + "]",
    "many lines": "a: 1\n" * 200_000,
    "one long text": "a: '" + "x" * 1_000_000 + "'",
    "long text many times": f"a: &a {'x' * 500_000}\nb: [{', '.join(['*a'] * 199)}]",
    "aliases of aliases": "a: &a [x]\n"
    + "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}' if i else '*a'] * 9)}]\n" for i in range(20)),
    "merges of merges": "a: &a {x: 1}\n"
    + "".join(
        f"k{i}: &k{i} {{<<: [{', '.join([f'*k{i - 1}' if i else '*a'] * 9)}]}}\n" for i in range(20)
    ),
    "wide merges": "a: &a {"
    + ", ".join(f"k{i}: 1" for i in range(5000))
    + "}\n"
    + "".join(f"b{i}: {{<<: [{', '.join(['*a'] * 10)}]}}\n" for i in range(19)),
    "quotes": '"' * 1_000_000,
    "colons": "a: " * 300_000,
    "anchors": "".join(f"&a{i} " for i in range(100_000)),
    "percent": "%YAML 9.9\n" * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_or_read_in_little_memory(name: str) -> None:
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    try:
        yamlfile.parse(HOSTILE[name].encode(), "f")
    except InputError as error:
        assert error.problems[0].file == "f"
    finally:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes < 128 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 20


def _check(data: bytes) -> None:
    """Parse and validate `data` as each kind of file; nothing but InputError may come out."""
    try:
        document = yamlfile.parse(data, "f")
    except InputError as error:
        assert error.problems
        return
    for model, at in ((AppSpec, ("x-smartcity",)), (Pemda, ()), (Plan, ())):
        try:
            yamlfile.validate(document, model, at)
        except InputError as error:
            assert error.problems
            assert all(p.message for p in error.problems)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_input_errors(data: bytes) -> None:
    _check(data)


@given(st.lists(st.sampled_from([*"ab01.:-?[]{},&*!|>'\"#% \t\n~<=", "<<", "*a", "&a", "\n  "])))
def test_yaml_like_text_raises_nothing_but_input_errors(parts: list[str]) -> None:
    _check("".join(parts).encode())


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.floats(-1e9, 1e9)
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
    | st.from_regex(r"[-+0-9.eExo_:~<=]{1,6}", fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_dumped_is_read_back(value: object) -> None:
    assert yamlfile.parse(yamlfile.dump({"v": value}).encode(), "f").data == {"v": value}
