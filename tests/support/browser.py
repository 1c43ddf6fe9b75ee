"""A real Chromium without a window: what a page looks like and measures there."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=4000",
    "--enable-logging=stderr",
)
_SCHEMES = {"dark": 0, "light": 1}

# Runs in the page that holds the report, which itself has no script.
_MEASURE = """
const frame = document.querySelector("iframe"), inside = frame.contentDocument;
const view = inside.defaultView, root = inside.documentElement;
const sticking = [...inside.body.querySelectorAll("*")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && (box.right > root.clientWidth + 0.5 || box.left < -0.5)
    && view.getComputedStyle(e).position !== "absolute";
});
const clipped = [...inside.querySelectorAll("td, th, dd, h1, h2, h3, .head, .said")].filter(
  e => e.scrollWidth > e.clientWidth + 1 && view.getComputedStyle(e).display !== "inline"
    && !e.closest("thead"));
document.title = JSON.stringify({
  width: root.clientWidth,
  scroll_width: root.scrollWidth,
  sticking_out: sticking.map(e => e.className || e.tagName),
  clipped: clipped.map(e => e.textContent),
  background: view.getComputedStyle(inside.body).backgroundColor,
  colour: view.getComputedStyle(inside.body).color,
  loaded: view.performance.getEntriesByType("resource").map(r => r.name),
  height: root.scrollHeight,
});
"""


@dataclass(frozen=True)
class Measured:
    """What the page measures, in CSS pixels; colours as `rgb(…)`; `complaints` of the console."""

    width: int
    scroll_width: int
    sticking_out: tuple[str, ...]
    clipped: tuple[str, ...]
    background: str
    colour: str
    loaded: tuple[str, ...]
    height: int
    complaints: tuple[str, ...]


def chromium() -> str | None:
    """The browser's path, or None; the Debian package is called chromium."""
    return shutil.which("chromium")


def measure(page: str, *, width_px: int, scheme: str) -> Measured:
    """Lay `page` out in a frame of `width_px` (a window cannot be narrower than 500) and measure.

    `scheme` is "light" or "dark": what the person prefers.
    """
    frame = (
        f'<iframe style="border:0;width:{width_px}px;height:900px" srcdoc="{html.escape(page)}">'
    )
    host = (
        f'<!DOCTYPE html><meta name="color-scheme" content="light dark"><body>{frame}</iframe>'
        f'<script>document.querySelector("iframe").onload = () => {{{_MEASURE}}}</script>'
    )
    with tempfile.TemporaryDirectory() as folder:
        done = _run(
            Path(folder),
            host,
            f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
            "--window-size=1600,1000",
            "--dump-dom",
        )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stdout[-500:] + done.stderr[-500:]
    values = json.loads(html.unescape(title[1]))
    complaints = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    return Measured(**{**values, **lists}, complaints=complaints)


def pdf(page: str) -> bytes:
    """The page as it is printed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "page.pdf")
        _run(Path(folder), page, "--no-pdf-header-footer", f"--print-to-pdf={out}")
        return out.read_bytes()


def _run(folder: Path, page: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Open `page` in a browser with a new, empty profile below `folder`."""
    browser = chromium()
    assert browser is not None
    file = folder / "page.html"
    file.write_text(page)
    return subprocess.run(
        [browser, *_FLAGS, f"--user-data-dir={folder}/profile", *options, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
