"""The limits of a selection, their exact whole-number units and how people read an amount of them.

Solvers compute with floats; a plan must never exceed a capacity by a rounding error. So every
amount is a whole number of its limit's smallest unit: MiB, thousandths of a CPU or of a person,
kbit/s, thousands of rupiah a year, apps. Demand is rounded up to it and supply down. What is asked
of whom is in `problem`.
"""

from __future__ import annotations

import math

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import number_text

MEMORY = "memory_mib"
CPUS = "cpus"
DISK = "disk_mib"
BANDWIDTH = "bandwidth_kbps"
COST = "cost_idr_per_year"
INSTALLING = "memory_mib_installing"
"""Only in a plan's usage: memory at the highest moment of an installation."""

SERVER_LIMITS = (MEMORY, CPUS, DISK)
_STAFF = "staff:"
_QUOTA = "quota:"
_RUPIAH_A_UNIT = 1000


def staff(skill: str) -> str:
    """The limit that counts people with `skill`."""
    return _STAFF + skill


def skill_of(limit: str) -> str:
    """The skill of a staff limit, "" for every other limit."""
    return limit.removeprefix(_STAFF) if limit.startswith(_STAFF) else ""


def quota(group: str) -> str:
    """The limit that counts the apps of `group`."""
    return _QUOTA + group


def group_of(limit: str) -> str:
    """The group of a quota, "" for every other limit."""
    return limit.removeprefix(_QUOTA) if limit.startswith(_QUOTA) else ""


def _units(limit: str, amount: float) -> float:
    """`amount` in the limit's units; a float's error of less than a millionth is rounded away."""
    if limit == COST:
        return round(amount / _RUPIAH_A_UNIT, 6)
    return round(amount * (1000 if limit == CPUS or skill_of(limit) else 1), 6)


def demanded(limit: str, amount: float) -> int:
    """`amount` (MiB, CPUs, kbit/s, people, rupiah, apps) in the limit's units, rounded up.

    What exceeds a whole unit by less than a millionth is taken for a float's error.
    """
    return math.ceil(_units(limit, amount))


def supplied(limit: str, amount: float) -> int:
    """`amount` in the limit's units, rounded down; less than nothing is nothing."""
    return max(0, math.floor(_units(limit, amount)))


def quantity(limit: str, units: int) -> float:
    """`units` as a plan's file says them: MiB, CPUs, kbit/s, people, rupiah or apps."""
    if limit == COST:
        return float(units * _RUPIAH_A_UNIT)
    return units / (1000 if limit == CPUS or skill_of(limit) else 1)


def amount_text(limit: str, units: int) -> str:
    """`units` in words: “1,240 MiB of memory”, “0.15 people with the skill linux”."""
    number = _number(quantity(limit, units))
    if skill := skill_of(limit):
        return _("{amount} people with the skill {skill}").format(amount=number, skill=skill)
    if group := group_of(limit):
        return _("{amount} apps of the group {group}").format(amount=number, group=group)
    words = {
        MEMORY: _("{amount} MiB of memory"),
        CPUS: _("{amount} CPUs"),
        DISK: _("{amount} MiB of disk"),
        BANDWIDTH: _("{amount} kbit/s of bandwidth"),
        COST: _("Rp{amount} a year"),
    }
    return words[limit].format(amount=number)


def title_text(limit: str) -> str:
    """A limit's name with the unit of a plan's file; a skill and a group keep their own."""
    if skill := skill_of(limit):
        return _("people: {skill}").format(skill=skill)
    if group := group_of(limit):
        return _("apps: {group}").format(group=group)
    return {
        MEMORY: _("memory MiB"),
        INSTALLING: _("memory MiB while installing"),
        CPUS: _("CPU"),
        DISK: _("disk MiB"),
        BANDWIDTH: _("link kbit/s"),
        COST: _("cost Rp a year"),
    }.get(limit, limit)


def bare_amount(limit: str, units: int) -> str:
    """`units` as a number alone, where the limit was named before."""
    return _number(quantity(limit, units))


def _number(value: float) -> str:
    """`value` with at most three decimals, written as the active language writes numbers."""
    decimals = next(d for d in range(4) if d == 3 or round(value, d) == round(value, 3))
    return number_text(value, decimals)
