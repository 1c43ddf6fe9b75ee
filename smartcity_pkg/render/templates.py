"""Renders one Jinja2 template: strict about names, sandboxed, bounded, the same bytes every time.

Errors say file, line and what to do. What a template may see is `context`'s; where its result goes
is `render`'s. The sandbox guards against mistakes of reviewed templates, not against an enemy.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
    UndefinedError,
)
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from smartcity_pkg.catalogue.faults import closest
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render.envfile import env_value

# Docker's limit for one config (swarmkit, MaxConfigSize: 1000 KiB).
MAX_OUTPUT_BYTES = 1000 << 10
_FILTERS = frozenset(
    {"abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float"}
    | {"forceescape", "groupby", "indent", "int", "items", "join", "last", "length", "list"}
    | {"lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round"}
    | {"select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim"}
    | {"truncate", "unique", "upper", "urlencode"}
)
_GLOBALS = frozenset({"range", "dict", "namespace", "joiner", "cycler"})
# What Python prints for an object without a text of its own: an address, another one every time.
_ADDRESS = re.compile(r"<[^<>\n]{1,200} at 0x[0-9a-f]{6,16}>")

HintFor = Callable[[tuple[str, ...]], str]


class _MissingNameError(UndefinedError):
    """A name that a template uses and nobody gave: the object it was looked for in, and itself."""

    def __init__(self, message: str | None, owner: Any, name: str) -> None:
        super().__init__(message)
        self.owner = owner
        self.name = name


class _Missing(StrictUndefined):
    """Remembers what was looked for, so that the message can name it in full."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateError] = UndefinedError,
    ) -> None:
        def error(message: str | None) -> TemplateError:
            if exc is UndefinedError and name is not None:
                return _MissingNameError(message, obj, name)
            return exc(message)

        super().__init__(hint, obj, name, error)  # type: ignore[arg-type]


class _Environment(ImmutableSandboxedEnvironment):
    """Without what is random, without what could grow without bound at once."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiplication of numbers only: "x" * 10**9 is never meant."""
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(_("only numbers can be multiplied"))
        if operator == "**" and abs(right) > 64:
            raise SecurityError(_("the exponent is too large"))
        return super().call_binop(context, operator, left, right)


def _printable(value: Any) -> Any:
    """Text and numbers pass; what has no obvious text must be given one by the template."""
    if value is None or isinstance(value, bool | list | dict | tuple):
        raise TypeError(
            _("{value} has no plain text: write | tojson behind it").format(value=str(value)[:60])
        )
    return value


def _not_json(value: Any) -> Any:
    """Called for what JSON cannot say; a missing name tells itself by being read."""
    if isinstance(value, Undefined):
        return str(value)
    raise TypeError(_("{value} cannot be written as JSON").format(value=str(value)[:60]))


@functools.cache
def _environment() -> _Environment:
    environment = _Environment(
        undefined=_Missing,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters = {
        name: function for name, function in environment.filters.items() if name in _FILTERS
    }
    environment.filters["env_value"] = env_value
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": _not_json}
    environment.globals = {
        name: value for name, value in environment.globals.items() if name in _GLOBALS
    }
    return environment


@functools.lru_cache(maxsize=1024)
def _compiled(text: str, file: str) -> CodeType:
    return _environment().compile(text, name=file, filename=file)


def render_template(
    text: str, file: str, context: Mapping[str, Any], hint_for: HintFor | None = None
) -> bytes:
    """The template `text` filled from `context`, as UTF-8; `file` is its name in messages.

    `hint_for` gives the advice for a missing name, told as its path (`("settings", "port")`), or
    "" where it knows nothing special. Raises InputError: a syntax error, a missing name, something
    forbidden, any failure inside, more than `MAX_OUTPUT_BYTES`.
    """
    try:
        code = _compiled(text, file)
        template = Template.from_code(_environment(), code, dict(_environment().globals))
        output = _bounded(template.generate(dict(context)), file)
    except InputError:
        raise
    except TemplateSyntaxError as error:
        message = _("not a valid template: {why}").format(why=error.message)
        raise InputError(Problem(message, file, error.lineno)) from error
    except Exception as error:
        raise InputError(_problem(error, file, context, hint_for)) from error
    if found := _ADDRESS.search(output.decode()):
        message = _("the result holds {what}, which is another one every time")
        raise InputError(Problem(message.format(what=found[0]), file))
    if file.endswith(".json.j2"):
        _check_json(output, file)
    return output


def _bounded(pieces: Iterable[str], file: str) -> bytes:
    output = bytearray()
    for piece in pieces:
        output += piece.encode()
        if len(output) > MAX_OUTPUT_BYTES:
            message = _("the result is larger than {limit} KiB, which is the most for one file")
            raise InputError(Problem(message.format(limit=MAX_OUTPUT_BYTES >> 10), file))
    return bytes(output)


def _check_json(output: bytes, file: str) -> None:
    try:
        json.loads(output)
    except ValueError as error:
        text = output.decode().splitlines()
        number = getattr(error, "lineno", 1)
        line = text[number - 1].strip()[:80] if number <= len(text) else ""
        raise InputError(
            Problem(
                _("the result is not JSON: {why}; there it reads: {line}").format(
                    why=error, line=line
                ),
                file,
                hint=_("write values with | tojson, and watch the commas in loops"),
            )
        ) from error


def _problem(
    error: Exception, file: str, context: Mapping[str, Any], hint_for: HintFor | None
) -> Problem:
    line = _line_of(error, file)
    if isinstance(error, _MissingNameError):
        owner = () if error.owner is missing else _path_to(error.owner, context)
        path = (*(owner or ()), error.name)
        names = context if error.owner is missing else error.owner
        known = sorted(names) if isinstance(names, Mapping) else []
        hint = closest(error.name, known) or (hint_for(path) if hint_for else "") or _listed(known)
        return Problem(
            _("undefined name “{name}”").format(name=".".join(path)), file, line, 0, hint
        )
    if isinstance(error, SecurityError):
        return Problem(
            _("the template does what templates may not: {why}").format(why=error),
            file,
            line,
            hint=_("use the values that are given, and plain filters"),
        )
    return Problem(
        _("the template fails: {why}").format(why=str(error) or type(error).__name__), file, line
    )


def _listed(known: list[str]) -> str:
    return _("there are: {names}").format(names=", ".join(known)) if known else ""


def _line_of(error: Exception, file: str) -> int:
    """The innermost line of the template on the way to `error`; Jinja2 rewrote the traceback."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _path_to(owner: Any, value: Any, path: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Where the object `owner` itself stands inside `value`."""
    if value is owner:
        return path
    if isinstance(value, Undefined | str):
        return None
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        if (found := _path_to(owner, child, (*path, str(key)))) is not None:
            return found
    return None


def read_shared_templates(folder: Path) -> dict[str, str]:
    """The texts of the templates in `folder` that every release renders, by file name."""
    try:
        return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.j2"))}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            Problem(_("the templates cannot be read: {why}").format(why=error), str(folder))
        ) from error
