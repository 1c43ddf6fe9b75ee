"""What people read where there is no terminal: plain lines, and nothing that is not meant."""

from __future__ import annotations

import contextlib
import os
import pty
from contextlib import redirect_stderr

import pytest

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.progress import Note, Step, Transfer
from smartcity_pkg.ui.presenter import Facts, Line, Result, Table
from smartcity_pkg.ui.terminal import TerminalPresenter

MB = 1_000_000
SLY = "[bold]x[/bold] [/] :smile: [link=http://evil]y[/link] a\\"


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return [line.strip() for line in err.splitlines()]


# -- transfers ------------------------------------------------------------------------------------


def test_a_transfer_says_its_start_every_five_seconds_and_its_end(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    for second in range(13):
        clock.now = 1000.0 + second
        presenter.progress(Transfer("ship", "Sending", second * 10 * MB, 120 * MB))
    assert lines_of(capsys) == [
        "Sending: 0 B of 120 MB",
        "Sending: 50.0 MB of 120 MB, 10.0 MB/s, 7 s left",
        "Sending: 100 MB of 120 MB, 10.0 MB/s, 2 s left",
        "Sending: 120 MB in 12 s",
    ]


def test_a_transfer_that_is_over_at_once_is_one_line(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    TerminalPresenter(clock).progress(Transfer("ship", "Sending", 5, 5))
    assert lines_of(capsys) == ["Sending: 5 B in 0 s"]


def test_the_end_is_said_once(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    presenter = TerminalPresenter(clock)
    for _again in range(3):
        clock.now += 60
        presenter.progress(Transfer("ship", "Sending", 9, 9))
    assert len(lines_of(capsys)) == 1


def test_the_same_work_begun_anew_is_told_anew(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    for done in (0, 9, 0, 9):
        presenter.progress(Transfer("verify", "Checking", done, 9))
    assert lines_of(capsys) == ["Checking: 0 B of 9 B", "Checking: 9 B in 0 s"] * 2


def test_work_of_unknown_size_is_told_without_an_end(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    for second in range(7):
        clock.now = 1000.0 + second
        presenter.progress(Transfer("pack", "Packing", second * MB, 0))
    presenter.progress(Transfer("pack", "Packing", 6 * MB, 6 * MB))
    assert lines_of(capsys) == [
        "Packing: 0 B of …",
        "Packing: 5.0 MB of …",
        "Packing: 6.0 MB in 6 s",
    ]


def test_a_stalled_transfer_promises_no_time(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    presenter.progress(Transfer("ship", "Sending", 0, MB))
    clock.now += 3600
    presenter.progress(Transfer("ship", "Sending", 0, MB))
    assert lines_of(capsys) == ["Sending: 0 B of 1.0 MB"] * 2


def test_transfers_side_by_side_do_not_hide_each_other(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    for server in ("a", "b"):
        presenter.progress(Transfer(f"ship:{server}", f"Sending to {server}", 0, 9))
    assert lines_of(capsys) == ["Sending to a: 0 B of 9 B", "Sending to b: 0 B of 9 B"]


def test_what_need_not_be_moved_is_said(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    presenter = TerminalPresenter(clock)
    presenter.progress(Transfer("ship", "Sending", 0, 9 * MB, saved=500 * MB))
    assert lines_of(capsys) == ["Sending: 0 B of 9.0 MB, 500 MB saved"]


def test_28_servers_share_the_lines_that_a_few_would_have(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    presenter = TerminalPresenter(clock)
    for second in range(101):
        clock.now = 1000.0 + second
        for server in range(28):
            presenter.progress(Transfer(f"ship:{server}", f"to {server}", second * MB, 100 * MB))
    lines = lines_of(capsys)
    for server in range(28):
        mine = [line for line in lines if line.startswith(f"to {server}:")]
        assert len(mine) == 4  # start, two on the way, end
        assert mine[-1] == f"to {server}: 100 MB in 1 min 40 s"


# -- data is data ---------------------------------------------------------------------------------


def test_markup_in_data_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    presenter = TerminalPresenter()
    presenter.result(
        Result(
            "any",
            {},
            (
                Table(SLY, (SLY,), ((SLY,),)),
                Facts(SLY, ((SLY, SLY),)),
                Line(SLY),
                Line(SLY, "bad"),
            ),
        )
    )
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count(SLY) == 8
    assert "\\\\" not in out


def test_markup_in_progress_and_errors_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    presenter = TerminalPresenter()
    presenter.progress(Step(SLY))
    presenter.progress(Note(SLY))
    presenter.progress(Note(SLY, warning=True))
    presenter.progress(Transfer("x", SLY, 1, 1))
    presenter.error(SmartCityError(SLY, SLY))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count(SLY) == 6
    assert "\\\\" not in err


def test_control_sequences_in_data_never_reach_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    presenter = TerminalPresenter()
    evil = "last log line: \x1b[2J\x1b]0;title\x07\x9b31m\x7f\rgone\nnext\ttab"
    presenter.error(SmartCityError(evil))
    presenter.result(Result("any", {}, (Line(evil), Table("", ("a",), ((evil,),)))))
    out, err = capsys.readouterr()
    assert not set("\x1b\x07\x9b\x7f\r") & set(out + err)
    assert "\nnext" in err


def test_an_error_says_what_to_do_where_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    presenter = TerminalPresenter()
    presenter.error(SmartCityError("away", "plug it in"))
    presenter.error(SmartCityError("away"))
    assert lines_of(capsys) == ["Error: away", "What to do: plug it in", "Error: away"]


def test_long_lines_are_not_broken_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    presenter = TerminalPresenter()
    presenter.error(SmartCityError("x" * 500))
    assert "x" * 500 in capsys.readouterr().err


# -- on a terminal --------------------------------------------------------------------------------


def test_close_gives_the_cursor_back_and_may_be_called_twice() -> None:
    screen, theirs = pty.openpty()
    os.set_blocking(screen, False)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, redirect_stderr(stream):
        presenter = TerminalPresenter()
        presenter.progress(Transfer("ship", SLY, 1, 2))
        presenter.progress(Transfer("pack", "unknown size", 1, 0))
        presenter.close()
        presenter.close()
        stream.flush()
        drawn = _screen(screen)
    os.close(screen)
    assert "[bold]x[/bold]" in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")


def _screen(descriptor: int) -> str:
    drawn = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            drawn += os.read(descriptor, 4096)
    return drawn.decode()
