from __future__ import annotations

from smartcity_pkg.core.progress import Transfer
from smartcity_pkg.ui.rates import Rate, Rates

MB = 1_000_000


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def rates() -> tuple[Rates, Clock]:
    clock = Clock()
    return Rates(clock), clock


def test_what_a_resumed_transfer_began_with_is_no_speed() -> None:
    found, clock = rates()
    assert found.of(Transfer("a", "", 500 * MB, 600 * MB)) == Rate()
    clock.seconds = 10
    assert found.of(Transfer("a", "", 520 * MB, 600 * MB)) == Rate(2 * MB, 40)


def test_only_the_last_seconds_count() -> None:
    found, clock = rates()
    done = 0
    for second in range(60):
        clock.seconds = second
        done += 10 * MB if second < 30 else MB
        last = found.of(Transfer("a", "", done, 1000 * MB))
    assert last.bytes_per_s == MB


def test_each_transfer_has_its_own_speed() -> None:
    found, clock = rates()
    for task in "ab":
        found.of(Transfer(task, "", 0, MB))
    clock.seconds = 1
    assert found.of(Transfer("a", "", 1000, MB)).bytes_per_s == 1000
    assert found.of(Transfer("b", "", 2000, MB)).bytes_per_s == 2000


def test_one_that_begins_anew_or_stands_still_promises_nothing() -> None:
    found, clock = rates()
    found.of(Transfer("a", "", 5, 9))
    clock.seconds = 2
    assert found.of(Transfer("a", "", 5, 9)) == Rate(0, None)
    assert found.of(Transfer("a", "", 0, 9)) == Rate()
