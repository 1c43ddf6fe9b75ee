"""A few pieces of work at once over one connection; what they are is the caller's business.

On a long link most of the time of a small blob is spent waiting for answers, and the server checks
one blob while the next one travels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
# Below sshd's default of 10 sessions a connection (MaxSessions), with room for a check in each.
LANES = 3


class _HaltedError(Exception):
    """Another lane has failed; never seen outside."""


class Lanes:
    """At most `width` pieces at once; the first failure ends the others."""

    def __init__(self, width: int = LANES) -> None:
        self._width = width
        self._halted = threading.Event()

    def each(
        self, items: Sequence[T], work: Callable[[T], None], abort: Callable[[], None]
    ) -> None:
        """Do `work` for each item, begun in order; raises the first failure.

        `abort` wakes those that are blocked; it is called on Ctrl-C.
        """
        with ThreadPoolExecutor(self._width) as pool:
            futures = [pool.submit(self._one, work, item) for item in items]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._halted.set()
                abort()
                raise
        failures = [f.exception() for f in futures]
        for failure in failures:
            if failure is not None and not isinstance(failure, _HaltedError):
                raise failure

    def guarded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks` for as long as no lane has failed."""
        for chunk in chunks:
            self._check()
            yield chunk

    def _one(self, work: Callable[[T], None], item: T) -> None:
        self._check()
        try:
            work(item)
        except BaseException:
            self._halted.set()
            raise

    def _check(self) -> None:
        if self._halted.is_set():
            raise _HaltedError
