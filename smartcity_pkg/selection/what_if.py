"""What another capacity would change: the changes that a person writes, and the profile with them.

`memory=+16GiB,bandwidth=+20Mbps` is read here; both plans are made by `choose`, and compared by
`difference`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.errors import NothingFitsError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection.choose import select, solved

_SERVER_FIELDS = {"memory": "memory_gib", "cpus": "cpus", "disk": "disk_gib"}
_UNITS = {
    "memory": {"": 1.0, "GiB": 1.0, "MiB": 1 / 1024},
    "disk": {"": 1.0, "GiB": 1.0, "MiB": 1 / 1024, "TiB": 1024.0},
    "bandwidth": {"": 1.0, "Mbps": 1.0, "kbps": 1 / 1000},
    "cpus": {"": 1.0},
    "budget": {"": 1.0},
    "staff": {"": 1.0},
}
_CHANGE = re.compile(
    r"(?:server\.(?P<server>[a-z0-9-]+)\.)?(?P<what>memory|cpus|disk|bandwidth|budget|staff)"
    r"(?:\.(?P<skill>[^=.]+))?=(?P<amount>[+-]\d+(?:\.\d+)?)(?P<unit>[A-Za-z]*)"
)


@dataclass(frozen=True)
class Change:
    """So much more (or less) of one capacity, in the profile's units.

    `server` is "" where the capacity is the pemda's, or the server was left open.
    """

    what: str
    amount: float
    server: str = ""
    skill: str = ""

    @property
    def of_server(self) -> bool:
        """Whether it is a capacity of one server."""
        return self.what in _SERVER_FIELDS


@dataclass(frozen=True)
class WhatIf:
    """Both plans. `server` is where a change without a server's name does the most, else ""."""

    before: Plan
    after: Plan
    server: str = ""


def parse(text: str) -> tuple[Change, ...]:
    """The changes in `text`, separated by commas. Raises UsageError, naming the faulty one."""
    return tuple(_change(part.strip()) for part in text.split(","))


def _change(text: str) -> Change:
    match = _CHANGE.fullmatch(text)
    units = _UNITS[match["what"]] if match else {}
    if (
        match is None
        or match["unit"] not in units
        or (match["what"] == "staff") != bool(match["skill"])
        or (match["server"] and match["what"] not in _SERVER_FIELDS)
    ):
        raise UsageError(
            _("--what-if: “{text}” cannot be read").format(text=text),
            _(
                "write it like one of: memory=+16GiB, cpus=+4, disk=+200GiB, bandwidth=+20Mbps, "
                "budget=+50000000, staff.linux=+0.5, server.NAME.memory=+8GiB"
            ),
        )
    amount = float(match["amount"]) * units[match["unit"]]
    return Change(match["what"], amount, match["server"] or "", match["skill"] or "")


def changed(pemda: Pemda, changes: Sequence[Change], server: str = "") -> Pemda:
    """The profile with the changes; those that name no server are of `server`.

    Raises UsageError for a server that the profile does not have, a budget that it does not
    limit, or where less than nothing would be left.
    """
    content = pemda.model_dump()
    for change in changes:
        _apply(content, change, change.server or server)
    try:
        return Pemda.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UsageError(
            _("--what-if: {field} would not be possible: {why}").format(
                field=place, why=error.errors()[0]["msg"]
            ),
            _("take away less than the profile has"),
        ) from error


def _apply(content: dict[str, Any], change: Change, server: str) -> None:
    if change.of_server:
        found = [s for s in content["servers"] if s["name"] == server]
        if not found:
            raise UsageError(
                _("--what-if: the profile has no server called {server}").format(server=server),
                _("known: {names}").format(names=", ".join(s["name"] for s in content["servers"])),
            )
        found[0][_SERVER_FIELDS[change.what]] += change.amount
    elif change.what == "staff":
        staff = content["staff"]
        staff[change.skill] = staff.get(change.skill, 0) + change.amount
    elif change.what == "bandwidth":
        content["link_mbps"] += change.amount
    elif content["budget_idr_per_year"] is None:
        raise UsageError(
            _("--what-if: the profile sets no limit to the budget"),
            _("enter budget_idr_per_year in the profile, or leave budget out"),
        )
    else:
        content["budget_idr_per_year"] += change.amount


def compare(
    catalogue: Catalogue,
    pemda: Pemda,
    changes: Sequence[Change],
    *,
    today: date,
    running: Plan | None = None,
    time_limit_s: float = 60,
) -> WhatIf:
    """The best plan as things are, and with the changes.

    Changes of a server's capacity that name no server go to one server together: the one where
    they bring the most, the profile's earliest if equal. Raises as `choose.select`, but for a
    change with which the must-have apps fit on no server.
    """
    before = select(catalogue, pemda, today=today, running=running, time_limit_s=time_limit_s)
    server = ""
    if any(c.of_server and not c.server for c in changes):
        tried = list(_tries(catalogue, pemda, changes, today, running, time_limit_s))
        best = max(benefit for benefit, _server in tried)
        server = next(name for benefit, name in tried if benefit == best)
    after = select(
        catalogue,
        changed(pemda, changes, server),
        today=today,
        running=running,
        time_limit_s=time_limit_s,
    )
    return WhatIf(before, after, server)


def _tries(
    catalogue: Catalogue,
    pemda: Pemda,
    changes: Sequence[Change],
    today: date,
    running: Plan | None,
    time_limit_s: float,
) -> Iterator[tuple[int, str]]:
    """The benefit with the open changes on each server in turn; -1 where nothing fits."""
    names = [server.name for server in pemda.servers]
    for name in names:
        if len(names) == 1:
            yield 0, name
            continue
        try:
            _question, solution = solved(
                catalogue,
                changed(pemda, changes, name),
                today=today,
                running=running,
                time_limit_s=time_limit_s,
            )
            yield solution.benefit, name
        except NothingFitsError:
            yield -1, name
