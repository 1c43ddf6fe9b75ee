"""One self-contained HTML page about a plan, in the active language: to read, to print, to sign.

The figures come from `figures`, the look from `select.html.j2`. The date is given, not read from
a clock: the same plan gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.i18n import _, language
from smartcity_pkg.core.units import number_text, rupiah_text
from smartcity_pkg.report import figures
from smartcity_pkg.report.figures import Bar, NextPurchase
from smartcity_pkg.selection import limits
from smartcity_pkg.selection.reasons import extra_text
from smartcity_pkg.selection.verify import PEMDA

_TEMPLATE = "select.html.j2"


@dataclass(frozen=True)
class Row:
    """One app of a table."""

    app: str
    title: str
    benefit: int
    why: str
    version: str = ""
    servers: str = ""
    takes: tuple[str, ...] | None = None
    moving: bool = False


@dataclass(frozen=True)
class Group:
    """The chosen apps of one group of the catalogue."""

    title: str
    rows: tuple[Row, ...]


def page(plan: Plan, catalogue: Catalogue, pemda: Pemda, judged_on: date) -> str:
    """The page's HTML. `plan` must be of this catalogue and profile."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        _=_,
        number=_number,
        percent=number_text,
        worth=lambda value: number_text(value, 2),
        rupiah=rupiah_text,
        limit_title=_limit_title,
        bar_text=_bar_text,
        extra_text=extra_text,
    )
    purchases = figures.next_purchases(plan, pemda.prices)
    return environment.get_template(_TEMPLATE).render(
        language=language(),
        plan=plan,
        pemda=pemda,
        date=day_text(judged_on),
        proof=_proof(plan),
        servers=[s for s in figures.scopes(plan) if s.name != PEMDA],
        shared=[s for s in figures.scopes(plan) if s.name == PEMDA],
        groups=_groups(plan, catalogue, pemda),
        left_out=_left_out(plan, catalogue),
        purchases=purchases,
        priced=_priced(purchases),
        titles={n: a.spec.title.in_language(language()) for n, a in catalogue.apps.items()},
    )


def day_text(day: date) -> str:
    """A date as people write it: 23 November 2026."""
    months = (
        _("January"),
        _("February"),
        _("March"),
        _("April"),
        _("May"),
        _("June"),
        _("July"),
        _("August"),
        _("September"),
        _("October"),
        _("November"),
        _("December"),
    )
    return f"{day.day} {months[day.month - 1]} {day.year}"


def _proof(plan: Plan) -> str:
    if plan.benefit == plan.bound:
        return _("Proven: no other plan brings more benefit.")
    gap = number_text(100 * (plan.bound - plan.benefit) / plan.bound, 2)
    return _(
        "The best found in the time given; at most {bound} would be possible (gap {gap} %)."
    ).format(bound=number_text(plan.bound), gap=gap)


def _groups(plan: Plan, catalogue: Catalogue, pemda: Pemda) -> tuple[Group, ...]:
    titles = {
        "layanan-publik": _("Public services"),
        "e-gov": _("Government administration"),
        "platform": _("Platform (comes along with the apps that need it)"),
    }
    rows = {
        group: tuple(
            sorted(
                (
                    Row(
                        app=p.app,
                        title=catalogue.apps[p.app].spec.title.in_language(language()),
                        benefit=_benefit(catalogue, pemda, p.app),
                        why=p.reason,
                        version=p.version,
                        servers=", ".join(p.servers),
                    )
                    for p in plan.apps
                    if catalogue.apps[p.app].spec.group == group
                ),
                key=lambda row: (-row.benefit, row.app),
            )
        )
        for group in titles
    }
    return tuple(Group(titles[group], found) for group, found in rows.items() if found)


def _benefit(catalogue: Catalogue, pemda: Pemda, name: str) -> int:
    app = catalogue.apps[name]
    return 0 if app.is_platform else pemda.choice.priorities.get(name, app.spec.benefit)


def _left_out(plan: Plan, catalogue: Catalogue) -> tuple[Row, ...]:
    rows = [
        Row(
            app=left.app,
            title=catalogue.apps[left.app].spec.title.in_language(language()),
            benefit=left.benefit,
            why=left.reason,
            takes=None if left.extra is None else tuple(extra_text([e]) for e in left.extra),
            moving=left.moving,
        )
        for left in plan.left_out
    ]
    return tuple(sorted(rows, key=lambda row: (-row.benefit, row.app)))


def _priced(purchases: Sequence[NextPurchase]) -> bool:
    """Whether any purchase has a price; else they are ranked by capacity, and the page says so."""
    return any(p.price is not None for p in purchases)


def _limit_title(limit: str) -> str:
    """A limit as the page names it, in units that people think in."""
    if skill := limits.skill_of(limit):
        return _("People: {skill}").format(skill=skill)
    if group := limits.group_of(limit):
        return _("Apps of the group {group}").format(group=group)
    return {
        limits.MEMORY: _("Memory"),
        limits.CPUS: _("CPU"),
        limits.DISK: _("Disk"),
        limits.BANDWIDTH: _("Link"),
        limits.COST: _("Budget a year"),
    }.get(limit, limit)


def _scaled(limit: str, amount: float) -> tuple[float, str]:
    """`amount` of a plan's file in the unit that people think in, and that unit."""
    if limit in (limits.MEMORY, limits.DISK):
        return amount / 1024, "GiB"
    if limit == limits.BANDWIDTH:
        return amount / 1000, "Mbit/s"
    return amount, ""


def _number(value: float) -> str:
    """At most two decimals, as the active language writes them."""
    decimals = next(d for d in range(3) if d == 2 or round(value, d) == round(value, 2))
    return number_text(value, decimals)


def _bar_text(bar: Bar) -> str:
    """The numbers beside a bar: what it shows, said in words."""
    if bar.limit == limits.COST:
        return _("{used} of {available}").format(
            used=rupiah_text(bar.used), available=rupiah_text(bar.available)
        )
    used, unit = _scaled(bar.limit, bar.used)
    available, _same = _scaled(bar.limit, bar.available)
    text = _("{used} of {available}").format(used=_number(used), available=_number(available))
    text = f"{text} {unit}".strip()
    if bar.peak > bar.used:
        peak, _same = _scaled(bar.limit, bar.peak)
        text = _("{text}; {peak} {unit} ({percent} %) while installing").format(
            text=text,
            peak=_number(peak),
            unit=unit,
            percent=number_text(bar.peak_percent),
        )
    return text
