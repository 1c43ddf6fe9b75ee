"""Limits and windows with a clock of the test's own, and once over a real connection."""

from __future__ import annotations

import random
import threading
import time
from datetime import datetime, timedelta

import private_sshd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.core.errors import InterruptedByUserError, UsageError
from smartcity_pkg.core.progress import Event, Note
from smartcity_pkg.hosts import ssh
from smartcity_pkg.ship.meter import Meter, MeteredHost
from smartcity_pkg.ship.pace import Pace, Window, parse_rate, parse_window


class Clock:
    """Seconds and local time that pass only by waiting."""

    def __init__(self, began: datetime = datetime(2026, 11, 24, 12, 0)) -> None:
        self.seconds = 0.0
        self.began = began
        self.waits = 0

    def pace(self, rate: float = 0, window: Window | None = None) -> Pace:
        return Pace(rate, window, clock=lambda: self.seconds, now=self.now, wait=self.wait)

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds)

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.waits += 1
        self.seconds += seconds
        return False


@pytest.mark.parametrize(
    ("text", "bytes_s"),
    [
        ("2Mbit/s", 250_000),
        ("2 Mbit/s", 250_000),
        ("2mbit/s", 250_000),
        ("512kbit/s", 64_000),
        ("1.5MB/s", 1_500_000),
        ("1,5 MB/s", 1_500_000),
        ("250kB/s", 250_000),
        ("1Gbit/s", 125_000_000),
    ],
)
def test_rates_are_read_with_their_unit(text: str, bytes_s: float) -> None:
    assert parse_rate(text) == bytes_s


@pytest.mark.parametrize(
    "text", ["", "2", "2M", "2mb/s", "2MBps", "fast", "-2Mbit/s", "0kB/s", "1bit/s", "1e9kB/s"]
)
def test_what_is_no_rate_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert "bit/s" in caught.value.hint


@pytest.mark.parametrize("text", ["", "22-5", "22:00", "22:00-22:00", "24:00-05:00", "22:60-05:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no window"):
        parse_window(text)


@pytest.mark.parametrize(
    ("window", "hour", "is_open", "opens_in_h"),
    [
        ("22:00-05:00", 23, True, 23),
        ("22:00-05:00", 4, True, 18),
        ("22:00-05:00", 5, False, 17),
        ("22:00-05:00", 12, False, 10),
        ("9:00-17:00", 9, True, 24),
        ("9:00-17:00", 17, False, 16),
        ("9:00-17:00", 3, False, 6),
    ],
)
def test_a_window_may_cross_midnight(
    window: str, hour: int, is_open: bool, opens_in_h: int
) -> None:
    now = datetime(2026, 11, 24, hour)
    found = parse_window(window)
    assert found.is_open(now) == is_open
    assert found.opens(now) - now == timedelta(hours=opens_in_h)


@given(
    rate=st.floats(1_000, 1e9),
    sizes=st.lists(st.integers(1, 300_000), min_size=1, max_size=40),
    pauses=st.lists(st.floats(0, 3), min_size=40, max_size=40),
)
def test_no_more_leaves_than_the_limit_and_a_small_bucket(
    rate: float, sizes: list[int], pauses: list[float]
) -> None:
    clock = Clock()
    pace = clock.pace(rate)
    left: list[tuple[float, int]] = []
    for size, pause in zip(sizes, pauses, strict=False):
        clock.seconds += pause
        for piece in pace.through([bytes(size)]):
            left.append((clock.seconds, len(piece)))
    assert sum(size for _at, size in left) == sum(sizes)
    largest = max(size for _at, size in left)
    for first, (since, _size) in enumerate(left):
        within = 0
        for at, size in left[first:]:
            within += size
            assert within <= (at - since + 0.051) * rate + largest


def test_what_is_always_ready_leaves_at_the_limit() -> None:
    clock = Clock()
    pace = clock.pace(250_000)
    for _piece in pace.through(bytes(100_000) for _ in range(100)):
        pass
    assert clock.seconds == pytest.approx(40, rel=0.003)


def test_without_a_limit_nothing_waits_and_nothing_is_cut() -> None:
    clock = Clock()
    chunks = [bytes(300_000), b"x"]
    assert list(clock.pace().through(chunks)) == chunks
    assert clock.waits == 0


def test_sending_stops_when_the_window_ends_and_goes_on_in_the_next() -> None:
    clock = Clock(datetime(2026, 11, 24, 20, 0))
    pace = clock.pace(1000, parse_window("22:00-23:00"))
    events: list[Event] = []
    pace.await_window("balai", events.append)
    (note,) = events
    assert isinstance(note, Note)
    assert "2026-11-24 22:00" in note.text
    assert clock.now().hour == 22
    ended: list[bool] = []
    source = (bytes(500) for _ in range(10_000))
    sent = sum(map(len, pace.through(pace.while_open(source, lambda: ended.append(True)))))
    assert ended == [True]
    assert sent == pytest.approx(3_600_000, rel=0.01)
    pace.await_window("balai", events.append)
    assert clock.now() == datetime(2026, 11, 25, 22, 0)


def test_an_open_window_says_nothing() -> None:
    events: list[Event] = []
    Clock().pace(0, parse_window("08:00-17:00")).await_window("balai", events.append)
    assert events == []


def test_a_stopped_run_ends_every_wait() -> None:
    pace = Pace(1000)
    pace.take(1)
    threading.Timer(0.1, pace.stop.set).start()
    with pytest.raises(InterruptedByUserError):
        pace.take(1)
        pace.take(10_000_000)
        pace.take(1)


def test_a_very_low_limit_gives_transfers_more_time() -> None:
    pace = Clock().pace(1_000)
    pace.sharers = 4
    assert pace.slowdown(4_000) == 32
    assert Clock().pace(1e9).slowdown(4_000) == Clock().pace().slowdown(4_000) == 1


def test_over_a_real_connection_the_limit_holds_within_three_percent() -> None:
    rate, seconds = 400_000, 10
    size = rate * seconds
    with private_sshd.running() as server:
        host = ssh.connect(server.address, name="balai")
        meter = Meter()
        metered = MeteredHost(host, meter, Pace(rate))
        began = time.monotonic()
        done = metered.run(["wc", "-c"], stdin=[random.Random(1).randbytes(size)])
        took = time.monotonic() - began
        host.close()
    print(f"{size / took / rate:.4f} of the limit")
    assert int(done.text) == size
    assert meter.sent_bytes >= size
    # The receiver had it all after at least this time: a busy machine only makes it longer.
    assert took >= seconds * 0.97
