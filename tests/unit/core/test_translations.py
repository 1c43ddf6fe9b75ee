"""Whatever a person may read is there in Indonesian, with the same placeholders."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

PACKAGE = Path(__file__).parents[3] / "smartcity_pkg"
HOW = "run `make translations` and fill in smartcity_pkg/locale/id/LC_MESSAGES/smartcity.po"


def indonesian() -> Catalog:
    with (PACKAGE / "locale/id/LC_MESSAGES/smartcity.po").open("rb") as stream:
        return read_po(stream, locale="id")


def used() -> set[str]:
    keywords = {"_": None, "N_": None}
    methods = [("**.py", "python"), ("**.html.j2", "jinja2")]
    found = extract_from_dir(PACKAGE, methods, keywords=keywords)
    return {message for _file, _line, message, _comments, _context in found if message}


def test_every_message_has_an_indonesian_text() -> None:
    known = {m.id: m.string for m in indonesian() if m.id}
    assert not sorted(m for m in used() if not known.get(m)), HOW


def test_no_translation_is_left_of_a_message_that_is_gone() -> None:
    assert not sorted({m.id for m in indonesian() if m.id} - used()), HOW


def test_translations_keep_the_placeholders() -> None:
    wrong = [
        m.id
        for m in indonesian()
        if m.id
        and sorted(re.findall(r"{\w*}", m.id)) != sorted(re.findall(r"{\w*}", str(m.string)))
    ]
    assert not wrong
