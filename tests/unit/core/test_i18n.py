"""Which language is spoken, and what happens where a translation is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from smartcity_pkg.core import i18n

VARIABLES = ("SMARTCITY_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def spoken() -> Iterator[None]:
    """English again afterwards."""
    yield
    i18n.activate("en")


def chosen(wanted: str = "", **environment: str) -> str:
    """What `choose_language` answers in a process with these variables."""
    rest = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    script = "import sys; from smartcity_pkg.core.i18n import choose_language as c"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; print(c(sys.argv[1]))", wanted],
        env={**rest, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("wanted", "environment", "language"),
    [
        ("id", {"SMARTCITY_LANG": "en"}, "id"),
        ("", {}, "en"),
        ("", {"SMARTCITY_LANG": "id", "LC_ALL": "en_GB"}, "id"),
        ("", {"LC_ALL": "id_ID.UTF-8", "LANG": "en_US.UTF-8"}, "id"),
        ("", {"LC_ALL": "", "LANG": "id_ID"}, "id"),
        ("", {"LC_ALL": "C", "LANG": "id_ID"}, "en"),
        ("", {"LANG": "C.UTF-8"}, "en"),
        ("", {"LANG": "de_DE.UTF-8"}, "en"),
        ("", {"LC_MESSAGES": "in_ID"}, "id"),
        ("", {"SMARTCITY_LANG": "ID"}, "id"),
    ],
)
def test_the_first_that_says_anything_chooses_the_language(
    wanted: str, environment: dict[str, str], language: str
) -> None:
    assert chosen(wanted, **environment) == language


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("id", "id"), ("id-ID", "id"), ("in", "id"), ("en", "en"), ("en_GB", "en"), ("fr", "en")],
)
def test_what_is_wanted_comes_before_the_environment(wanted: str, language: str) -> None:
    assert i18n.choose_language(wanted) == language


@pytest.mark.usefixtures("spoken")
def test_a_message_without_translation_stays_english() -> None:
    i18n.activate("id")
    assert i18n.language() == "id"
    assert i18n._("this sentence is in no catalogue") == "this sentence is in no catalogue"


@pytest.mark.usefixtures("spoken")
def test_a_language_without_catalogue_speaks_english() -> None:
    i18n.activate("jv")
    assert i18n._("interrupted") == "interrupted"


@pytest.mark.usefixtures("spoken")
def test_nothing_stays_nothing() -> None:
    """gettext keeps the catalogue's own description under the empty message."""
    i18n.activate("id")
    assert i18n._("") == ""


def test_a_marked_message_is_itself() -> None:
    assert i18n.N_("interrupted") == "interrupted"
