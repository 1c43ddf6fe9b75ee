"""Progress as data: the layers below report what happens, a presenter draws it.

All counts are absolute (not increments), so that a lost or repeated event does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One line in a story: something begins. `text` is already translated."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something worth reading that changes nothing: a fact, a warning. `text` is translated."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Transfer:
    """How far a countable piece of work is, in bytes. `done` reaches `total` at the end.

    `total` is 0 while nobody knows it. `saved` are bytes that need not be moved at all, because
    they are there or can be made there.
    """

    task: str
    text: str
    done: int
    total: int
    saved: int = 0


Event = Step | Note | Transfer
Progress = Callable[[Event], None]


def no_progress(event: Event) -> None:
    """Draw nothing; the default everywhere."""
