"""What to buy so that wished apps run beside the present ones: the smallest and the cheapest.

The prices are the profile's, in rupiah a year. What lacks is found in `shortage`; here it becomes
an answer that was proven by solving again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from smartcity_pkg.catalogue.pemda import Prices
from smartcity_pkg.selection import limits, solve
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.shortage import Shortage, gap, raised
from smartcity_pkg.selection.solution import Solution, UndecidedError
from smartcity_pkg.selection.verify import violations

_MOST_PRICE = 10_000_000
"""The largest price of a unit that the solver sees: larger ones are scaled, for floats' sake."""


@dataclass(frozen=True)
class Purchase:
    """What to buy, limit by limit, and the best plan with it that keeps what was asked for.

    `price` is in rupiah a year, None where a limit has none; `moves` are the present apps that
    have to move to another server for it. `proven` says that no smaller (or cheaper) one is
    enough, wherever the apps stand; else it is the least one with which nothing moves. `after` is
    None where the time ran out.
    """

    lacking: tuple[Shortage, ...]
    price: Fraction | None
    moves: tuple[str, ...]
    proven: bool
    after: Solution | None


def unit_prices(prices: Prices) -> dict[str, Fraction]:
    """Rupiah a year of one unit of each limit that has a price.

    A budget's rupiah costs a rupiah; one app more of a group costs nothing but a decision, so
    quotas have no price of their own and are raised only where nothing else helps.
    """
    per_unit: dict[str, tuple[float | None, int | Fraction]] = {
        limits.MEMORY: (prices.memory_gib, 1024),
        limits.CPUS: (prices.cpu, 1000),
        limits.DISK: (prices.disk_gib, 1024),
        limits.BANDWIDTH: (prices.mbps, 1000),
        limits.COST: (1.0, Fraction(1, round(limits.quantity(limits.COST, 1)))),
        **{limits.staff(skill): (price, 1000) for skill, price in prices.staff.items()},
    }
    return {
        limit: Fraction(price) / Fraction(units)
        for limit, (price, units) in per_unit.items()
        if price is not None
    }


def price_of(lacking: Iterable[Shortage], prices: Mapping[str, Fraction]) -> Fraction | None:
    """Rupiah a year of all that lacks; None where a limit has no price."""
    total = Fraction(0)
    for shortage in lacking:
        if shortage.limit not in prices:
            return None
        total += prices[shortage.limit] * shortage.missing
    return total


def smallest(
    question: Question,
    present: Solution,
    wished: Iterable[str],
    prices: Mapping[str, Fraction],
    effort: Effort,
) -> Purchase | None:
    """The purchase of the fewest limits, and of those the least, that admits `wished`.

    All apps of `present` are kept, none of which may conflict with a wished one. None where the
    time ran out before any was found.
    """
    return _purchase(question, present, wished, prices, None, effort)


def cheapest(
    question: Question,
    present: Solution,
    wished: Iterable[str],
    prices: Mapping[str, Fraction],
    effort: Effort,
) -> Purchase | None:
    """The purchase of the least price that admits `wished`; else as `smallest`.

    Limits without a price are bought only where nothing else helps.
    """
    return _purchase(question, present, wished, prices, _whole(prices), effort)


def _purchase(
    question: Question,
    present: Solution,
    wished: Iterable[str],
    prices: Mapping[str, Fraction],
    whole: Mapping[str, int] | None,
    effort: Effort,
) -> Purchase | None:
    kept = {
        c.name: present.placement[c.name][0] for c in question.apps if c.name in present.placement
    }
    together = replace(question.insisting([*kept, *wished]), running=kept)
    part = replace(effort, time_limit_s=effort.time_limit_s / 3)
    anywhere = gap(together, part, prices=whole)
    found = anywhere or gap(together, part, prices=whole, pinned=kept)
    if found is None:
        return None
    possible = raised(together, found.shortages)
    assert not violations(possible, found.placement), "the purchase is not enough"
    return Purchase(
        lacking=found.shortages,
        price=price_of(found.shortages, prices),
        moves=tuple(n for n, server in kept.items() if found.placement[n] != (server,)),
        proven=anywhere is not None,
        after=_best(possible, part),
    )


def _whole(prices: Mapping[str, Fraction]) -> dict[str, int]:
    """The prices as whole numbers in the same proportions, as exact as floats can carry."""
    factor = Fraction(math.lcm(*(p.denominator for p in prices.values())))
    highest = max(prices.values()) * factor
    factor *= min(Fraction(1), Fraction(_MOST_PRICE) / highest)
    return {limit: round(price * factor) for limit, price in prices.items()}


def _best(question: Question, effort: Effort) -> Solution | None:
    try:
        return solve.best(question, effort)
    except UndecidedError:
        return None
