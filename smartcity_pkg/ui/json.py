"""For programs: one JSON document on standard output, events and errors as JSON lines beside it."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from smartcity_pkg.core.errors import InputError, SmartCityError
from smartcity_pkg.core.progress import Event, Transfer
from smartcity_pkg.ui.presenter import Result
from smartcity_pkg.ui.rates import Rates

SCHEMA_VERSION = 1


class JsonPresenter:
    """Writes documents that carry `schema_version` and `kind`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._rates = Rates(clock)

    def progress(self, event: Event) -> None:
        """One line on standard error: `{"event": "step", …}`."""
        line = {"event": type(event).__name__.lower(), **asdict(event)}
        if isinstance(event, Transfer):
            with self._lock:
                rate = self._rates.of(event)
            line |= {name: v and round(v) for name, v in asdict(rate).items()}
        self._line(line)

    def result(self, result: Result) -> None:
        """The one document on standard output."""
        header = {"schema_version": SCHEMA_VERSION, "kind": result.kind}
        document = {**header, **result.data, **header}  # whatever the data calls itself
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        sys.stdout.flush()

    def error(self, error: SmartCityError) -> None:
        """One line on standard error: `{"error": {…}}`."""
        body: dict[str, Any] = {
            "code": error.code,
            "exit_code": error.exit_code,
            "message": error.message,
            "hint": error.hint,
            "transient": error.transient,
        }
        if isinstance(error, InputError):
            body["problems"] = [asdict(p) for p in error.problems]
        self._line({"schema_version": SCHEMA_VERSION, "error": body})

    def close(self) -> None:
        """Nothing is kept."""

    def _line(self, value: dict[str, Any]) -> None:
        # Where nobody reads them any more (a closed pipe), the work goes on without.
        with self._lock, contextlib.suppress(BrokenPipeError):
            sys.stderr.write(json.dumps(value, ensure_ascii=False) + "\n")
            sys.stderr.flush()
