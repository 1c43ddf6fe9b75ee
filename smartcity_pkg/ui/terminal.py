"""For people: colours, tables and bars on a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import threading
import time

from rich import box
from rich.console import Console
from rich.markup import escape
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

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Event, Note, Step, Transfer
from smartcity_pkg.core.units import bytes_text, seconds_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Raw, Result, Table

_PLAIN_EVERY_S = 5.0
_PLAIN_WIDTH = 160
_TONES = {"plain": "", "good": "green", "warn": "yellow", "bad": "bold red"}


class TerminalPresenter:
    """Draws on a terminal; where standard error is none (CI, a log), a line now and then."""

    def __init__(self) -> None:
        wide = None if sys.stdout.isatty() else _PLAIN_WIDTH
        self.out = Console(file=sys.stdout, highlight=False, width=wide)
        self.err = Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._plain: dict[str, _PlainTransfer] = {}

    def progress(self, event: Event) -> None:
        """Steps and notes are lines; a transfer is a bar, or a line every few seconds."""
        with self._lock:
            if isinstance(event, Transfer):
                self._transfer(event)
            elif isinstance(event, Step):
                self.err.print(f"[bold cyan]▸[/] {escape(event.text)}")
            elif isinstance(event, Note):
                style = "yellow" if event.warning else "dim"
                self.err.print(f"  [{style}]{escape(event.text)}[/]")

    def result(self, result: Result) -> None:
        """Each part in turn on standard output."""
        self.close()
        for part in result.parts:
            self._part(part)

    def error(self, error: SmartCityError) -> None:
        """What happened, then what to do."""
        self.close()
        self.err.print(f"[bold red]{_('Error')}:[/] {escape(error.message)}")
        if error.hint:
            self.err.print(f"[bold]{_('What to do')}:[/] {escape(error.hint)}")

    def close(self) -> None:
        """Take the bars off the screen."""
        with self._lock:
            if self._bars:
                self._bars.stop()
                self._bars, self._tasks = None, {}

    def _transfer(self, event: Transfer) -> None:
        if not self.err.is_terminal:
            line = self._plain.setdefault(event.task, _PlainTransfer()).line(event)
            if line:
                self.err.print(escape(line))
            return
        if self._bars is None:
            self._bars = Progress(
                TextColumn("  {task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self.err,
            )
            self._bars.start()
        if event.task not in self._tasks:
            self._tasks[event.task] = self._bars.add_task(escape(event.text), total=event.total)
        self._bars.update(self._tasks[event.task], completed=event.done, total=event.total)

    def _part(self, part: Part) -> None:
        if isinstance(part, Table):
            table = RichTable(
                title=escape(part.title) or None,
                title_justify="left",
                title_style="bold",
                box=box.SIMPLE_HEAD,
                padding=(0, 1, 0, 0),
            )
            for index, column in enumerate(part.columns):
                right = index in part.numeric
                table.add_column(
                    escape(column), justify="right" if right else "left", no_wrap=right
                )
            for row in part.rows:
                table.add_row(*(escape(cell) for cell in row))
            self.out.print(table)
        elif isinstance(part, Facts):
            if part.title:
                self.out.print(f"[bold]{escape(part.title)}[/]")
            grid = RichTable.grid(padding=(0, 2))
            for name, value in part.pairs:
                grid.add_row("", f"[dim]{escape(name)}[/]", escape(value))
            self.out.print(grid)
        elif isinstance(part, Line):
            style = _TONES[part.tone]
            self.out.print(f"[{style}]{escape(part.text)}[/]" if style else escape(part.text))
        elif isinstance(part, Raw):
            self.out.file.write(part.text)


class _PlainTransfer:
    """When a transfer without a terminal deserves a line: its start, every few seconds, its end."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.ended = False

    def line(self, event: Transfer) -> str:
        now = time.monotonic()
        done = event.done >= event.total
        if self.ended or not (done or now - self.last >= _PLAIN_EVERY_S):
            return ""
        self.last, self.ended = now, done
        rate = event.done / max(now - self.started, 0.001)
        if done:
            return _("  {what}: {total} in {time}").format(
                what=event.text,
                total=bytes_text(event.total),
                time=seconds_text(now - self.started),
            )
        return _("  {what}: {done} of {total}, {rate}/s, {left} left").format(
            what=event.text,
            done=bytes_text(event.done),
            total=bytes_text(event.total),
            rate=bytes_text(rate),
            left=seconds_text((event.total - event.done) / max(rate, 1)),
        )
