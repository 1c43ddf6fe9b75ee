"""A few pieces of work at once over one connection; what they are is the caller's business.

The bytes themselves travel one blob after the other. What goes on at once is the rest: a command is
started there, and the blob before is checked, while another one travels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
# Below sshd's default of 10 sessions a connection (MaxSessions), with room for a check in each.
LANES = 4
_LOOK_S = 0.2


class _HaltedError(Exception):
    """Another lane has failed; never seen outside."""


class Lanes:
    """At most `width` pieces at once; the first failure ends the others."""

    def __init__(self, width: int = LANES) -> None:
        self._width = width
        self._halted = threading.Event()
        self._sending = threading.Lock()

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

    def in_turn(self, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
        """`chunks` once no other lane is sending, and for as long as none has failed; to be closed.

        One stream fills a link. Two would only leave more that is half sent when it is cut.
        """
        while not self._sending.acquire(timeout=_LOOK_S):
            self._check()
        try:
            for chunk in chunks:
                self._check()
                yield chunk
        finally:
            self._sending.release()

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
