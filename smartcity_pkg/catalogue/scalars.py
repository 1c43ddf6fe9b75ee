"""What plain YAML scalars mean here, to read and to write; whole documents are `yamlfile`'s work.

YAML 1.2's core schema, as Compose reads it, and not YAML 1.1, which PyYAML follows by default:
there `on` is true, `1:30` is 90, and `0812` is text while `0712` is 458.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

MAX_DIGITS = 15

TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"
KNOWN_TAGS = frozenset(TAG + name for name in ("str", "null", "bool", "int", "float"))
# YAML 1.2.2, 10.3.2 "Tag Resolution" of the core schema, without .inf and .nan, and without numbers
# that begin with a needless 0: those are telephone numbers and codes.
_PLAIN = (
    (MERGE, r"<<$", "<"),
    (TAG + "null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (TAG + "bool", r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    (TAG + "int", r"(?:[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        TAG + "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
        "-+.0123456789",
    ),
)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Base):  # type: ignore[misc]
    """PyYAML's safe loader, in C where libyaml is there, with this module's plain values."""

    yaml_implicit_resolvers: dict[Any, Any] = {}


class Dumper(yaml.SafeDumper):
    """Quotes text that this module's loader, or one of YAML 1.1, would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: people read these files."""
        return True


for _tag, _regexp, _first in _PLAIN:
    Loader.add_implicit_resolver(_tag, re.compile(_regexp), list(_first))
    Dumper.add_implicit_resolver(_tag, re.compile(_regexp), list(_first))


def number_or_truth(tag: str, text: str) -> int | float | bool:
    """The bool, int or float that `text` says; ValueError or KeyError where it says none."""
    if tag == TAG + "bool":
        return {"true": True, "false": False}[text.lower()]
    value = int(text, 0) if tag == TAG + "int" else float(text)
    if not math.isfinite(value) or abs(value) >= 10**MAX_DIGITS:
        raise ValueError(text)
    return value
