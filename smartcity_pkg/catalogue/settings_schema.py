"""An app's settings: whether its JSON Schema is sound, and what in given values breaks it.

JSON Schema draft 7 through fastjsonschema. A schema is read strictly: a keyword that draft 7 does
not know is a spelling mistake, and a reference may not leave the schema (it would be fetched from
the network). Where a value stands in its file is for the caller to find.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smartcity_pkg.catalogue.faults import shown
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import N_, _

Path_ = tuple[str | int, ...]


def _list_or(a_list: Any, other: Any) -> dict[str, Any]:
    """Unlike anyOf, this lets the fault be told that the one meant has."""
    return {"if": {"type": "array"}, "then": a_list, "else": other}


_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_TEXT = {"type": "string"}
_TRUTH = {"type": "boolean"}
_SELF = {"$ref": "#/definitions/schema"}
_SELVES = {"type": "object", "additionalProperties": _SELF}
_SELF_LIST = {"type": "array", "minItems": 1, "items": _SELF}
_NAMES = {"type": "array", "items": _TEXT, "uniqueItems": True}
_TYPES = {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]}
# JSON Schema Validation draft 7, sections 6, 7 and 10; Core draft 7, sections 8 and 9.
_KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("$id", "$schema", "$comment", "title", "description", "format"), _TEXT),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _TEXT),
    **dict.fromkeys(("default", "const"), True),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _NUMBER),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems"), _COUNT),
    **dict.fromkeys(("maxProperties", "minProperties"), _COUNT),
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames"), _SELF),
    **dict.fromkeys(("additionalItems", "additionalProperties"), _SELF),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _SELF_LIST),
    **dict.fromkeys(("properties", "patternProperties", "definitions"), _SELVES),
    **dict.fromkeys(("readOnly", "writeOnly", "uniqueItems"), _TRUTH),
    "$ref": {"type": "string", "pattern": "^#"},
    "examples": {"type": "array"},
    "enum": {"type": "array", "minItems": 1},
    "items": _list_or(_SELF_LIST, _SELF),
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "pattern": {"type": "string", "format": "regex"},
    "required": _NAMES,
    "dependencies": {"type": "object", "additionalProperties": _list_or(_NAMES, _SELF)},
    "type": _list_or({"items": _TYPES, "minItems": 1}, _TYPES),
}
_SCHEMA_OF_SCHEMAS = {
    "definitions": {
        "schema": {
            "type": ["object", "boolean"],
            "properties": _KEYWORDS,
            "additionalProperties": False,
        }
    },
    "allOf": [_SELF, {"type": "object", "required": ["type"]}],
    "properties": {"type": {"const": "object"}},
}

# By the keyword that a value breaks.
_SENTENCES = {
    "type": N_("expected {limit}"),
    "enum": N_("expected one of: {limit}"),
    "const": N_("expected: {limit}"),
    "minimum": N_("expected at least {limit}"),
    "maximum": N_("expected at most {limit}"),
    "minLength": N_("expected at least {limit} letters"),
    "maxLength": N_("expected at most {limit} letters"),
    "minItems": N_("expected at least {limit} entries"),
    "maxItems": N_("expected at most {limit} entries"),
    "uniqueItems": N_("an entry stands here twice"),
    "pattern": N_("expected text of the form {limit}"),
    "required": N_("something is missing, it needs: {limit}"),
}


@dataclass(frozen=True)
class SettingFault:
    """What is wrong at `path` below the settings (or below their schema)."""

    path: Path_
    message: str


def schema_faults(schema: Mapping[str, Any]) -> list[SettingFault]:
    """What keeps `schema` from describing settings; {} (no settings) is sound."""
    from fastjsonschema import JsonSchemaException

    if not schema:
        return []
    if found := _faults(_SCHEMA_OF_SCHEMAS, schema):
        return found
    try:
        _validator(schema)
    except (JsonSchemaException, RecursionError, SyntaxError, ValueError, TypeError) as error:
        return [SettingFault((), _("not a JSON Schema: {why}").format(why=error))]
    properties = schema.get("properties", {})
    return [
        SettingFault(("properties", name, "default", *fault.path), fault.message)
        for name, rule in properties.items()
        if isinstance(rule, dict) and "default" in rule
        for fault in _faults(
            {**rule, "definitions": schema.get("definitions", {})}, rule["default"], name
        )
    ]


def value_faults(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[SettingFault]:
    """What in `values` breaks an app's sound `schema`, at least one fault for each bad setting.

    A setting that has a default may be left out.
    """
    if not schema:
        no_settings = _("the app has no settings")
        return [SettingFault((name,), no_settings) for name in values]
    found: list[SettingFault] = []
    left = dict(values)
    while True:
        faults = _faults(schema, left)
        # Where settings were taken out below, that they are missing now is our own doing.
        found += faults if not found else [f for f in faults if f.path]
        bad = {f.path[0] for f in faults if f.path and f.path[0] in left}
        if not bad:
            return found
        left = {name: value for name, value in left.items() if name not in bad}


def _faults(schema: Mapping[str, Any], value: Any, name: str = "") -> list[SettingFault]:
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(schema)(copy.deepcopy(value))
    except JsonSchemaValueException as error:
        path = _path_in(value, error.path[1:])
        setting = ".".join(str(p) for p in path) or name or _("the settings")
        if error.rule == "additionalProperties":
            known = set(error.definition.get("properties", {}))
            return [
                SettingFault((*path, extra), _("unknown setting “{name}”").format(name=extra))
                for extra in error.value
                if extra not in known
            ] or [SettingFault(path, error.message)]
        return [SettingFault(path, f"“{setting}”: {_sentence(error)}")]
    return []


def _path_in(value: Any, path: list[str]) -> Path_:
    """`path` with list positions as numbers; it ends where it no longer fits `value`."""
    real: list[str | int] = []
    for part in path:
        key: str | int = int(part) if isinstance(value, list) and part.isdecimal() else part
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
        real.append(key)
    return tuple(real)


def _sentence(error: Any) -> str:
    """One broken rule in plain words; fastjsonschema's own where we have none."""
    sentence = _SENTENCES.get(error.rule)
    limit = error.rule_definition
    if sentence is None:
        said = str(error.message).removeprefix("data ")
    elif error.rule == "type":
        said = _(sentence).format(limit=_type_words(limit))
    else:
        words = ", ".join(str(v) for v in limit) if isinstance(limit, list) else limit
        said = _(sentence).format(limit=words)
    return _("{said} (got: {got})").format(said=said, got=shown(error.value))


def _type_words(types: Any) -> str:
    words = {
        "string": _("text (in quotes if it looks like a number)"),
        "integer": _("a whole number"),
        "number": _("a number"),
        "boolean": _("true or false"),
        "array": _("a list"),
        "object": _("fields"),
        "null": _("nothing"),
    }
    names = types if isinstance(types, list) else [types]
    return _(" or ").join(words.get(str(name), str(name)) for name in names)


def _validator(schema: Mapping[str, Any]) -> Callable[[Any], Any]:
    return _compiled(digest.canonical_json(schema))


@lru_cache(maxsize=512)
def _compiled(schema_json: bytes) -> Callable[[Any], Any]:
    import fastjsonschema

    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        json.loads(schema_json), use_default=False
    )
    return compiled
