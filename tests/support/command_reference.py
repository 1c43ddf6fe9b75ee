"""Writes docs/commands.md from the command line itself; `make reference` runs it.

Without an argument the text goes to standard output. That the committed file is what is made here
is the promise of tests/unit/docs/test_command_reference.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.root import build

_INTRODUCTION = """\
# Commands

This page is made from the command line itself by `make reference`; do not edit it.
`smartcity COMMAND --help` says the same in your language. Every command ends with one of the
[exit codes](exit-codes.md); the files that commands read and write are described in
[file formats](formats.md).

## Options of every command

They may stand anywhere on the line, before a `--`.
"""

Row = tuple[str, str]


def reference() -> str:
    """The whole page, in English."""
    root = build(CommonOptions())
    context = root.context_class(root, info_name="smartcity")
    pieces = [_INTRODUCTION, _table("option", _common(context))]
    pieces += ["`smartcity` alone also takes:\n", _table("option", list(_options(root)))]
    for path, command in _commands("smartcity", root):
        pieces += [f"## {path}\n", *_about(path, command)]
    return "\n".join(pieces)


def _commands(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its path, in the order of --help."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}", command


def _about(path: str, command: Any) -> Iterator[str]:
    yield f"{command.help}\n"
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [_usage(argument) for argument in arguments]
    options = list(_options(command))
    yield f"    {' '.join([path, *words, *(['[OPTIONS]'] if options else [])])}\n"
    if arguments:
        yield _table("argument", [(a.name.upper(), _meaning(a)) for a in arguments])
    if options:
        yield _table("option", options)


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> Iterator[Row]:
    for option in command.params:
        if option.param_type_name == "option":
            value = "" if option.is_flag else f" {option.metavar or 'TEXT'}"
            yield f"{', '.join(option.opts)}{value}", _meaning(option)


def _meaning(parameter: Any) -> str:
    """Said here and not by typer, so that the page does not change with typer's version."""
    required = parameter.required and parameter.param_type_name == "option"
    default = parameter.default if isinstance(parameter.default, str | int) else None
    return "".join(
        [
            parameter.help,
            " Required." if required else "",
            f" Default: {default}." if default not in (None, False) else "",
        ]
    )


def _common(context: Any) -> list[Row]:
    """The options that no command declares, as every help text has them."""
    rows: list[Row] = []

    class Rows:
        def section(self, _title: str) -> Rows:
            return self

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

        def write_dl(self, given: list[Row]) -> None:
            rows.extend(given)

    context.command.format_epilog(context, Rows())
    return rows


def _table(heading: str, rows: list[Row]) -> str:
    lines = [f"| {heading} | means |", "|---|---|"]
    lines += [f"| `{term.replace('|', chr(92) + '|')}` | {_cell(text)} |" for term, text in rows]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())
