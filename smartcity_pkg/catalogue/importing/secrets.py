"""Secrets of the source: each gets a name, none of them a value; the server makes them.

What looks like a secret is `catalogue.plaintext`'s guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _

# Images that read NAME_FILE (by their public documentation), and how that variable is written.
_READS_FILES = {
    **dict.fromkeys(
        ("postgres", "postgis", "timescaledb", "mysql", "mariadb", "mongo", "wordpress"), "_FILE"
    ),
    **dict.fromkeys(("nextcloud", "minio", "odoo", "n8n", "metabase", "phpmyadmin"), "_FILE"),
    **dict.fromkeys(("grafana", "grafana-oss", "grafana-enterprise", "gitea", "forgejo"), "__FILE"),
}
_ORGANISATIONS = {"bitnami": "_FILE", "bitnamilegacy": "_FILE"}
_LONGEST = 40
MOST = 300  # far more than any app has; each is looked for in every text


def file_variable(image: str, name: str) -> str:
    """The variable that lets `image` read the secret `name` from a file; "" if none is known."""
    path = image.split("/")
    base = path[-1].partition(":")[0].partition("@")[0]
    suffix = _READS_FILES.get(base) or (_ORGANISATIONS.get(path[-2], "") if path[1:] else "")
    return f"{name}{suffix}" if suffix else ""


@dataclass
class Secrets:
    """The secrets of one import by name. Equal values and equal variables are one secret."""

    names: dict[str, None] = field(default_factory=dict)
    _by_source: dict[tuple[str, str], str] = field(default_factory=dict)
    literals: dict[str, str] = field(default_factory=dict)

    def name_for(self, kind: str, source: str, wanted: str) -> str:
        """The secret that `source` (a "variable", a "text", a "file") is; called after `wanted`."""
        known = self._by_source.get((kind, source))
        if known is None and len(self.names) >= MOST:
            raise InputError(
                Problem(_("it has more than {limit} secrets").format(limit=MOST), wanted)
            )
        if known is None:
            known = free_name(secret_name(wanted), self.names)
            self._by_source[(kind, source)] = known
            self.names[known] = None
        if kind == "text":
            self.literals.setdefault(source, known)
        return known


def secret_name(text: str) -> str:
    """`text` in the form that the name of a secret must have."""
    name = re.sub(r"[^a-z0-9_]+", "_", text[:200].lower()).strip("_")[:_LONGEST]
    return name if re.match(r"[a-z]", name) else f"s_{name}".rstrip("_")[:_LONGEST]


def free_name(wanted: str, taken: Collection[str], longest: int = _LONGEST) -> str:
    """`wanted`, with a number after it where that is taken."""
    name, number = wanted, 2
    while name in taken:
        tail = f"_{number}" if "_" in wanted or "-" not in wanted else f"-{number}"
        name, number = wanted[: longest - len(tail)] + tail, number + 1
    return name
