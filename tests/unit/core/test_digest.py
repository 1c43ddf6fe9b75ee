"""Digests name content, and equal values have equal JSON."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.core import digest

# NIST FIPS 180-4, the message of no bits and "abc".
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digests_are_those_of_the_standard() -> None:
    assert digest.of_bytes(b"") == EMPTY
    assert digest.of_bytes(b"abc") == ABC
    assert digest.hex_of(ABC) == hashlib.sha256(b"abc").hexdigest()


@given(st.lists(st.binary(max_size=64)))
def test_chunks_a_file_and_bytes_have_the_same_digest(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    data = b"".join(chunks)
    path = tmp_path_factory.getbasetemp() / "content"
    path.write_bytes(data)
    assert digest.of_chunks(chunks) == digest.of_file(path) == digest.of_bytes(data)


def test_a_large_file_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    data = b"x" * (2 * digest.CHUNK_BYTES + 1)
    sizes = [len(chunk) for chunk in digest.read_chunks(io.BytesIO(data))]
    assert sizes == [digest.CHUNK_BYTES, digest.CHUNK_BYTES, 1]


@pytest.mark.parametrize(
    ("text", "well_formed"),
    [
        (ABC, True),
        (ABC.upper(), False),
        (ABC[:-1], False),
        (ABC + "0", False),
        (ABC + "\n", False),
        (digest.hex_of(ABC), False),
        ("sha512:" + "0" * 64, False),
        ("sha256:" + "g" * 64, False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_only_sha256_in_small_letters_is_a_digest(text: object, well_formed: bool) -> None:
    assert digest.is_digest(text) is well_formed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value: object) -> None:
    assert json.loads(digest.canonical_json(value)) == value


@given(st.dictionaries(st.text(), json_values))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert digest.canonical_json(turned) == digest.canonical_json(value)


def test_canonical_json_is_utf8_without_spaces() -> None:
    assert digest.canonical_json({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()
