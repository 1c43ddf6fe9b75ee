"""YAML files that people write: read with a place for every value; what they mean is others' work.

Bounds (bytes, depth, aliases, nodes) come before anything is built, because nested or aliased YAML
can otherwise exhaust memory or the stack. `on`, `1:30`, `0812` and dates are text (`scalars`). A
number stays a number, so that a code written without quotes is refused instead of silently becoming
another one (12.10 is not 12.1).
`validate` checks a document against a model; the words for what is wrong are in `faults`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from smartcity_pkg.catalogue import faults, scalars
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _, os_text

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_ALIASES = 200
MAX_NODES = 50_000

Path_ = tuple[str | int, ...]
ModelType = TypeVar("ModelType", bound=BaseModel)


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

    def path_of(self, dotted: str) -> Path_:
        """The path that `services.web.ports.0` names, as far as it is there.

        A key may hold dots itself: the shortest key that is there is taken.
        """
        parts = dotted.split(".")
        path: list[str | int] = []
        value = self.data
        while parts:
            for length in range(1, len(parts) + 1):
                name = ".".join(parts[:length])
                if isinstance(value, dict) and name in value:
                    path.append(name)
                    value = value[name]
                    break
                if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                    path.append(int(name))
                    value = value[int(name)]
                    break
            else:
                break
            parts = parts[length:]
        return tuple(path)

    def written(self, path: Path_) -> str:
        """How the scalar at `path` was written; "" for anything else."""
        mark = self.marks.get(path)
        return mark.text if mark else ""


def read(path: Path, name: str | None = None) -> Document:
    """The document in the file at `path`; `name` replaces the path in messages.

    Raises InputError: no such file, too large, not UTF-8, not YAML, a key twice.
    """
    shown = name or str(path)
    return parse(read_bytes(path, shown), shown)


def read_bytes(path: Path, shown: str) -> bytes:
    """The bytes of a file that a person wrote; InputError where it is absent or too large."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(Problem(_("the file does not exist"), shown)) from None
    except OSError as error:
        raise InputError(
            Problem(_("the file cannot be read: {why}").format(why=os_text(error)), shown)
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(
            Problem(_("the file is larger than {limit} KiB").format(limit=MAX_BYTES >> 10), shown)
        )
    return data


def decode(data: bytes, shown: str) -> str:
    """`data` as UTF-8 text, without a byte order mark; InputError says which line is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            Problem(
                _("not UTF-8 text"), shown, line, hint=_("save the file again with encoding UTF-8")
            )
        ) from error


def parse(data: bytes, name: str) -> Document:
    """The document in `data`; raises InputError like `read`."""
    if len(data) > MAX_BYTES:
        raise InputError(
            Problem(_("the file is larger than {limit} KiB").format(limit=MAX_BYTES >> 10), name)
        )
    text = decode(data, name)
    try:
        _check_bounds(text, name)
        node = yaml.compose(text, Loader=scalars.Loader)
    except yaml.YAMLError as error:
        raise InputError(faults.of_yaml(error, text, name)) from error
    document = Document(name, None)
    if node is not None:
        document.data = _Builder(document).build(node, ())
    return document


def dump(data: Any) -> str:
    """`data` (plain values, no cycles) as YAML text that `parse` reads back as the same data."""
    text: str = yaml.dump(
        data, Dumper=scalars.Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def validate(document: Document, model: type[ModelType], at: Path_ = ()) -> ModelType:
    """The part of `document` at path `at` as a `model`; InputError lists every fault."""
    value = document.data
    for key in at:
        if not isinstance(value, dict) or key not in value:
            raise InputError(
                document.problem(at, _("the field “{name}” is missing").format(name=at[-1]))
            )
        value = value[key]
    if value is None:
        empty = _("“{name}” is empty").format(name=at[-1]) if at else _("the file is empty")
        raise InputError(document.problem(at, empty))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InputError(faults.by_place(faults.of_model(error, document, at))) from error


def _check_bounds(text: str, name: str) -> None:
    """Count depth, aliases and nodes on the event stream, which needs no recursion."""
    depth = aliases = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=scalars.Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES or nodes > MAX_NODES:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise InputError(Problem(_too_much(), name, line))


def _too_much() -> str:
    return _("too deep, too long or too many aliases for a file written by a person")


class _Builder:
    """Plain data from nodes, noting each place on the way.

    An alias is built again wherever it stands, so built nodes and text are counted; a node that
    contains itself is an error.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0
        self.characters = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: Path_) -> Any:
        """The value of `node`, which stands at `path`."""
        mark = Mark(node.start_mark.line + 1, node.start_mark.column + 1, _written(node))
        self.document.marks.setdefault(path, mark)
        self.nodes += 1
        self.characters += len(mark.text)
        if self.nodes > MAX_NODES or self.characters > MAX_BYTES:
            raise self._error(node, _too_much())
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._enter(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        finally:
            self.open.discard(id(node))

    def _enter(self, node: yaml.Node) -> None:
        kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != scalars.TAG + kind:
            raise self._error(node, _("the tag “{tag}” is not allowed").format(tag=node.tag))
        if id(node) in self.open:
            raise self._error(node, _("an alias stands inside the value that it names"))
        self.open.add(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, (key_node, value_node) in self._pairs(node).items():
            result[key] = self.build(value_node, (*path, key))
            line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            self.document.marks[(*path, key)] = Mark(line, column, _written(value_node))
        return result

    def _pairs(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The key and value nodes by key: its own, then those that `<<` merges in, first wins."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in {
                scalars.MERGE,
                *scalars.KNOWN_TAGS,
            }:
                raise self._error(key_node, _("a key must be plain text"))
            key = str(key_node.value)
            if key_node.tag == scalars.MERGE:
                for source in self._merge_sources(value_node):
                    merged = {**self._merged_pairs(source), **merged}
            elif key in own:
                raise self._error(
                    key_node,
                    _("the key “{key}” stands here twice").format(key=key),
                    _("keep one of the two"),
                )
            else:
                own[key] = (key_node, value_node)
        return own | {key: pair for key, pair in merged.items() if key not in own}

    def _merged_pairs(self, source: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        self._enter(source)
        pairs = self._pairs(source)
        self.open.discard(id(source))
        # What is merged may merge in its turn: without counting, a few lines grow without end.
        self.nodes += 1 + len(pairs)
        if self.nodes > MAX_NODES:
            raise self._error(source, _too_much())
        return pairs

    def _merge_sources(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                raise self._error(source, _("“<<” takes a mapping or a list of mappings"))
            yield source

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        if node.tag in (scalars.TAG + "str", scalars.MERGE):
            return text
        if node.tag == scalars.TAG + "null":
            return None
        if node.tag not in scalars.KNOWN_TAGS:
            raise self._error(node, _("the tag “{tag}” is not allowed").format(tag=node.tag))
        try:
            return scalars.number_or_truth(node.tag, text)
        except (ValueError, KeyError) as error:
            raise self._error(
                node,
                _("not a value that such a file can hold: {text}").format(text=text[:60]),
                _("write text in quotes, numbers with at most {digits} digits").format(
                    digits=scalars.MAX_DIGITS
                ),
            ) from error

    def _error(self, node: yaml.Node, message: str, hint: str = "") -> InputError:
        mark = node.start_mark
        return InputError(
            Problem(message, self.document.file, mark.line + 1, mark.column + 1, hint)
        )


def _written(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
