"""What YAML and pydantic find wrong with a file, in the words of the person who wrote it.

Neither library's English reaches the screen where we know a plainer sentence. Where a value stands
is known to `yamlfile`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from smartcity_pkg.catalogue.app import NAME_PATTERN
from smartcity_pkg.catalogue.pemda import DOMAIN_PATTERN, HOST_PATTERN, REGION_PATTERN
from smartcity_pkg.core.errors import Problem
from smartcity_pkg.core.i18n import N_, _

Path_ = tuple[str | int, ...]

# By pydantic's error type; the names in braces are those of its context.
_SENTENCES = {
    "bool_parsing": N_("expected true or false"),
    "bool_type": N_("expected true or false"),
    "date_from_datetime_parsing": N_("expected a date: YYYY-MM-DD"),
    "date_parsing": N_("expected a date: YYYY-MM-DD"),
    "date_type": N_("expected a date: YYYY-MM-DD"),
    "dict_type": N_("expected fields of its own, one a line, further to the right"),
    "finite_number": N_("expected a number"),
    "float_parsing": N_("expected a number"),
    "float_type": N_("expected a number"),
    "greater_than": N_("expected more than {gt}"),
    "greater_than_equal": N_("expected at least {ge}"),
    "int_from_float": N_("expected a whole number"),
    "int_parsing": N_("expected a whole number"),
    "int_type": N_("expected a whole number"),
    "less_than_equal": N_("expected at most {le}"),
    "list_type": N_("expected a list"),
    "literal_error": N_("expected {expected}"),
    "model_type": N_("expected fields of its own, one a line, further to the right"),
    "string_pattern_mismatch": N_("expected {form}"),
    "string_too_long": N_("expected at most {max_length} letters"),
    "string_too_short": N_("must not be empty"),
    "string_type": N_("expected text"),
    "too_short": N_("must not be empty"),
    "tuple_type": N_("expected a list"),
}

# By the pattern that a text must match, for those that people meet.
_FORMS = {
    NAME_PATTERN: N_("small letters and digits, parts joined by “-”, like siap-kerja"),
    HOST_PATTERN: N_("the name or address of a machine, like 10.1.2.3"),
    DOMAIN_PATTERN: N_("a domain in small letters, like layanan.karawang.example"),
    REGION_PATTERN: N_('a region code in quotes, like "32.15"'),
}


class Written(Protocol):
    """What knows the places of a document (`yamlfile.Document`)."""

    data: Any

    def problem(self, path: Path_, message: str, hint: str = "") -> Problem:
        """A `Problem` at the nearest known place on the way to `path`."""

    def written(self, path: Path_) -> str:
        """How the scalar at `path` was written; "" for anything else."""


# Said of a whole where a part of it is what is wrong: pydantic counts only entries without fault.
_SHALLOW = ("literal_error", "too_short")


def closest(name: str, known: Iterable[str]) -> str:
    """“did you mean …?” for a misspelt name, or "" where nothing known is like it."""
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return _("did you mean “{name}”?").format(name=found[0]) if found else ""


def by_place(problems: list[Problem]) -> list[Problem]:
    """`problems` in the order in which a person meets them in the files."""
    return sorted(problems, key=lambda p: (p.file, p.line, p.column))


def of_yaml(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """The problem that keeps `text` from being YAML."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = " ".join(str(p) for p in (error.context, error.problem) if p)
        if error.context_mark and error.context_mark.line + 1 < line:
            what = _("{what} (what is wrong begins on line {line})").format(
                what=what, line=error.context_mark.line + 1
            )
    elif isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        what = str(error.reason)
    else:
        line, column, what = 0, 0, str(error)
    lines = text.splitlines()
    found = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in found[: len(found) - len(found.lstrip())]:
        hint = _("indent with spaces: YAML does not allow tabs there")
    elif "mapping values are not allowed" in what:
        hint = _("check the indentation, and put text that holds “: ” in quotes")
    else:
        hint = _("check the indentation, quotes and brackets here and on the line above")
    return Problem(_("not valid YAML: {what}").format(what=what), name, line, column, hint)


def of_model(error: ValidationError, document: Written, at: Path_) -> list[Problem]:
    """One problem for each fault that a model found in the part of `document` at `at`."""
    by_place: dict[Path_, dict[str, Any]] = {}
    for fault in error.errors(include_url=False):
        path = _real_path(document.data, (*at, *fault["loc"]), fault["type"])
        before = by_place.get(path)
        # A union reports every alternative: one sentence a place, and not "expected 'all'" where
        # the list that was meant has a fault further down.
        if before is None or before["type"] == "literal_error":
            by_place[path] = dict(fault)
    return [
        _problem(document, at, path, fault)
        for path, fault in by_place.items()
        if not (fault["type"] in _SHALLOW and _has_deeper(path, by_place))
    ]


def _has_deeper(path: Path_, paths: Iterable[Path_]) -> bool:
    return any(len(p) > len(path) and p[: len(path)] == path for p in paths)


def _real_path(data: Any, loc: Path_, kind: str) -> Path_:
    """pydantic's location without what is none of the file's: names of union members, "[key]"."""
    value: Any = data
    path: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if _holds(value, part):
            value = value[part]
        elif not (last and kind == "missing"):
            continue
        path.append(part)
    return tuple(path)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _problem(document: Written, at: Path_, path: Path_, fault: dict[str, Any]) -> Problem:
    kind, value = fault["type"], fault["input"]
    name = ".".join(str(p) for p in path[len(at) :]) or _("the document")
    written = document.written(path) or shown(value)
    if kind == "extra_forbidden":
        return document.problem(
            path,
            _("unknown field “{name}”").format(name=name),
            _("remove it, or correct its spelling; docs/formats.md lists the fields"),
        )
    if kind == "missing":
        return document.problem(path, _("the field “{name}” is missing").format(name=name))
    if fault["loc"][-1:] == ("[key]",):
        written = str(value)
    elif kind == "string_type" and isinstance(value, int | float):
        return document.problem(
            path,
            _("“{name}” is a number, expected text (got: {got})").format(name=name, got=written)
            if not isinstance(value, bool)
            else _("“{name}” is true or false, expected text").format(name=name),
            _('write it in quotes: {field}: "{written}"').format(field=path[-1], written=written),
        )
    message = _("“{name}”: {said} (got: {got})").format(
        name=name, said=_sentence(fault), got=written
    )
    return document.problem(path, message, _hint(kind, value))


def _sentence(fault: dict[str, Any]) -> str:
    """What was expected, in our words; in pydantic's where we have none."""
    context: dict[str, Any] = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in fault.get("ctx", {}).items()
    }
    if fault["type"] == "value_error":
        return str(context["error"])
    if pattern := context.get("pattern"):
        form = _FORMS.get(pattern)
        context["form"] = _(form) if form else _("text of the form {form}").format(form=pattern)
    sentence = _SENTENCES.get(fault["type"])
    return _(sentence).format(**context) if sentence else str(fault["msg"])


def _hint(kind: str, value: Any) -> str:
    if kind == "int_parsing" and "." in value.strip():
        return _("write the number without dots between the thousands")
    if kind == "tuple_type" and isinstance(value, str):
        return _("write a list: [{value}]").format(value=value)
    return ""


def shown(value: Any) -> str:
    """A value as messages say it, briefly."""
    if isinstance(value, dict):
        return _("fields")
    if isinstance(value, list):
        return _("a list")
    if isinstance(value, bool):
        return str(value).lower()
    return _("nothing") if value is None else str(value)[:60]
