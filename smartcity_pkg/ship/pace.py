"""When and how fast bytes may leave this machine: one pace for all servers of a run.

A limit is a token bucket over what is handed to the connections (the headers of TCP and IP, about
4 %, come on top); a window names the hours of the day, in this machine's local time. What is sent
is not known here.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time

from smartcity_pkg.core.errors import InterruptedByUserError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress, no_progress

_UNITS = {
    "bit/s": 1 / 8,
    "kbit/s": 1e3 / 8,
    "Mbit/s": 1e6 / 8,
    "Gbit/s": 1e9 / 8,
    "B/s": 1.0,
    "kB/s": 1e3,
    "MB/s": 1e6,
    "GB/s": 1e9,
}
_RATE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([A-Za-z]+/s)")
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_SLOWEST = 1000.0  # bytes a second; below this no SSH session lives through its own timeouts
# What may leave at once after a pause, in seconds of the limit: small, so that the link is smooth.
_BURST_S = 0.05
_PIECE_S = 0.02
_PIECE_BYTES = (4 << 10, 128 << 10)
# A machine that slept, or whose clock was set, finds out within this time.
_LOOK_EVERY_S = 30.0


def parse_rate(text: str) -> float:
    """Bytes a second from `2Mbit/s`, `250 kB/s`, `1.5MB/s`; UsageError names the units."""
    found = _RATE.fullmatch(text.strip())
    units = {name.casefold(): name for name in _UNITS}
    # "mb/s" may mean bits or bytes: those who write it get a question, not a guess.
    unit = found.group(2) if found and found.group(2) in _UNITS else None
    if found and unit is None and "bit" in found.group(2).casefold():
        unit = units.get(found.group(2).casefold())
    if found is None or unit is None:
        raise UsageError(
            _("“{text}” is no rate").format(text=text),
            _("give a number and one of {units}, such as 2Mbit/s").format(units=", ".join(_UNITS)),
        )
    rate = float(found.group(1).replace(",", ".")) * _UNITS[unit]
    if rate < _SLOWEST:
        raise UsageError(
            _("{text} is too slow: nothing would ever arrive").format(text=text),
            _("give at least 8kbit/s"),
        )
    return rate


@dataclass(frozen=True)
class Window:
    """Hours of the day in local time; `until` is no longer inside. May cross midnight."""

    since: clock_time
    until: clock_time

    def is_open(self, now: datetime) -> bool:
        """Whether `now` is inside."""
        at = now.time()
        if self.since < self.until:
            return self.since <= at < self.until
        return at >= self.since or at < self.until

    def opens(self, now: datetime) -> datetime:
        """The next time at which it opens, later than `now`."""
        today = datetime.combine(now.date(), self.since)
        return today if today > now else today + timedelta(days=1)


def parse_window(text: str) -> Window:
    """A window from `22:00-05:00`; UsageError where it is none."""
    found = _WINDOW.fullmatch(text.strip())
    hours = [int(n) for n in found.groups()] if found else [24, 0, 24, 0]
    since, until = hours[:2], hours[2:]
    if since == until or not all(h < 24 and m < 60 for h, m in (since, until)):
        raise UsageError(
            _("“{text}” is no window of time").format(text=text),
            _("give two different times of the day, such as 22:00-05:00"),
        )
    return Window(clock_time(since[0], since[1]), clock_time(until[0], until[1]))


class WindowClosedError(Exception):
    """The hours in which may be sent are over; caught where sending goes on in the next window."""


class Pace:
    """The pace of one run; its methods may be called from several threads.

    `rate_bytes_s` 0 means no limit. `clock` counts seconds, `now` gives local time, `wait` sleeps
    (in seconds) and answers whether to give up; `stop`, once set, ends every wait. `sharers` is
    how many transfers go on at once.
    """

    def __init__(
        self,
        rate_bytes_s: float = 0,
        window: Window | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.rate_bytes_s = rate_bytes_s
        self.window = window
        self.stop = threading.Event()
        self.sharers = 1
        self._clock = clock
        self._now = now
        self._wait = wait or self.stop.wait
        self._lock = threading.Lock()
        self._next = clock()  # when all that was granted has left
        low, high = _PIECE_BYTES
        self._piece = max(low, min(high, int(rate_bytes_s * _PIECE_S))) if rate_bytes_s else high

    def pause(self, seconds: float) -> None:
        """Sleep; InterruptedByUserError where the run was stopped."""
        if self._wait(seconds):
            raise InterruptedByUserError(_("interrupted"))

    def take(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more may leave."""
        if not self.rate_bytes_s:
            return
        with self._lock:
            now = self._clock()
            begin = max(self._next, now - _BURST_S)
            self._next = begin + size_bytes / self.rate_bytes_s
        if begin > now:
            self.pause(begin - now)

    def slowdown(self, bytes_s: float) -> float:
        """How many times longer a transfer may take than at `bytes_s`; at least 1."""
        if not self.rate_bytes_s:
            return 1.0
        return max(1.0, 2 * self.sharers * bytes_s / self.rate_bytes_s)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, cut into pieces that each leave when they may."""
        if not self.rate_bytes_s:
            yield from chunks
            return
        for chunk in chunks:
            for start in range(0, len(chunk), self._piece):
                piece = chunk[start : start + self._piece]
                self.take(len(piece))
                yield piece

    @property
    def is_open(self) -> bool:
        """Whether bytes may leave at this hour."""
        return self.window is None or self.window.is_open(self._now())

    def while_open(self, chunks: Iterable[bytes], closed: Callable[[], None]) -> Iterator[bytes]:
        """`chunks` as long as bytes may leave; `closed` is called where that ends them."""
        for chunk in chunks:
            if self.stop.is_set():
                raise InterruptedByUserError(_("interrupted"))
            if not self.is_open:
                closed()
                return
            yield chunk

    def await_window(self, name: str, progress: Progress = no_progress) -> None:
        """Wait for the window; says until when first, in a note about the server `name`."""
        if self.window is None or self.is_open:
            return
        opens = self.window.opens(self._now())
        text = _("{server}: waiting until {time}; what has arrived stays, Ctrl-C is safe").format(
            server=name, time=f"{opens:%Y-%m-%d %H:%M}"
        )
        progress(Note(text))
        while not self.is_open:
            left_s = (self.window.opens(self._now()) - self._now()).total_seconds()
            self.pause(max(0.05, min(left_s, _LOOK_EVERY_S)))
