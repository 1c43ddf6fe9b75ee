"""YAML files that people write: read with a place for every value, checked against a model.

Bounds (bytes, depth, aliases) come before anything is built, because nested or aliased YAML can
otherwise exhaust memory or the stack. Numbers stay numbers, so a code or version written without
quotes is refused instead of silently becoming another one (`12.10` is not 12.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _

MAX_BYTES = 4 << 20
MAX_DEPTH = 40
MAX_ALIASES = 200
MAX_NODES = 200_000

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Mark:
    """Where a value stands (1-based) and, for a scalar, how it was written."""

    line: int
    column: int
    text: str = ""


@dataclass
class Document:
    """One YAML document: its plain data, and the place of every key and value by path."""

    file: str
    data: Any
    marks: dict[Path_, Mark] = field(default_factory=dict)

    def problem(self, path: Path_, message: str, hint: str = "") -> Problem:
        """A `Problem` at the nearest known place on the way to `path`."""
        for length in range(len(path), -1, -1):
            if mark := self.marks.get(path[:length]):
                return Problem(message, self.file, mark.line, mark.column, hint)
        return Problem(message, self.file, hint=hint)


def read(path: Path, name: str | None = None) -> Document:
    """The document in the file at `path`; `name` replaces the path in messages.

    Raises InputError: no such file, too large, not UTF-8, not YAML, a key twice.
    """
    shown = name or str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(_("the file does not exist"), shown)) from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(Problem(str(error.strerror), shown)) from error
    return parse(data, shown)


def parse(data: bytes, name: str) -> Document:
    """The document in `data`; raises InputError like `read`."""
    if len(data) > MAX_BYTES:
        raise InputError(
            Problem(_("the file is larger than {limit} MiB").format(limit=MAX_BYTES >> 20), name)
        )
    try:
        text = data.decode("utf-8-sig")
        _check_bounds(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(Problem(_("not UTF-8 text"), name, line)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = " ".join(str(p) for p in (error.context, error.problem) if p)
        raise InputError(
            Problem(_("not valid YAML: {what}").format(what=what), name, *place)
        ) from error
    except yaml.YAMLError as error:
        raise InputError(Problem(_("not valid YAML: {what}").format(what=error), name)) from error
    document = Document(name, None)
    if node is not None:
        document.data = _Builder(document).build(node, ())
    return document


def validate(document: Document, model: type[Model], at: Path_ = ()) -> Model:
    """The part of `document` at path `at` as a `model`; InputError lists every fault."""
    value = document.data
    for key in at:
        value = value[key]
    if value is None:
        raise InputError(document.problem(at, _("the file is empty")))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InputError([_problem_of(document, at, e) for e in error.errors()]) from error


def _check_bounds(text: str, name: str) -> None:
    """Count depth, aliases and nodes on the event stream, which needs no recursion."""
    depth = aliases = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES or nodes > MAX_NODES:
            raise InputError(
                Problem(
                    _("too deep, too long or too many aliases for a file written by a person"),
                    name,
                    event.start_mark.line + 1 if event.start_mark else 0,
                )
            )


class _Builder(yaml.constructor.SafeConstructor):
    """Plain data from nodes, noting each place on the way."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.built = 0

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.built += 1
        mark = Mark(node.start_mark.line + 1, node.start_mark.column + 1, _written(node))
        self.document.marks.setdefault(path, mark)
        if self.built > MAX_NODES:
            raise InputError(self.document.problem(path, _("aliases make the file too large")))
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        try:
            return self.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            what = getattr(error, "problem", None) or str(error)
            raise InputError(
                self.document.problem(path, _("not a valid value: {what}").format(what=what))
            ) from error

    def _pairs(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        own = {id(key) for key, _value in node.value}
        self.flatten_mapping(node)
        seen: set[str] = set()
        for key_node, value_node in reversed(node.value):
            key = self.construct_object(key_node)
            if not isinstance(key, str):
                key = _written(key_node) or str(key)
            if key in seen:
                if id(key_node) not in own:
                    continue
                mark = key_node.start_mark
                raise InputError(
                    Problem(
                        _("the key “{key}” stands here twice").format(key=key),
                        self.document.file,
                        mark.line + 1,
                        mark.column + 1,
                    )
                )
            seen.add(key)
            mark = Mark(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            value = self.build(value_node, (*path, key))
            written = self.document.marks[(*path, key)].text
            self.document.marks[(*path, key)] = Mark(mark.line, mark.column, written)
            yield key, value


def _written(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _problem_of(document: Document, at: Path_, error: Any) -> Problem:
    """One pydantic error as a `Problem`, in the person's words."""
    path: Path_ = (*at, *error["loc"])
    name = ".".join(str(p) for p in error["loc"]) or _("the document")
    kind = error["type"]
    mark = document.marks.get(path)
    written = (mark.text if mark else "") or str(error["input"])[:60]
    hint = ""
    if kind == "extra_forbidden":
        message = _("unknown field “{name}”").format(name=name)
        hint = _("remove it, or correct its spelling; docs/formats.md lists the fields")
    elif kind == "missing":
        message = _("the field “{name}” is missing").format(name=name)
    elif kind == "string_type" and isinstance(error["input"], int | float):
        message = _("“{name}” is a number, expected text").format(name=name)
        hint = _('write it in quotes: {field}: "{written}"').format(
            field=error["loc"][-1], written=written
        )
    else:
        said = error["ctx"]["error"] if kind == "value_error" else error["msg"]
        message = _("“{name}”: {said} (got: {got})").format(name=name, said=said, got=written)
    return document.problem(path, message, hint)
