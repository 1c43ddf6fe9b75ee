"""Every command line that the documents show is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from smartcity_pkg.cli import common
from smartcity_pkg.cli.root import build
from smartcity_pkg.core.errors import SmartCityError

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs/guides").glob("*.md"))]
_ENDS = {"&&", "||", ";", "|", "&", ">", ">>", "2>", "<"}


@dataclass(frozen=True)
class Shown:
    """One command as a document shows it: `words` begin with the program's name."""

    file: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {shlex.join(self.words)}"


def commands_in(path: Path) -> Iterator[Shown]:
    """The commands of a document's shell blocks: fenced, or indented by four blanks."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced and line[3:].strip() in ("", "sh", "shell", "console", "bash")
        elif fenced or line.startswith("    "):
            for words in _split(line.strip().removeprefix("$ ").removeprefix("# ")):
                yield Shown(path.name, number, words)


def mentioned_in(path: Path) -> Iterator[Shown]:
    """`smartcity …` in the running text, which may leave arguments out."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for code in re.findall(r"`(smartcity [^`]+)`", line):
            yield Shown(path.name, number, tuple(shlex.split(code)))


def _split(line: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), ";"]:
        if word in _ENDS:
            if words:
                yield tuple(words)
            words = []
        elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
            words.append(word)


def parse(words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The command that `words` mean and its parameters; nothing is run.

    Raises SmartCityError or TyperException for a line that the command would refuse.
    """
    options, rest = common.split([w for w in words[1:] if not w.startswith("--workspace=")])
    command: Any = build(options)
    context = command.make_context("smartcity", rest)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, context._protected_args)
        context = command.make_context(name, rest + context.args, parent=context)
    return context.command_path, context.params


def exists(words: tuple[str, ...]) -> bool:
    """Whether the command is there, with these options; arguments may be left out."""
    try:
        parse(words)
    except typer.Exit:  # --help, --version
        return True
    except typer.TyperException as error:
        return type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
    except SmartCityError:
        return False
    return True


SHOWN = [c for d in DOCUMENTS for c in commands_in(d) if c.words[0] == "smartcity"]
MENTIONED = [c for d in DOCUMENTS for c in mentioned_in(d)]


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_command_that_is_shown_is_understood(shown: Shown) -> None:
    assert parse(shown.words)[0].startswith("smartcity ")


@pytest.mark.parametrize("shown", MENTIONED, ids=str)
def test_a_command_that_is_mentioned_exists_with_its_options(shown: Shown) -> None:
    assert exists(shown.words)


def test_every_document_shows_commands() -> None:
    assert {s.file for s in SHOWN} == {d.name for d in DOCUMENTS}


@pytest.mark.parametrize("wrong", ["nosuch", "select 1 --nosuch", "pack 1 more", "key new -x"])
def test_a_wrong_command_would_be_noticed(wrong: str) -> None:
    words = ("smartcity", *wrong.split())
    with pytest.raises((SmartCityError, typer.TyperException)):
        parse(words)
    assert not exists(words)


@pytest.mark.parametrize(
    "pair", [("technician.md", "teknisi.md"), ("kominfo.md", "kominfo-id.md")], ids=lambda p: p[0]
)
def test_the_guides_show_the_same_commands_in_the_same_order(pair: tuple[str, str]) -> None:
    english, indonesian = (
        [_shape(c) for c in commands_in(ROOT / "docs/guides" / name)] for name in pair
    )
    assert english == indonesian


def _shape(shown: Shown) -> tuple[str, ...]:
    """What does not depend on the reader's language: names of files and folders do."""
    if shown.words[0] != "smartcity":
        return shown.words[:1]
    path, parameters = parse(shown.words)
    return (path, *sorted(name for name, value in parameters.items() if value))
