"""For people: colours, tables and bars on a terminal, plain lines where there is none."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Event, Note, Step, Transfer
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Document, Facts, Line, Part, Result, Table
from smartcity_pkg.ui.rates import Rate, Rates

_PLAIN_EVERY_S = 5.0
_PLAIN_TOGETHER = 4
_PLAIN_WIDTH = 160
_OTHER_LINES = 4
_TONES = {"plain": "", "good": "green", "warn": "yellow", "bad": "bold red"}
# ISO 6429's C0 and C1 controls, but for tab and line feed; DEL.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\t"), ord("\n")})


class _Console(Console):
    """rich ends the whole program where nobody reads its output; here the caller decides."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled."""
        raise  # noqa: PLE0704


class TerminalPresenter:
    """Draws on a terminal; where standard error is none (CI, a log), a line now and then.

    `clock` counts seconds. Names and messages come from files and servers: nothing in them is
    taken for markup, an emoji or a terminal's control sequence.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        wide = None if sys.stdout.isatty() else _PLAIN_WIDTH
        soft = not sys.stderr.isatty()
        self.out = _Console(file=sys.stdout, highlight=False, emoji=False, width=wide)
        self.err = _Console(file=sys.stderr, highlight=False, emoji=False, soft_wrap=soft)
        self._clock = clock
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._plain: dict[str, _PlainTransfer] = {}
        self._rates = Rates(clock)

    def progress(self, event: Event) -> None:
        """Steps and notes are lines; a transfer is a bar, or a line every few seconds.

        Where nobody reads them any more (a closed pipe), the work goes on without.
        """
        with self._lock, contextlib.suppress(BrokenPipeError):
            if isinstance(event, Transfer):
                self._transfer(event)
            elif isinstance(event, Step):
                self.err.print(Text.assemble(("▸", "bold cyan"), " ", _shown(event.text)))
            elif isinstance(event, Note):
                style = "yellow" if event.warning else "dim"
                self.err.print(Text.assemble("  ", _shown(event.text, style)))

    def result(self, result: Result) -> None:
        """Each part in turn on standard output."""
        self.close()
        for part in result.parts:
            self._part(part)

    def error(self, error: SmartCityError) -> None:
        """What happened, then what to do."""
        self.close()
        with contextlib.suppress(BrokenPipeError):
            self._complaint(_("Error"), "bold red", error.message)
            if error.hint:
                self._complaint(_("What to do"), "bold", error.hint)

    def close(self) -> None:
        """Take the bars off the screen."""
        with self._lock:
            if self._bars:
                self._bars.stop()
                self._bars, self._tasks = None, {}

    def _complaint(self, name: str, style: str, text: str) -> None:
        self.err.print(Text.assemble((f"{name}:", style), " ", _shown(text)))

    def _transfer(self, event: Transfer) -> None:
        if not self.err.is_terminal:
            known = self._plain.get(event.task)
            if known is None or known.is_over_before(event):
                known = self._plain[event.task] = _PlainTransfer(self._clock())
            # Many at once (a fleet's servers) share the lines that a few would have.
            busy = sum(not plain.is_over for plain in self._plain.values())
            every_s = _PLAIN_EVERY_S * max(1, busy / _PLAIN_TOGETHER)
            if line := known.line(event, self._clock(), self._rates.of(event), every_s):
                self.err.print(_shown(line))
            return
        if self._bars is None:
            self._bars = Progress(
                TextColumn("  {task.description}", markup=False),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[saved]}", markup=False, style="green"),
                console=self.err,
            )
            self._bars.start()
        if event.task not in self._tasks:
            self._tasks[event.task] = self._bars.add_task(
                _shown(event.text).plain, total=None, saved=""
            )
        # What is over makes room where there are more lines than the screen has.
        over = bool(event.total) and event.done >= event.total
        crowded = len(self._tasks) > self.err.height - _OTHER_LINES
        self._bars.update(
            self._tasks[event.task],
            completed=event.done,
            total=event.total or None,
            saved=_saved(event),
            visible=not (over and crowded),
        )

    def _part(self, part: Part) -> None:
        if isinstance(part, Table):
            if part.title:
                self.out.print(_shown(part.title, "bold"))
            table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
            for index, column in enumerate(part.columns):
                right = index in part.numeric
                table.add_column(
                    _shown(column), justify="right" if right else "left", no_wrap=right
                )
            for row in part.rows:
                table.add_row(*(_shown(cell) for cell in row))
            self.out.print(table)
        elif isinstance(part, Facts):
            if part.title:
                self.out.print(_shown(part.title, "bold"))
            grid = RichTable.grid(padding=(0, 2))
            for name, value in part.pairs:
                grid.add_row("", _shown(name, "dim"), _shown(value))
            self.out.print(grid)
        elif isinstance(part, Line):
            self.out.print(_shown(part.text, _TONES[part.tone]))
        elif isinstance(part, Document):
            self.out.file.write(_shown(part.text).plain + "\n")


class _PlainTransfer:
    """When a transfer without a terminal deserves a line: its start, every few seconds, its end.

    One that is over with its first event gets the last line only. Times are in seconds.
    """

    def __init__(self, now: float) -> None:
        self._started = self._last = now
        self._begun = self._ended = False
        self._done = 0

    @property
    def is_over(self) -> bool:
        """Whether the last line was said."""
        return self._ended

    def is_over_before(self, event: Transfer) -> bool:
        """Whether this one has ended, and `event` begins the same work anew (on a retry)."""
        return self._ended and event.done < self._done

    def line(self, event: Transfer, now: float, rate: Rate, every_s: float) -> str:
        """The line for `event`, or "" where it deserves none yet."""
        done = bool(event.total) and event.done >= event.total
        due = not self._begun or done or now - self._last >= every_s
        self._done = event.done
        if self._ended or not due:
            return ""
        first = not self._begun
        self._last, self._begun, self._ended = now, True, done
        return _plain(event, rate, now - self._started, first) + _saved(event, ", ")


def _plain(event: Transfer, rate: Rate, took_s: float, first: bool) -> str:
    if event.total and event.done >= event.total:
        return _("  {what}: {total} in {time}").format(
            what=event.text, total=bytes_text(event.total), time=seconds_text(took_s)
        )
    if first or rate.bytes_per_s is None or rate.seconds_left is None:
        return _("  {what}: {done} of {total}").format(
            what=event.text,
            done=bytes_text(event.done),
            total=bytes_text(event.total) if event.total else "…",
        )
    return _("  {what}: {done} of {total}, {rate}/s, {left} left").format(
        what=event.text,
        done=bytes_text(event.done),
        total=bytes_text(event.total),
        rate=bytes_text(rate.bytes_per_s),
        left=seconds_text(rate.seconds_left),
    )


def _saved(event: Transfer, before: str = "") -> str:
    """What need not be moved, if anything."""
    if not event.saved:
        return ""
    return before + _("{size} saved").format(size=bytes_text(event.saved))


def _shown(text: str, style: str = "") -> Text:
    """`text` from elsewhere, to be drawn as it is: no markup, no control characters."""
    return Text(text.translate(_CONTROLS), style)
