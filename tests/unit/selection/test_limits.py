"""Amounts are whole units on the safe side, and read as the language writes numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smartcity_pkg.core import i18n
from smartcity_pkg.selection import limits


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    yield
    i18n.activate("en")


@pytest.mark.parametrize(
    ("limit", "amount", "units"),
    [
        (limits.MEMORY, 80.2, 81),
        (limits.MEMORY, 80.0, 80),
        (limits.CPUS, 0.07, 70),
        (limits.CPUS, 0.1 + 0.2, 300),
        (limits.CPUS, 0.0501, 51),
        (limits.staff("linux"), 0.05, 50),
        (limits.BANDWIDTH, 499.5, 500),
    ],
)
def test_demand_is_rounded_up_but_not_for_a_float_error(
    limit: str, amount: float, units: int
) -> None:
    assert limits.demanded(limit, amount) == units


@pytest.mark.parametrize(
    ("limit", "amount", "units"),
    [
        (limits.MEMORY, 1023.9, 1023),
        (limits.CPUS, 0.3 - 0.1, 200),
        (limits.CPUS, 1.9999, 1999),
        (limits.DISK, -5.0, 0),
    ],
)
def test_supply_is_rounded_down_and_never_negative(limit: str, amount: float, units: int) -> None:
    assert limits.supplied(limit, amount) == units


def test_amounts_read_as_the_language_writes_numbers() -> None:
    assert limits.amount_text(limits.MEMORY, 1240) == "1,240 MiB of memory"
    assert limits.amount_text(limits.CPUS, 1500) == "1.5 CPUs"
    assert limits.amount_text(limits.staff("linux"), 150) == "0.15 people with the skill linux"
    i18n.activate("id")
    assert limits.bare_amount(limits.DISK, 1_234_567) == "1.234.567"
    assert limits.bare_amount(limits.CPUS, 1500) == "1,5"
