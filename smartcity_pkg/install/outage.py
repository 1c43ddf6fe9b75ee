"""Measures how long citizens were without a service: asks routes all the time while work goes on.

The measure is an outside one (the route through the entrance), not the story of what was stopped
when. Deciding whether an app is healthy is `health`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install.probe import Answer, Route, ask

INTERVAL_S = 0.2
_TIMEOUT_S = 2.0
_MAX_ROUTES = 8  # what is asked five times a second must not fill a village's link


class Gaps:
    """Adds up the time in which at least one route failed. Pure: times are given."""

    def __init__(self) -> None:
        self._seen: set[Route] = set()
        self._failing: set[Route] = set()
        self._since_s = 0.0
        self._total_s = 0.0

    def note(self, answer: Answer, asked_s: float, now_s: float) -> None:
        """One answer to a question of `asked_s`. A route counts from its first good answer on."""
        if answer.good or answer.busy:
            self._seen.add(answer.route)
            if answer.route in self._failing:
                self._failing.remove(answer.route)
                if not self._failing:
                    self._total_s += now_s - self._since_s
        elif answer.route in self._seen:
            if not self._failing:
                self._since_s = asked_s
            self._failing.add(answer.route)

    def total_s(self, now_s: float) -> float:
        """Seconds of outage until `now_s`, one that goes on included."""
        return self._total_s + (now_s - self._since_s if self._failing else 0.0)


class OutageMeter:
    """Measures from `with` to its end, in a thread of its own."""

    def __init__(self, host: Host, routes: Iterable[Route]) -> None:
        self._host = host
        self._routes = tuple(routes)[:_MAX_ROUTES]
        self._gaps = Gaps()
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="outage meter", daemon=True)

    def __enter__(self) -> OutageMeter:
        if self._routes:
            self._ask_all()  # what serves now is known before anything is touched
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _TIMEOUT_S * len(self._routes))

    @property
    def outage_s(self) -> float:
        """Seconds of outage so far."""
        with self._guard:
            return self._gaps.total_s(time.monotonic())

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            if not self._ask_all():
                return

    def _ask_all(self) -> bool:
        for route in self._routes:
            asked_s = time.monotonic()
            try:
                answer = ask(self._host, route, _TIMEOUT_S)
            except SmartCityError:
                return False  # the link is lost: what the apps do is unknown from here on
            with self._guard:
                self._gaps.note(answer, asked_s, time.monotonic())
        return True
