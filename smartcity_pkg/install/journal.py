"""The server's journal: what was begun and what was done, on the disk before the next step starts.

One JSON object a line. A power cut may leave the last line torn; readers pass it by. Entries never
hold what a container wrote, nor any secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from smartcity_pkg.core.errors import SmartCityError, UnreachableError
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import StorePaths

_DETAIL_CHARS = 300

# $1 the journal. The time is the server's. A torn last line is ended first.
_APPEND = """# write the journal
umask 077
mkdir -p "${1%/*}"
if [ -s "$1" ] && [ "$(tail -c 1 "$1" | od -An -tx1 | tr -d ' ')" != 0a ]; then echo >> "$1"; fi
{ printf '{"at":"%s",' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; cat; } >> "$1"
sync "$1"
"""
_READ = """# read the journal
if [ -e "$1" ]; then tail -n "$2" "$1"; fi
"""


class Entry(BaseModel):
    """One line. `run` tells installations apart; `subject` is an app or an image, or empty."""

    model_config = ConfigDict(frozen=True)

    at: str = ""
    run: str
    by: str
    release: str
    step: str
    phase: Literal["begin", "done", "failed"]
    subject: str = ""
    detail: str = ""


class Journal:
    """Writes the entries of one run."""

    def __init__(self, host: Host, store: StorePaths, *, run: str, by: str) -> None:
        self._host = host
        self._path = str(store.journal)
        self._run = run
        self._by = by
        self.release = ""

    def write(
        self,
        step: str,
        phase: Literal["begin", "done", "failed"],
        subject: str = "",
        detail: str = "",
    ) -> None:
        """Append one entry and sync it."""
        entry = Entry(
            run=self._run,
            by=self._by,
            release=self.release,
            step=step,
            phase=phase,
            subject=subject,
            detail=detail.partition("\n")[0][:_DETAIL_CHARS],
        )
        line = json.dumps(entry.model_dump(exclude={"at"}), ensure_ascii=False)
        self._host.run(script(_APPEND, self._path), stdin=f"{line[1:]}\n".encode())

    @contextmanager
    def step(self, step: str, subject: str = "") -> Iterator[None]:
        """Entries before and after what happens inside; a lost link leaves only the first."""
        self.write(step, "begin", subject)
        try:
            yield
        except UnreachableError:
            raise
        except SmartCityError as error:
            self.write(step, "failed", subject, error.message)
            raise
        self.write(step, "done", subject)


def read_journal(host: Host, store: StorePaths, last: int = 1000) -> tuple[Entry, ...]:
    """The last entries, oldest first; lines that are torn or not ours are left out."""
    text = host.run(script(_READ, str(store.journal), str(last))).text
    return tuple(_entries(text.splitlines()))


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield Entry.model_validate_json(line)
        except ValidationError:
            continue


def unfinished(entries: Iterable[Entry], step: str) -> frozenset[str]:
    """The subjects for which `step` was begun and never ended: power, link or client was lost."""
    open_subjects: set[str] = set()
    for entry in entries:
        if entry.step == step:
            if entry.phase == "begin":
                open_subjects.add(entry.subject)
            else:
                open_subjects.discard(entry.subject)
    return frozenset(open_subjects)
