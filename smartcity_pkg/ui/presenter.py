"""What a command has to say, as values, and the protocol of those who say it.

A command makes one `Result`; a presenter draws it for people (`terminal`) or programs (`json`).
Results go to standard output; progress and errors go to standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.progress import Event


@dataclass(frozen=True)
class Table:
    """Rows under headings; `numeric` names the columns that are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Facts:
    """Names and values, one a line."""

    title: str
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Line:
    """One sentence. `tone` is "plain", "good", "warn" or "bad"."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Document:
    """Text in a format of its own, shown as it is: no wrapping, no colours."""

    text: str


Part = Table | Facts | Line | Document


@dataclass(frozen=True)
class Result:
    """The outcome of a command: `data` for programs, `parts` for people, the same facts."""

    kind: str
    data: dict[str, Any]
    parts: Sequence[Part] = field(default_factory=tuple)


class Presenter(Protocol):
    """One way of showing results, progress and errors."""

    def progress(self, event: Event) -> None:
        """Draw one progress event; cheap, called often, from any thread."""

    def result(self, result: Result) -> None:
        """Show the outcome."""

    def error(self, error: SmartCityError) -> None:
        """Show what went wrong, and what to do."""

    def close(self) -> None:
        """Finish drawing; may be called twice."""
