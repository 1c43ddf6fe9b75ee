"""Questions as large as a real catalogue: a second solver agrees, and the answer never varies."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
import second_solver
from selection_instances import large_question

from smartcity_pkg.selection import room
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.setups import boxes
from smartcity_pkg.selection.setups.branching import search
from smartcity_pkg.selection.setups.relaxed import Aim
from smartcity_pkg.selection.setups.table import table_of
from smartcity_pkg.selection.shortage import Shortage, raised
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import violations


def roomy(seed: int) -> Question:
    """174 apps x 4 servers, tight enough that one app stays out; solved in seconds."""
    return replace(large_question(seed, offers=(1.1, 1.7)), running={})


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(large_question(1, apps=40, servers=3, offers=(0.68, 1.04)), id="40x3-a"),
        pytest.param(large_question(2, apps=40, servers=3, offers=(0.68, 1.04)), id="40x3-b"),
        pytest.param(roomy(3), id="174x4"),
    ],
)
def test_a_second_solver_proves_the_same_benefit(question: Question) -> None:
    solution = best(question)
    optimum = second_solver.most_benefit(question, workers=2)
    assert solution is not None
    assert solution.proven
    assert optimum.proven
    assert solution.benefit == optimum.benefit


@pytest.mark.parametrize("seed", [1, 2])
def test_a_second_solver_accepts_the_plan_and_cannot_beat_it(seed: int) -> None:
    question = replace(large_question(seed, offers=(0.77, 1.17)), running={})
    solution = best(question)
    assert solution is not None
    assert solution.proven
    assert violations(question, solution.placement) == ()
    assert second_solver.accepts(question, solution.placement)
    hurried = second_solver.most_benefit(question, workers=2, time_limit_s=10)
    assert hurried.bound >= solution.benefit
    assert hurried.benefit is None or hurried.benefit <= solution.benefit


def test_a_second_solver_rejects_a_plan_that_takes_too_much() -> None:
    question = roomy(3)
    server = question.servers[0]
    everything = {
        n: question.servers if c.platform else (server,) for n, c in question.candidates.items()
    }
    assert violations(question, everything)
    assert not second_solver.accepts(question, everything)


@pytest.mark.parametrize("seed", [2, 6])
def test_threads_seeds_and_a_fresh_process_on_one_core_change_nothing(seed: int) -> None:
    question = large_question(seed, apps=40, servers=3, offers=(0.68, 1.04))
    assert len(question.candidates) * len(question.servers) > 48
    efforts = [Effort(), Effort(threads=2), Effort(seed=7), Effort(threads=2, seed=99)]
    first, *others = [best(question, effort) for effort in efforts]
    assert first is not None
    assert others == [first] * len(others)
    code = (
        "import os\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from selection_instances import large_question\n"
        "from smartcity_pkg.selection.solve import best\n"
        f"question = large_question({seed}, apps=40, servers=3, offers=(0.68, 1.04))\n"
        "print(dict(best(question).placement))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p), "PYTHONHASHSEED": "12345"},
    )
    assert done.stdout.strip() == str(dict(first.placement))


@pytest.mark.parametrize("seconds", [0.5, 2])
def test_a_time_limit_gives_an_allowed_plan_and_an_honest_bound(seconds: float) -> None:
    question = replace(large_question(2, offers=(0.77, 1.17)), running={})
    free = {n: replace(c, must=False) for n, c in question.candidates.items()}
    question = replace(question, candidates=free)
    hurried, patient = best(question, Effort(time_limit_s=seconds)), best(question)
    assert hurried is not None
    assert patient is not None
    assert patient.proven
    assert violations(question, hurried.placement) == ()
    assert hurried.benefit <= patient.benefit <= hurried.bound


@pytest.mark.parametrize("limit_s", [1, 10])
def test_many_servers_get_whole_apps_near_what_splitting_them_would_give(limit_s: float) -> None:
    """Large enough that the first setup is looked for with care, and filled from its relaxation."""
    question = replace(large_question(1, apps=700, servers=8), running={})
    assert len(question.apps) * len(question.servers) > boxes.LARGE
    found = search(table_of(question), Effort(limit_s), time.monotonic() + limit_s, Aim())
    assert found.placement is not None
    assert violations(question, found.placement) == ()
    assert found.value == -sum(question.candidates[n].benefit for n in found.placement)
    assert found.bound <= found.value
    assert limit_s < 10 or found.value <= found.bound * 0.997


def test_many_servers_find_a_place_for_all_that_once_had_one() -> None:
    question = large_question(2, apps=700, servers=8)
    limit_s = 10
    first = search(table_of(question), Effort(limit_s), time.monotonic() + limit_s, Aim())
    assert first.placement is not None
    chosen = [c.name for c in question.apps if c.name in first.placement]
    table = table_of(question.insisting(chosen))
    found = search(table, Effort(limit_s), time.monotonic() + limit_s, Aim())
    assert found.placement is not None
    assert found.value <= first.value
    assert set(chosen) <= set(found.placement)


def test_no_time_at_all_gives_an_allowed_plan_with_every_must_have_app() -> None:
    question = large_question(2, offers=(0.77, 1.17))
    assert question.musts
    solution = best(question, Effort(time_limit_s=0))
    assert solution is not None
    assert violations(question, solution.placement) == ()
    assert solution.bound >= solution.benefit
    assert not solution.settled


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(large_question(1, apps=40, servers=3, offers=(0.68, 1.04)), id="40x3"),
        pytest.param(replace(large_question(2, offers=(0.77, 1.17)), running={}), id="174x4"),
    ],
)
def test_the_least_extra_admits_an_app_and_one_unit_less_does_not(question: Question) -> None:
    solution = best(question)
    assert solution is not None
    left = [c.name for c in question.apps if c.name not in solution.placement]
    judged = 0
    for name in left[:6]:
        way = room.cheapest(question, room.ways(question, solution.placement, name))
        if way is None:
            continue
        judged += 1
        assert way.lacking
        assert fits_beside(question, solution, name, way.lacking)
        for short in way.lacking:
            less = [replace(s, needed=s.needed - (s is short)) for s in way.lacking]
            assert not fits_beside(question, solution, name, less)
    assert judged >= 3


def fits_beside(
    question: Question, solution: Solution, name: str, extra: tuple[Shortage, ...] | list[Shortage]
) -> bool:
    """Solve again, by the second solver: `name` with `extra` beside all chosen, nothing moved."""
    chosen = {
        c.name: solution.placement[c.name] for c in question.apps if c.name in solution.placement
    }
    together = question.insisting([*chosen, name]).only([*chosen, name])
    pinned = {
        n: replace(c, servers=frozenset(chosen[n])) if n in chosen else c
        for n, c in together.candidates.items()
    }
    found = second_solver.most_benefit(raised(replace(together, candidates=pinned), extra))
    assert found.proven or not found.feasible, "undecided"
    return found.feasible
