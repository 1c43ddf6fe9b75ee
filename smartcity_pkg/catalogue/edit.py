"""Changes in files that a person wrote: comments, order and quotes stay, the rest is checked.

The only module that knows ruamel.yaml (docs/adr/0005). What is changed is read back by our own
reader: a file that cannot be edited without changing something else is left alone.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _

_AS_WRITTEN = 1 << 20  # no line is folded
_DASH = re.compile(r"^( *)(-\s+)\S", re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """A file before and after; nothing is written until `write`."""

    path: Path
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether the text differs."""
        return self.before != self.after

    def difference(self) -> str:
        """The change as a unified diff, "" where there is none."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.path),
            str(self.path),
        )
        return "".join(lines)

    def write(self) -> None:
        """Put the new text in place, whole or not at all, with the file's own mode."""
        if self.changes:
            mode = self.path.stat().st_mode & 0o777
            atomic.write(self.path, self.after.encode(), mode)


def edited(path: Path, values: Mapping[Path_, Any]) -> Edit:
    """The file at `path` with each value of `values` at its place; mappings on the way are made.

    A place one past a list's end appends to it.
    Raises InputError where the file cannot be read, or not be written without other changes; the
    message holds what to write by hand.
    """
    document = yamlfile.read(path)
    before = yamlfile.decode(yamlfile.read_bytes(path, str(path)), str(path))
    expected = document.data
    for place, value in values.items():
        expected = _with(expected, place, _as_read(value))
    after = _round_trip(before, values, path)
    if yamlfile.parse(after.encode(), str(path)).data != expected:
        raise _by_hand(path, values)
    return Edit(path, before, after)


def _round_trip(text: str, values: Mapping[Path_, Any], path: Path) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _AS_WRITTEN
    if dash := _DASH.search(text):
        offset = _offset(text, dash)
        yaml.indent(mapping=2, sequence=offset + len(dash[2]), offset=offset)
    try:
        tree = yaml.load(text)
        for place, value in values.items():
            _put(tree, place, value)
        stream = io.StringIO()
        yaml.dump(tree, stream)
    except (YAMLError, TypeError, LookupError, ValueError, AttributeError) as error:
        raise _by_hand(path, values) from error
    return stream.getvalue()


def _offset(text: str, dash: re.Match[str]) -> int:
    """How far the file's lists stand to the right of their key."""
    above = [line.partition(" #")[0].rstrip() for line in text[: dash.start()].splitlines()]
    key = next((line for line in reversed(above) if line.endswith(":")), "")
    return max(0, len(dash[1]) - (len(key) - len(key.lstrip())))


def _put(tree: Any, place: Path_, value: Any) -> None:
    for key in place[:-1]:
        if isinstance(tree, dict) and tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
    if isinstance(tree, list) and place[-1] == len(tree):
        tree.append(value)
        return
    old = tree.get(place[-1]) if isinstance(tree, dict) else None
    if isinstance(old, dict) and isinstance(value, dict):
        for gone in old.keys() - value.keys():
            del old[gone]
        for key, part in value.items():
            if old.get(key) != part:
                old[key] = part
    else:
        tree[place[-1]] = value


def _as_read(value: Any) -> Any:
    """A value as our reader gives it: a date is text."""
    if isinstance(value, dict):
        return {key: _as_read(part) for key, part in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def _with(data: Any, place: Path_, value: Any) -> Any:
    """`data` with `value` at `place`, as a new value."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(data, list) and isinstance(key, int):
        if key == len(data) and not rest:
            return [*data, value]
        return [_with(part, rest, value) if i == key else part for i, part in enumerate(data)]
    fields = data if isinstance(data, dict) else {}
    return {**fields, key: _with(fields.get(key), rest, value)}


def _by_hand(path: Path, values: Mapping[Path_, Any]) -> InputError:
    fragment: Any = {}
    for place, value in values.items():
        fragment = _with(fragment, tuple(str(p) for p in place), value)
    return InputError(
        Problem(
            _("the file is written in a way that cannot be edited without changing more of it"),
            str(path),
            hint=_("write this by hand:\n{fragment}").format(fragment=yamlfile.dump(fragment)),
        )
    )
