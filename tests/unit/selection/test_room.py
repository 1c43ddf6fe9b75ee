"""The least extra capacity admits an app beside the chosen ones, and one unit less does not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import selection_oracle as oracle
from selection_world import TODAY, app, catalogue, pemda, server

from smartcity_pkg.selection import limits, select
from smartcity_pkg.selection.explain import EXACT_UP_TO, Explanation, explain
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question, ask
from smartcity_pkg.selection.shortage import Shortage, raised
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import Rule, standing_platforms, violations


def chosen(question: Question, solution: Solution) -> dict[str, str]:
    placement = solution.placement
    return {c.name: placement[c.name][0] for c in question.apps if c.name in placement}


def admits(
    question: Question,
    kept: dict[str, str],
    found: Explanation,
    extra: tuple[Shortage, ...],
    *,
    may_move: bool,
) -> bool:
    """Solve again: whether all of `kept` and the app run with `extra`."""
    together = replace(question.insisting([*kept, found.app]), running=kept)
    solution = best(raised(together, extra))
    return solution is not None and (may_move or solution.changes == 0)


def one_less(extra: tuple[Shortage, ...]) -> list[tuple[Shortage, ...]]:
    """`extra` with one unit less of each limit in turn."""
    return [
        tuple(replace(s, needed=s.needed - 1) if s is short else s for s in extra)
        for short in extra
    ]


@pytest.mark.parametrize("exact_up_to", [EXACT_UP_TO, 0], ids=["solved", "by-arithmetic"])
def test_the_least_extra_admits_the_app_and_one_unit_less_does_not(exact_up_to: int) -> None:
    judged = moved = several = 0
    for seed in range(80):
        rng = random.Random(seed)
        question = oracle.random_question(
            rng, apps=rng.randint(2, 7), servers=rng.randint(1, 3), musts=0.1, tight=0.4
        )
        solution = best(question)
        if solution is None or standing_platforms(question, solution.placement):
            continue
        kept = chosen(question, solution)
        may_move = exact_up_to > 0
        for found in explain(question, solution, Effort(), exact_up_to).values():
            extra = found.least_extra
            if not extra:
                assert found.against or question.candidates[found.app].benefit == 0
                continue
            judged += 1
            moved += found.moving
            several += len(extra) > 1
            assert admits(question, kept, found, extra, may_move=may_move)
            assert admits(question, kept, found, extra, may_move=False) or found.moving
            for less in one_less(extra):
                assert not admits(question, kept, found, less, may_move=may_move)
    assert judged > 60
    assert several > 5
    assert moved > 0 or exact_up_to == 0


def test_rules_that_no_purchase_mends_stand_in_place_of_an_amount() -> None:
    apps = catalogue(
        app("one", benefit=30, memory=100), app("two", benefit=10, memory=100, conflicts=("one",))
    )
    question = ask(apps.apps, pemda(server("app1", 150)), today=TODAY)
    solution = best(question)
    assert solution is not None
    found = explain(question, solution, Effort())["two"]
    assert [v.rule for v in found.against] == [Rule.CONFLICT]
    assert found.least_extra is None


def test_the_cheaper_of_several_alternatives_decides_the_room() -> None:
    small, large = app("small", platform=True, memory=10), app("large", platform=True, memory=90)
    wants = app("wants", benefit=5, memory=100)
    spec = wants.spec.model_copy(
        update={"requires_one_of": (app("x", requires=("large", "small")).spec.requires,)}
    )
    apps = catalogue(
        small, large, app("big", benefit=50, memory=450), wants.model_copy(update={"spec": spec})
    )
    for profile in (pemda(server("app1", 500)), pemda(server("app1", 500), server("app2", 1))):
        question = ask(apps.apps, profile, today=TODAY)
        solution = best(question)
        assert solution is not None
        for exact_up_to in (0, EXACT_UP_TO):
            (lack,) = explain(question, solution, Effort(), exact_up_to)["wants"].least_extra
            assert (lack.scope, lack.limit, lack.missing) == ("app1", limits.MEMORY, 60)


def test_a_plan_says_what_would_admit_each_app_in_its_own_units() -> None:
    apps = catalogue(
        app("one", benefit=30, memory=100, staff={"linux": 0.5}),
        app("two", benefit=10, memory=100, staff={"linux": 0.75}),
    )
    plan = select(apps, pemda(server("app1", 150), staff={"linux": 1}), today=TODAY)
    (left,) = plan.left_out
    assert [(e.scope, e.limit, e.amount) for e in left.extra] == [
        ("app1", "memory_mib", 50),
        ("pemda", "staff:linux", 0.25),
    ]
    assert (left.app, left.benefit, left.displaces, left.loss) == ("two", 10, ("one",), 20)


def test_what_is_raised_is_exactly_what_lacked() -> None:
    question = oracle.random_question(random.Random(1), apps=4, servers=2, musts=0)
    placement = next(oracle.placements(question))
    lacking = Shortage("s0", limits.MEMORY, 10, 4)
    more = raised(question, [lacking])
    assert more.supply["s0"][limits.MEMORY] == question.supply["s0"][limits.MEMORY] + 6
    assert not violations(more, placement)
