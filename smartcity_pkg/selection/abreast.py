"""Two runs of the solver side by side: HiGHS lets go of Python's lock while it works.

Work is a generator. It yields the runs that it needs next, which may go at the same time as those
of other work, and is sent what they found. What it notes for others, it notes between its runs,
always in the same order: so the outcome does not depend on which run was quicker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Self

Work = Generator[tuple[Callable[[], Any], ...], list[Any], None]

stopping = threading.Event()
"""Set while a run is to end because the one beside it was interrupted."""


class Abreast:
    """A second thread, as long as the `with` lasts."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown()

    def do(self, *works: Work) -> None:
        """All of `works` to their ends, a step of each at a time; at most two runs a step."""
        asked = [(work, next(work, ())) for work in works]
        while any(runs for _work, runs in asked):
            found = iter(self._run([run for _work, runs in asked for run in runs]))
            answers = [(work, [next(found) for _run in runs]) for work, runs in asked]
            asked = [(work, _next(work, answer)) for work, answer in answers]

    def _run(self, runs: list[Callable[[], Any]]) -> list[Any]:
        """What one or two runs find; Ctrl-C, or an error of the first, ends the other too."""
        first, *rest = runs
        assert len(rest) <= 1, "a third run might use what one of these two changes"
        others = [self._pool.submit(run) for run in rest]
        try:
            return [first(), *(other.result() for other in others)]
        except BaseException:
            stopping.set()
            wait(others)
            stopping.clear()
            raise


def _next(work: Work, answer: list[Any]) -> tuple[Callable[[], Any], ...]:
    """The runs that work asks for after an answer; none where it is done."""
    try:
        return work.send(answer) if answer else ()
    except StopIteration:
        return ()
