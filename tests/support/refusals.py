"""Writes docs/refusals.md: each refusal provoked, in both languages; `make reference` runs it.

Without an argument the page goes to standard output. That the committed page is what is made here,
and that no refusal is forgotten, is the promise of tests/unit/docs/test_refusals.py. Needs root and
sshd. What differs from run to run (names by digest, times, folders) is shown as an example.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import refusals_before
import refusals_of_apps
import refusals_of_data
from refusal_stage import Case, Stage

from smartcity_pkg.core import i18n
from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.install.lock import this_process

SECTIONS = {
    **refusals_before.SECTIONS,
    **refusals_of_apps.SECTIONS,
    **refusals_of_data.SECTIONS,
    **refusals_of_apps.SECRETS,
}
_INTRODUCTION = """\
# Refusals · Penolakan

What the commands that work on servers say when they refuse, or go back: message, → what to do
next, and the [exit code](exit-codes.md). Each line was really provoked and written down in both
languages by `make reference`; do not edit it. Names, numbers and times are examples.

Yang dikatakan perintah yang bekerja di server ketika menolak, atau kembali: pesan, → langkah
berikutnya, dan [kode keluar](exit-codes.md). Tiap baris sungguh dipicu lalu dicatat dalam kedua
bahasa oleh `make reference`; jangan disunting. Nama, angka, dan waktu hanyalah contoh.
"""
_ALWAYS = (
    (r"\b(\d+)-(?!ba9876543210)[0-9a-f]{12}\b", r"\1-0123456789ab"),
    (r"sha256:[0-9a-f]{12}", "sha256:0123456789ab"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDEKf0Mzjlk…"),
    (r"\b(?=[a-f]*\d)(?!ba9876543210)[0-9a-f]{12}\b", "0123456789ab"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-05-01T08:00:00Z"),
    (r"\d{8}T\d{6}Z", "20260501T080000Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-05-01 08:00 UTC"),
    (r"(process|proses) \d+", r"\1 4711"),
    (r"\b(1 min 59 s|2 min 0 s)\b", "2 min"),
    (r"\b\d+ s\b", "12 s"),
)


@dataclass(frozen=True)
class Said:
    """What a command ends with."""

    exit_code: int
    message: str
    hint: str


def provoke(stage: Stage, case: Case, language: str) -> Said:
    """What a case raises, in `language`."""
    i18n.activate(language)
    stage.hidden.clear()
    try:
        case(stage)
    except SmartCityError as error:
        return Said(error.exit_code, _plain(stage, error.message), _plain(stage, error.hint))
    finally:
        i18n.activate("en")
    raise AssertionError(f"{case} was not refused")


def all_said(stage: Stage) -> dict[tuple[str, str], list[tuple[Said, Said]]]:
    """Every refusal in English and Indonesian, by section."""
    return {
        title: [(provoke(stage, case, "en"), provoke(stage, case, "id")) for case in cases]
        for title, cases in SECTIONS.items()
    }


def page() -> str:
    """The whole page."""
    pieces = [_INTRODUCTION]
    with Stage.made() as stage:
        for (english, indonesian), rows in all_said(stage).items():
            title = english if english == indonesian else f"{english} · {indonesian}"
            pieces.append(f"## {title}\n\n| code | English | Indonesia |\n|---|---|---|")
            pieces.append("\n".join(_row(*row) for row in rows) + "\n")
    return "\n".join(pieces)


def _row(english: Said, indonesian: Said) -> str:
    assert english.exit_code == indonesian.exit_code
    return f"| {english.exit_code} | {_cell(english)} | {_cell(indonesian)} |"


def _cell(said: Said) -> str:
    text = said.message + (f"\n→ {said.hint}" if said.hint else "")
    for plain, shown in (("|", "\\|"), ("<", "&lt;"), ("\n", "<br>")):
        text = text.replace(plain, shown)
    return text


def _plain(stage: Stage, text: str) -> str:
    for found, shown in _longest_first(stage):
        text = text.replace(found, shown)
    for pattern, shown in _ALWAYS:
        text = re.sub(pattern, shown, text)
    return text


def _longest_first(stage: Stage) -> list[tuple[str, str]]:
    """What differs from run to run; a folder's own files before the folder."""
    known = {**stage.hidden, this_process(): "budi@kominfo", str(Path.home()): "/root"}
    return sorted(known.items(), key=lambda pair: -len(pair[0]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
