"""The relaxation of a question: what it may not give away, and when its solver gives up."""

from __future__ import annotations

import numpy as np
import pytest
from selection_instances import large_question

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.highs import Continuous, OutOfTimeError
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.setups.relaxed import Aim, Relaxation, relax
from smartcity_pkg.selection.setups.table import table_of


def app(
    name: str,
    *requires: str,
    benefit: int = 1,
    memory: int = 300,
    peak: int = 0,
    one_of: tuple[tuple[str, ...], ...] = (),
) -> Candidate:
    needs = {limits.MEMORY: memory}
    return Candidate(name, benefit, False, False, needs, peak, requires=requires, one_of=one_of)


def platform(name: str, *requires: str, memory: int = 0, peak: int = 0) -> Candidate:
    needs = {limits.MEMORY: memory, limits.COST: 15}
    return Candidate(name, 0, True, False, needs, peak, requires=requires)


def asked(*candidates: Candidate, memory: int = 900, budget: int = 10) -> Question:
    return Question(
        {c.name: c for c in sorted(candidates, key=lambda c: c.name)},
        supply={"s1": {limits.MEMORY: memory, limits.CPUS: 0, limits.DISK: 0}},
        shared={limits.COST: budget},
    )


def most(question: Question) -> float:
    """The benefit of the relaxation's optimum."""
    relaxation = relaxed(question)
    columns = relaxation.switches
    solver = Continuous(relaxation.model, relaxation.objective)
    bounds = np.array([relaxation.model.bounds[c] for c in columns], dtype=float)
    vertex = solver.solve(solver.positions(columns), bounds[:, 0], bounds[:, 1])
    assert vertex is not None
    return -vertex.value


def relaxed(question: Question) -> Relaxation:
    return relax(table_of(question), Aim(), layered=False)


def test_apps_that_may_choose_share_a_server_with_those_that_may_not() -> None:
    """Two thirds of a platform app carry two thirds of the server, whoever needs which."""
    databases = (platform("mysql"), platform("postgres"))
    apps = [app(f"e{n}", one_of=(("mysql", "postgres"),)) for n in range(3)]
    apps += [app(f"{name[0]}{n}", name) for name in ("mysql", "postgres") for n in range(3)]
    assert most(asked(*databases, *apps)) == pytest.approx(2)


def test_an_app_that_requires_a_choosing_app_chooses_too() -> None:
    databases = (platform("mysql"), platform("postgres"))
    either = app("a", one_of=(("mysql", "postgres"),))
    question = asked(*databases, either, *(app(f"b{n}", "a") for n in range(3)))
    assert most(question) == pytest.approx(2)


def test_the_peak_of_a_platform_app_is_that_of_its_users() -> None:
    table = table_of(
        asked(
            platform("gateway", peak=300),
            platform("mysql", peak=150),
            platform("postgres", "gateway"),
            app("a", peak=150),
            app("b", "gateway"),
            app("c", one_of=(("mysql", "postgres"),)),
            app("d", "c", peak=300),
        )
    )
    assert dict(zip(table.names, table.level.tolist(), strict=True)) == {
        "a": 1,
        "b": 2,
        "c": 1,
        "d": 2,
    }
    assert dict(zip(table.platforms, table.peak_of.tolist(), strict=True)) == {
        "gateway": 2,
        "mysql": 1,
        "postgres": 2,
    }


def test_platform_apps_are_among_the_users_of_what_they_require() -> None:
    """Two thirds of the gateway carry 600 MiB, and of them postgres takes two thirds of 100."""
    question = asked(
        platform("gateway"),
        Candidate("postgres", 0, True, False, {limits.MEMORY: 100}, requires=("gateway",)),
        app("a", "gateway", "postgres", benefit=10),
        *(app(f"b{n}", "gateway") for n in range(3)),
    )
    assert most(question) == pytest.approx(10 * 2 / 3 + (600 - 200 / 3 - 200) / 300)


def test_a_solver_that_may_take_no_time_or_no_steps_says_so() -> None:
    relaxation = relaxed(large_question(1, apps=40, servers=3))
    solver = Continuous(relaxation.model, relaxation.objective)
    columns = solver.positions(relaxation.switches)
    none, all_on = np.zeros(len(columns)), np.ones(len(columns))
    vertex = solver.solve(columns, none, all_on)
    assert vertex is not None
    assert solver.solve(columns, all_on, all_on, basis=vertex.basis, most_steps=1) is None
    assert solver.solve(columns, all_on, all_on, basis=vertex.basis) is not None
    with pytest.raises(OutOfTimeError):
        solver.solve(columns, none, none, basis=vertex.basis, seconds=0)
