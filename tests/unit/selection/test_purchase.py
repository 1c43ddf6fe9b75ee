"""A purchase admits what was wished for, keeps what is there, and none is smaller or cheaper."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
import selection_oracle as oracle
from selection_world import TODAY, app, catalogue, pemda, server

from smartcity_pkg.catalogue.pemda import Pemda, Prices
from smartcity_pkg.core.errors import NothingFitsError, UsageError
from smartcity_pkg.selection import limits, purchase, wish
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.purchase import Purchase
from smartcity_pkg.selection.shortage import raised, relative_weights
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import Rule, violations

PRICES = purchase.unit_prices(
    Prices(memory_gib=102_400, cpu=250_000, disk_gib=7_168, staff={"linux": 60_000_000})
)


def every_way(question: Question, present: Solution, wished: str) -> list[dict[str, int]]:
    """What each possible placement of the present apps and `wished` lacks, by trying all."""
    kept = [c.name for c in question.apps if c.name in present.placement]
    together = question.insisting([*kept, wished]).only([*kept, wished, *question.musts])
    plenty = replace(
        together,
        supply={s: dict.fromkeys(of, 10**9) for s, of in together.supply.items()},
        shared=dict.fromkeys(together.shared, 10**9),
    )
    found = []
    for placement in oracle.placements(plenty):
        lacks: dict[str, int] = {}
        for v in violations(together, placement):
            assert v.rule is Rule.LIMIT
            lacks[f"{v.scope} {v.limit}"] = v.used - v.available
        found.append(lacks)
    return found


def of(bought: Purchase) -> dict[str, int]:
    return {f"{s.scope} {s.limit}": s.missing for s in bought.lacking}


def size(lacks: Mapping[str, int], weights: Mapping[str, int]) -> tuple[int, int]:
    return len(lacks), sum(weights[k.split()[1]] * n for k, n in lacks.items())


def price(lacks: Mapping[str, int], weights: Mapping[str, int]) -> tuple[int, Fraction, int]:
    priced = {k: n for k, n in lacks.items() if k.split()[1] in PRICES}
    return (
        sum(weights[k.split()[1]] * n for k, n in lacks.items() if k not in priced),
        sum((PRICES[k.split()[1]] * n for k, n in priced.items()), Fraction(0)),
        len(lacks),
    )


def test_no_purchase_is_smaller_or_cheaper() -> None:
    judged = differ = 0
    for seed in range(60):
        rng = random.Random(seed)
        question = oracle.random_question(
            rng, apps=rng.randint(2, 6), servers=rng.randint(1, 2), musts=0.1, tight=0.4
        )
        question = replace(question, conflicts=())
        present = best(question)
        if present is None:
            continue
        weights = None
        for wished in [c.name for c in question.apps if c.name not in present.placement][:2]:
            smallest = purchase.smallest(question, present, [wished], PRICES, Effort())
            cheapest = purchase.cheapest(question, present, [wished], PRICES, Effort())
            assert smallest and cheapest and smallest.proven and cheapest.proven
            ways = every_way(question, present, wished)
            kept = [c.name for c in question.apps if c.name in present.placement]
            weights = relative_weights(
                question.insisting([*kept, wished]).only([*kept, wished, *question.musts])
            )
            assert size(of(smallest), weights) == min(size(w, weights) for w in ways)
            assert price(of(cheapest), weights) == min(price(w, weights) for w in ways)
            judged += 1
            differ += of(smallest) != of(cheapest)
            for bought in (smallest, cheapest):
                assert bought.after is not None
                assert {wished, *kept} <= set(bought.after.placement)
                assert not violations(raised(question, bought.lacking), bought.after.placement)
    assert judged > 40
    assert differ > 0


def two_servers(**more: object) -> Pemda:
    return pemda(server("app1", 300), server("app2", 100)).model_copy(update=more)


APPS = catalogue(
    app("one", benefit=30, memory=250, disk=10),
    app("two", benefit=20, memory=90, disk=10),
    app("three", benefit=5, memory=200, cpus=2, disk=10),
    app("base", platform=True, memory=20),
    app("foe", benefit=1, conflicts=("one",)),
)


def test_a_wish_names_the_purchase_its_price_and_what_comes_of_it() -> None:
    found = wish.answer(
        APPS, two_servers(prices=Prices(memory_gib=1024)), ["three", "one"], today=TODAY
    )
    assert found.wished == ("three",)
    assert found.cheapest is not None
    (lack,) = found.smallest.lacking
    assert (lack.scope, lack.limit, lack.missing) == ("app1", limits.MEMORY, 150)
    assert (found.smallest.price, found.cheapest.price) == (150, 140)
    assert (found.smallest.moves, found.cheapest.moves) == ((), ("two",))
    assert found.cheapest.after is not None
    assert set(found.cheapest.after.placement) == {"one", "two", "three"}


def test_without_prices_there_is_no_cheapest() -> None:
    assert wish.answer(APPS, two_servers(), ["three"], today=TODAY).cheapest is None


def test_a_price_that_is_unknown_is_not_made_up() -> None:
    found = wish.answer(APPS, two_servers(prices=Prices(cpu=5)), ["three"], today=TODAY)
    assert found.cheapest is not None
    assert found.cheapest.price is None


def test_what_is_there_already_costs_nothing() -> None:
    found = wish.answer(APPS, two_servers(), ["one"], today=TODAY)
    assert (found.wished, found.smallest.lacking, found.smallest.price) == ((), (), 0)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("nosuch", UsageError, "no such app: nosuch"),
        ("base", UsageError, "base is a platform app"),
        ("foe", NothingFitsError, "foe and one exclude each other"),
        ("two", NothingFitsError, "The profile excludes it"),
    ],
)
def test_what_no_purchase_mends_is_refused(name: str, error: type[Exception], says: str) -> None:
    profile = two_servers()
    if name == "two":
        profile = pemda(server("app1", 300), exclude=("two",))
    with pytest.raises(error, match=says):
        wish.answer(APPS, profile, [name], today=TODAY)
