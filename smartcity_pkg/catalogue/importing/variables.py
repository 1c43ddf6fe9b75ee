"""Compose's `${NAME:-default}` resolved once and for all; a catalogue entry has no such variables.

The rules are those of the Compose Specification, "Interpolation". A variable that nobody sets
becomes MARKER. What an environment file says is read here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from smartcity_pkg.catalogue.app import MARKER
from smartcity_pkg.catalogue.yamlfile import MAX_BYTES, Path_
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ALONE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)[^{}]*\}|([A-Za-z_][A-Za-z0-9_]*))")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)")
_BRACES = re.compile(r"\$\$|\$\{|\}")
_DEEPEST = 10
# What stores and images set by themselves, with what it is on a server of ours.
_USUAL = {"TZ": "Asia/Jakarta", "PUID": "1000", "PGID": "1000", "UID": "1000", "GID": "1000"}


@dataclass
class Variables:
    """The variables of one import.

    `unset` are those that were asked for and that nobody sets, with the place of the first asking.
    """

    file: str
    known: Mapping[str, str] = field(default_factory=dict)
    unset: dict[str, Path_] = field(default_factory=dict)
    _written: int = 0
    _at: Path_ | None = None

    def resolve(self, text: str, at: Path_ = (), *, asking: bool = True) -> str:
        """`text`, which stands at `at`, without variables; with `asking`, `unset` takes notice.

        `$$` stays, for Compose reads the draft in its turn. InputError where variables of
        variables would grow without end.
        """
        self._at = at if asking else None
        resolved = self._resolve(text, 0)
        self._written += len(resolved)
        if self._written > 4 * MAX_BYTES:
            raise InputError(Problem(_("its variables make it too long"), self.file))
        return resolved

    def _resolve(self, text: str, depth: int) -> str:
        parts: list[str] = []
        at = 0
        ends = _ends(text)
        while (found := text.find("$", at)) >= 0:
            parts.append(text[at:found])
            if text.startswith("$$", found):
                parts.append("$$")
                at = found + 2
            elif end := ends.get(found):
                parts.append(self._value(text[found + 2 : end], depth))
                at = end + 1
            elif name := _NAME.match(text, found + 1):
                parts.append(self._of(name[0]))
                at = name.end()
            else:
                parts.append("$$")  # Compose would refuse a single one
                at = found + 1
        return "".join([*parts, text[at:]])

    def _value(self, inside: str, depth: int) -> str:
        name = _NAME.match(inside)
        if name is None or depth > _DEEPEST:
            return MARKER
        rest = inside[name.end() :]
        value = self.known.get(name[0])
        operator = rest[:2] if rest.startswith(":") else rest[:1]
        other = rest[len(operator) :]
        present = value is not None and (bool(value) or not operator.startswith(":"))
        if operator in ("+", ":+"):
            return self._resolve(other, depth + 1) if present else ""
        if present:
            return _doubled(value or "")
        if operator in ("-", ":-"):
            return self._resolve(other, depth + 1)
        return self._of(name[0])

    def _of(self, name: str) -> str:
        value = self.known.get(name, _USUAL.get(name))
        if value is None:
            if self._at is not None:
                self.unset.setdefault(name, self._at)
            return MARKER
        return _doubled(value)


def only_variable(text: str) -> str:
    """The name of the variable that `text` consists of; "" where there is more, or none."""
    match = _ALONE.fullmatch(text.strip())
    return (match[1] or match[2]) if match else ""


def environment_file(text: str) -> dict[str, str]:
    """The variables of an environment file (Compose Specification, "env_file")."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and not line.lstrip().startswith("#"):
            value = match[2].strip()
            if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
                value = value[1:-1]
            else:
                value = value.partition(" #")[0].rstrip()
            found[match[1]] = value
    return found


def _ends(text: str) -> dict[int, int]:
    """Where each `${` that closes has its brace, in one pass: texts may be long and hostile."""
    ends: dict[int, int] = {}
    open_: list[int] = []
    for match in _BRACES.finditer(text):
        if match[0] == "${":
            open_.append(match.start())
        elif match[0] == "}" and open_:
            ends[open_.pop()] = match.start()
    return ends


def _doubled(value: str) -> str:
    return value.replace("$", "$$")
