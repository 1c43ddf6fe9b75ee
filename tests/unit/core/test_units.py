"""Quantities as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.core import i18n
from smartcity_pkg.core.units import bytes_text, number_text, seconds_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (4200, "4.2 kB"),
        (167_000_000, "167 MB"),
        (999_999, "1.0 MB"),
        (999_999_999, "1.0 GB"),
        (1_500_000_000_000, "1.5 TB"),
        (5_000_000_000_000_000, "5,000 TB"),
        (0.4, "0 B"),
    ],
)
def test_bytes_count_by_powers_of_1000(size_bytes: float, text: str) -> None:
    assert bytes_text(size_bytes) == text


@given(st.floats(0, 9.99e14))
def test_a_size_has_at_most_three_digits_before_the_point(size_bytes: float) -> None:
    assert re.fullmatch(r"\d{1,3}(\.\d)? (B|kB|MB|GB|TB)", bytes_text(size_bytes))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_numbers_follow_the_language() -> None:
    try:
        i18n.activate("id")
        assert bytes_text(4200) == "4,2 kB"
        assert number_text(1234.5, 1) == "1.234,5"
    finally:
        i18n.activate("en")
    assert number_text(1234.5, 1) == "1,234.5"
