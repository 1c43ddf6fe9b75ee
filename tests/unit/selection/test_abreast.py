"""Two runs side by side: what they find does not depend on which was quicker."""

from __future__ import annotations

import threading
import time

import pytest

from smartcity_pkg.selection.abreast import Abreast, Work, stopping


def slowly(text: str, seconds: float = 0.05) -> str:
    time.sleep(seconds)
    return text


def test_each_work_is_sent_what_its_own_runs_found_in_the_order_of_the_works() -> None:
    notes: list[str] = []

    def work(name: str, delays: tuple[float, ...]) -> Work:
        for delay in delays:
            (found,) = yield (lambda delay=delay: slowly(f"{name} {delay}", delay),)
            notes.append(found)

    with Abreast() as abreast:
        abreast.do(work("a", (0.1, 0.0)), work("b", (0.0, 0.0, 0.0)))
    assert notes == ["a 0.1", "b 0.0", "a 0.0", "b 0.0", "b 0.0"]


def test_two_runs_are_under_way_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def work() -> Work:
        places = yield (meeting.wait, meeting.wait)
        assert sorted(places) == [0, 1]

    with Abreast() as abreast:
        abreast.do(work())


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_ends_the_work_and_that_of_the_first_run_stops_the_second(failing: int) -> None:
    told = []

    def fail() -> None:
        raise ValueError("it failed")

    def long() -> None:
        told.append(stopping.wait(0.5))

    def work() -> Work:
        yield (fail, long) if failing == 0 else (long, fail)

    with Abreast() as abreast, pytest.raises(ValueError, match="it failed"):
        abreast.do(work())
    assert told == [failing == 0]  # a second one that fails is noticed when the first is done
    assert not stopping.is_set()


def test_work_that_asks_for_nothing_is_done_at_once() -> None:
    def work() -> Work:
        return
        yield ()

    with Abreast() as abreast:
        abreast.do(work(), work())
        abreast.do()
