"""For programs: one JSON document on standard output, events and errors as JSON lines beside it."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from dataclasses import asdict
from typing import Any

from smartcity_pkg.core.errors import InputError, SmartCityError
from smartcity_pkg.core.progress import Event
from smartcity_pkg.ui.presenter import Result

SCHEMA_VERSION = 1


class JsonPresenter:
    """Writes documents that carry `schema_version` and `kind`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def progress(self, event: Event) -> None:
        """One line on standard error: `{"event": "step", …}`."""
        self._line({"event": type(event).__name__.lower(), **asdict(event)})

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
