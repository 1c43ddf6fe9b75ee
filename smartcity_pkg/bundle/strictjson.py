"""JSON from untrusted hands: bounded in size and depth, no key twice; shapes are checked elsewhere.

The standard reader takes the last of two equal keys, so that two programs may read two different
things in the same bytes. Nothing signed may be ambiguous.
"""

from __future__ import annotations

import json
from typing import Any

from smartcity_pkg.core.i18n import _

MAX_BYTES = 16 << 20
MAX_DEPTH = 32


class UnsafeJsonError(ValueError):
    """The bytes are no JSON that may be trusted to mean one thing; `str` says why."""


def loads(data: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """`data` as JSON; UnsafeJsonError if too large or deep, ambiguous, or no JSON (RFC 8259)."""
    if len(data) > max_bytes:
        raise UnsafeJsonError(_("larger than {limit} bytes").format(limit=max_bytes))
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except UnsafeJsonError:
        raise
    except RecursionError as error:
        raise UnsafeJsonError(_("nested too deeply")) from error
    except ValueError as error:
        raise UnsafeJsonError(str(error)) from error
    _check_depth(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise UnsafeJsonError(_("a key stands twice in one object"))
    return result


def _no_constant(name: str) -> Any:
    raise UnsafeJsonError(_("{name} is no JSON").format(name=name))


def _check_depth(value: Any) -> None:
    level = [value]
    for _depth in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise UnsafeJsonError(_("nested deeper than {limit}").format(limit=MAX_DEPTH))
