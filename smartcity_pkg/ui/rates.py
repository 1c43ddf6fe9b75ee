"""How fast transfers are just now: from absolute counts to bytes a second and seconds left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from smartcity_pkg.core.progress import Transfer

_LOOK_BACK_S = 15.0
_TOO_SHORT_S = 0.5
_STEP_S = 0.25


@dataclass(frozen=True)
class Rate:
    """Bytes a second, and the seconds that are left at that; None while nobody can tell."""

    bytes_per_s: float | None = None
    seconds_left: float | None = None


class Rates:
    """Remembers the last 15 s of each transfer; what a resumed one began with is not counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._points: dict[str, deque[tuple[float, int]]] = {}

    def of(self, event: Transfer) -> Rate:
        """The rate of the transfer that `event` belongs to."""
        now = self._clock()
        points = self._points.setdefault(event.task, deque())
        if points and event.done < points[-1][1]:
            points.clear()  # it begins anew, on a retry
        while len(points) > 1 and now - points[1][0] > _LOOK_BACK_S:
            points.popleft()
        if not points or now - points[-1][0] >= _STEP_S:
            points.append((now, event.done))
        since, had = points[0]
        if now - since < _TOO_SHORT_S:
            return Rate()
        rate = (event.done - had) / (now - since)
        left = max(0, event.total - event.done) / rate if rate >= 1 and event.total else None
        return Rate(rate, left)
