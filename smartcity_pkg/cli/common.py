"""The options that every command takes, wherever they stand on the line; and who is presenting.

They are taken off the line before typer sees it: the language must be known before any help text
is made, and `smartcity select 32.15 --json` must mean the same as `smartcity --json select 32.15`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import LANGUAGES, _

if TYPE_CHECKING:
    from smartcity_pkg.ui.presenter import Presenter

_WITH_VALUE = ("--lang", "--workspace")


@dataclass(frozen=True)
class CommonOptions:
    """`--json`, `--lang`, `--workspace`."""

    json: bool = False
    lang: str | None = None
    workspace: Path = Path()


def split(arguments: Sequence[str]) -> tuple[CommonOptions, list[str]]:
    """The common options, and the rest of the line as it was. Nothing after `--` is taken.

    Raises UsageError for a missing or impossible value.
    """
    found, json, rest = _take(arguments)
    for name, value in found.items():
        if not value:
            raise UsageError(_("{option} needs a value").format(option=name))
    if (lang := found.get("--lang")) and lang not in LANGUAGES:
        raise UsageError(
            _("--lang is “{given}”, expected one of: {known}").format(
                given=lang, known=", ".join(LANGUAGES)
            )
        )
    workspace = Path(found.get("--workspace", "."))
    if not workspace.is_dir():
        raise UsageError(
            _("the workspace “{folder}” is not a folder").format(folder=workspace),
            _("make it first: mkdir -p {folder}").format(folder=workspace),
        )
    return CommonOptions(json, lang, workspace), rest


def glance(arguments: Sequence[str]) -> CommonOptions:
    """What a line that may be wrong says of `--json` and `--lang`: how to tell that it is wrong."""
    found, json, _rest = _take(arguments)
    lang = found.get("--lang")
    return CommonOptions(json, lang if lang in LANGUAGES else None)


def _take(arguments: Sequence[str]) -> tuple[dict[str, str], bool, list[str]]:
    """The values by option ("" where one is missing), whether `--json` stood there, the rest."""
    found: dict[str, str] = {}
    json = False
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif word == "--json":
            json = True
        elif name in _WITH_VALUE:
            found[name] = value if equals else next(words, "")
        else:
            rest.append(word)
    return found, json, rest


def make_presenter(options: CommonOptions) -> Presenter:
    """The presenter that the options ask for."""
    if options.json:
        from smartcity_pkg.ui.json import JsonPresenter

        return JsonPresenter()
    from smartcity_pkg.ui.terminal import TerminalPresenter

    return TerminalPresenter()


def discard_output() -> None:
    """Send what is still to be written to a standard output that nobody reads into the void."""
    with Path(os.devnull).open("wb") as void:
        os.dup2(void.fileno(), sys.stdout.fileno())
