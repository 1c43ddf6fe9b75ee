from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.core.errors import EngineError, UnreachableError
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.journal import (
    Chain,
    Entry,
    Journal,
    entries_of,
    read_journal,
    read_whole,
    unfinished,
    verify_chain,
)


@pytest.fixture
def journal(host: Host, store: StorePaths) -> Journal:
    made = Journal(host, store, run="r1", by="sari@kominfo")
    made.release = "1-abc"
    return made


def test_a_step_is_written_before_and_after(
    host: Host, store: StorePaths, journal: Journal
) -> None:
    with journal.step("load", "laksa:1"):
        assert [e.phase for e in read_journal(host, store)] == ["begin"]
    first, last = read_journal(host, store)
    assert (first.phase, last.phase) == ("begin", "done")
    assert (last.run, last.by, last.release, last.step, last.subject) == (
        *("r1", "sari@kominfo", "1-abc", "load", "laksa:1"),
    )
    datetime.datetime.fromisoformat(last.at)


def test_a_failure_is_written_with_its_first_line_only(
    host: Host, store: StorePaths, journal: Journal
) -> None:
    with pytest.raises(EngineError), journal.step("apply", "laksa"):
        raise EngineError("laksa is unhealthy\nlast lines of the log:\npassword=rahasia")
    entry = read_journal(host, store)[-1]
    assert (entry.phase, entry.detail) == ("failed", "laksa is unhealthy")
    assert "rahasia" not in Path(str(store.journal)).read_text()


def test_a_lost_link_leaves_the_step_open(host: Host, store: StorePaths, journal: Journal) -> None:
    with pytest.raises(UnreachableError), journal.step("load", "x"):
        raise UnreachableError("gone")
    assert unfinished(read_journal(host, store), "load") == {"x"}


def test_a_torn_last_line_costs_only_itself(
    host: Host, store: StorePaths, journal: Journal
) -> None:
    journal.write("load", "begin", "a")
    with Path(str(store.journal)).open("a") as stream:
        stream.write('{"at":"2026-01-01T00:00:00Z","run":"r1","st')
    journal.write("load", "done", "a")
    assert [e.phase for e in read_journal(host, store)] == ["begin", "done"]


def test_only_the_last_entries_are_read(host: Host, store: StorePaths, journal: Journal) -> None:
    for subject in "abc":
        journal.write("load", "done", subject)
    assert [e.subject for e in read_journal(host, store, last=2)] == ["b", "c"]


def test_no_journal_is_an_empty_one(host: Host, store: StorePaths) -> None:
    assert read_journal(host, store) == ()


def test_others_may_not_read_the_journal(store: StorePaths, journal: Journal) -> None:
    journal.write("load", "begin")
    assert Path(str(store.journal)).stat().st_mode & 0o077 == 0


def entry(subject: str, phase: str, step: str = "load") -> Entry:
    return Entry.model_validate(
        {"run": "r", "by": "b", "release": "1", "step": step, "phase": phase, "subject": subject}
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["begin", "done", "failed"])), max_size=8
    )
)
def test_unfinished_are_those_whose_last_word_is_begin(said: list[tuple[str, str]]) -> None:
    entries = [entry(subject, phase) for subject, phase in said]
    last = dict(said)
    assert unfinished(entries, "load") == {s for s, phase in last.items() if phase == "begin"}
    assert unfinished(entries, "apply") == frozenset()


def test_each_entry_names_the_line_before_it(
    host: Host, store: StorePaths, journal: Journal
) -> None:
    path = Path(str(store.journal))
    old = '{"at":"2026-01-01T00:00:00Z","run":"r0","by":"a","release":"","step":"load",'
    old += '"phase":"done"}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(old * 2)
    journal.write("load", "begin", "a")
    with path.open("a") as stream:
        stream.write('{"at":"2026-01-01T00:00:00Z","run":"r1","st')
    journal.write("load", "done", "a")
    journal.write("apply", "begin", "a")
    data = read_whole(host, store)
    chain = verify_chain(data)
    assert (chain.broken, chain.unhashed, chain.lines) == (0, 2, 6)
    assert [e.step for e in entries_of(data)] == ["load", "load", "load", "load", "apply"]
    assert verify_chain(data + b"").head == chain.head
    assert verify_chain(b"") == Chain(0, 0, 0, "")


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda lines: [lines[0].replace(b"sari", b"budi"), *lines[1:]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:2], re.sub(rb'"prev":"[0-9a-f]+",', b"", lines[2]), lines[3]], 3),
    ],
    ids=["changed", "first gone", "one gone", "two swapped", "hash taken out"],
)
def test_the_first_broken_line_is_named(
    host: Host,
    store: StorePaths,
    journal: Journal,
    change: Callable[[list[bytes]], list[bytes]],
    broken: int,
) -> None:
    for subject in "abcd":
        journal.write("load", "done", subject)
    lines = read_whole(host, store).splitlines(keepends=True)
    assert verify_chain(b"".join(lines)).broken == 0
    assert verify_chain(b"".join(change(lines))).broken == broken
