"""The figures of a report as values: how full each limit is, and what to buy next.

Every number comes from the plan's file; nothing is solved or measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from smartcity_pkg.catalogue.pemda import Prices
from smartcity_pkg.catalogue.plan import Extra, LeftOut, Plan, Usage
from smartcity_pkg.selection import limits
from smartcity_pkg.selection.purchase import unit_prices
from smartcity_pkg.selection.verify import PEMDA

NEARLY_FULL = 90
"""Percent of a limit from which it is called nearly full."""


@dataclass(frozen=True)
class Bar:
    """How much of one limit is used, in the plan file's units; `peak` is while installing."""

    limit: str
    used: float
    available: float
    peak: float

    @property
    def percent(self) -> float:
        """Used, in percent of what is there, at most 100."""
        return _percent(self.used, self.available)

    @property
    def peak_percent(self) -> float:
        """Used at the highest moment of an installation, in percent, at least `percent`."""
        return max(self.percent, _percent(self.peak, self.available))

    @property
    def nearly_full(self) -> bool:
        """Whether little is left of it, at that moment."""
        return self.peak_percent >= NEARLY_FULL


@dataclass(frozen=True)
class Scope:
    """A server, or the pemda as a whole, with its limits and the apps there."""

    name: str
    bars: tuple[Bar, ...]
    apps: tuple[str, ...]


@dataclass(frozen=True)
class NextPurchase:
    """What to buy to have one more app beside all chosen ones.

    `price` is in rupiah a year, None where a limit has none. `share` is what is bought in percent
    of what the pemda has of each limit, added up. `moving` says that chosen apps have to move.
    """

    app: str
    benefit: int
    extra: tuple[Extra, ...]
    price: Fraction | None
    share: float
    moving: bool

    @property
    def worth(self) -> float:
        """Benefit for each million rupiah a year, or for each percent where there is no price."""
        if self.price is None:
            return self.benefit / max(self.share, 1e-9)
        return float(self.benefit * 1_000_000 / max(self.price, Fraction(1)))


def scopes(plan: Plan) -> tuple[Scope, ...]:
    """Every server of the plan's usage, in its order, then the pemda."""
    found = [
        Scope(
            name,
            tuple(_bars([u for u in plan.usage if u.scope == name])),
            tuple(a.app for a in plan.on_server(name)),
        )
        for name in dict.fromkeys(u.scope for u in plan.usage)
    ]
    return tuple(sorted(found, key=lambda scope: scope.name == PEMDA))


def next_purchases(plan: Plan, prices: Prices) -> tuple[NextPurchase, ...]:
    """What each app left out would take, the most worthwhile first; equal ones by name.

    Those without a price stand after the others. Each is reckoned alone: two of them together may
    take more or less. Apps that only a decision keeps out (a group's quota) have none.
    """
    units = unit_prices(prices)
    found = [
        NextPurchase(
            app=left.app,
            benefit=left.benefit,
            extra=left.extra,
            price=_price(left, units),
            share=_share(plan.usage, left.extra),
            moving=left.moving,
        )
        for left in plan.left_out
        if left.extra and left.benefit and not any(limits.group_of(e.limit) for e in left.extra)
    ]
    return tuple(sorted(found, key=lambda p: (p.price is None, -p.worth, p.app)))


def _bars(usage: Iterable[Usage]) -> Iterable[Bar]:
    by_limit = {u.limit: u for u in usage}
    for limit, line in by_limit.items():
        if limit != limits.INSTALLING:
            peak = by_limit.get(limits.INSTALLING, line) if limit == limits.MEMORY else line
            yield Bar(limit, line.used, line.available, peak.used)


def _price(left: LeftOut, units: Mapping[str, Fraction]) -> Fraction | None:
    total = Fraction(0)
    for extra in left.extra or ():
        if extra.limit not in units:
            return None
        total += units[extra.limit] * limits.demanded(extra.limit, extra.amount)
    return total


def _share(usage: Iterable[Usage], extra: Iterable[Extra]) -> float:
    total: dict[str, float] = {}
    for line in usage:
        total[line.limit] = total.get(line.limit, 0) + line.available
    return sum(100 * e.amount / total[e.limit] if total.get(e.limit) else 100.0 for e in extra)


def _percent(used: float, available: float) -> float:
    return min(100.0, 100 * used / available) if available else (100.0 if used else 0.0)
