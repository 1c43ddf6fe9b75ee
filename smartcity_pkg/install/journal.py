"""The server's journal: what was begun and what was done, on the disk before the next step starts.

One JSON object a line. A power cut may leave the last line torn; readers pass it by. Entries never
hold what a container wrote, nor any secret. Each names the sha256 of the line before it (`prev`),
so that a line that was changed or taken out is found (`verify_chain`); who can write the file can
still cut off its end, or forge it wholly, unless a later hash was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from smartcity_pkg.core.errors import SmartCityError, UnreachableError
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import StorePaths

_DETAIL_CHARS = 300

# $1 the journal. The time is the server's. A torn last line is ended first. The hash covers the
# whole line before, with its end; the first entry names that of nothing.
_APPEND = """# write the journal
umask 077
mkdir -p "${1%/*}"
exec 9>>"$1"
if command -v flock >/dev/null; then flock -w 10 9; fi
if [ -s "$1" ] && [ "$(tail -c 1 "$1" | od -An -tx1 | tr -d ' ')" != 0a ]; then echo >> "$1"; fi
prev=$(tail -n 1 "$1" | sha256sum)
{ printf '{"at":"%s","prev":"%s",' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${prev%% *}"; cat; } >> "$1"
sync "$1"
"""
_READ = """# read the journal
if [ -e "$1" ]; then tail -n "$2" "$1"; fi
"""
_READ_ALL = """# read the whole journal
if [ -e "$1" ]; then cat "$1"; fi
"""


class Entry(BaseModel):
    """One line. `run` tells installations apart; `subject` is an app or an image, or empty."""

    model_config = ConfigDict(frozen=True)

    at: str = ""
    prev: str = ""
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
        line = json.dumps(entry.model_dump(exclude={"at", "prev"}), ensure_ascii=False)
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


@dataclass(frozen=True)
class Chain:
    """Whether the journal's lines are those that were written.

    `broken` is the number (from 1) of the first line that does not continue the one before it, 0
    where there is none; `unhashed` counts the lines of an older smartcity at the beginning; `head`
    is the sha256 of the last line, by which a later look can tell that nothing was cut off.
    """

    lines: int
    broken: int
    unhashed: int
    head: str


def verify_chain(data: bytes) -> Chain:
    """Check the whole journal's bytes: each line from the first hashed one on must name the last.

    A torn line is no break: the entry after it names it as it is.
    """
    lines = data.splitlines(keepends=True)
    last, unhashed, broken = hashlib.sha256().hexdigest(), 0, 0
    for number, line in enumerate(lines, start=1):
        prev = _prev(line)
        bad = not _is_torn(line) if prev is None else prev != last
        if prev is None and unhashed == number - 1:
            unhashed = number
        elif bad and not broken:
            broken = number
        last = hashlib.sha256(line).hexdigest()
    return Chain(len(lines), broken, unhashed, last if lines else "")


def read_whole(host: Host, store: StorePaths) -> bytes:
    """All bytes of the journal; empty where there is none."""
    return host.run(script(_READ_ALL, str(store.journal)), timeout_s=300).stdout


def entries_of(data: bytes) -> tuple[Entry, ...]:
    """The entries of a whole journal, oldest first, as `read_journal` gives them."""
    return tuple(_entries(data.decode(errors="replace").splitlines()))


def _prev(line: bytes) -> str | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    prev = found.get("prev") if isinstance(found, dict) else None
    return prev if isinstance(prev, str) else None


def _is_torn(line: bytes) -> bool:
    """Whether the power was cut while it was written: no whole JSON object."""
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


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
