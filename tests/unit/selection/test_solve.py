"""The solver against trying everything, and what never may happen whatever the question."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import selection_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.setups import boxes
from smartcity_pkg.selection.solution import UndecidedError
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import on_server, violations

SEEDS = st.integers(0, 2**32 - 1)


def small(seed: int) -> Question:
    rng = random.Random(seed)
    return oracle.random_question(rng, apps=rng.randint(1, 6), servers=rng.randint(1, 3))


def rich(seed: int) -> Question:
    rng = random.Random(seed)
    servers = rng.randint(1, 3)
    return oracle.rich_question(rng, apps=rng.randint(1, (7, 5, 4)[servers - 1]), servers=servers)


def medium(seed: int) -> Question:
    rng = random.Random(seed)
    return oracle.random_question(rng, apps=rng.randint(8, 20), servers=rng.randint(1, 3))


@given(SEEDS)
@settings(max_examples=300, deadline=None)
def test_best_is_what_trying_everything_finds(seed: int) -> None:
    question = small(seed)
    wanted, solution = oracle.answer(question), best(question)
    assert (solution and dict(solution.placement)) == wanted
    if solution:
        assert solution.proven
        assert solution.settled
        assert solution.rank == oracle.rank(question, solution.placement)[:4]


CHUNK = 100
CHUNKS = [range(start, start + CHUNK) for start in range(0, 1000, CHUNK)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_one_model_answers_a_thousand_questions_as_trying_everything_does(seeds: range) -> None:
    for seed in seeds:
        question = rich(seed)
        wanted, solution = oracle.answer(question), best(question, one_model_up_to=sys.maxsize)
        assert (solution and dict(solution.placement)) == wanted, seed
        assert solution is None or (solution.proven and solution.settled), seed


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_setups_answer_a_thousand_questions_as_trying_everything_does(seeds: range) -> None:
    assert_setups_are_best(seeds)


def test_what_large_questions_get_first_answers_small_ones_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boxes, "LARGE", 0)
    assert_setups_are_best(range(200))


def assert_setups_are_best(seeds: range) -> None:
    """Searching by setups finds what trying everything finds, and proves it."""
    for seed in seeds:
        question = rich(seed)
        wanted, solution = oracle.answer(question), best(question, one_model_up_to=0)
        assert (solution is None) == (wanted is None), seed
        if solution is None or wanted is None:
            continue
        assert violations(question, solution.placement) == (), seed
        assert solution.proven, seed
        assert solution.settled, seed
        assert solution.rank[:3] == oracle.rank(question, wanted)[:3], seed


def test_setups_leave_the_last_server_empty_too() -> None:
    """The best plan of this question is empty, though an app of no benefit runs now."""
    solution = best(rich(163), one_model_up_to=0)
    assert solution is not None
    assert solution.servers == 0


@pytest.mark.parametrize("seed", [360, 518, 539, 635])
def test_setups_that_admit_no_app_are_no_fault(seed: int) -> None:
    solution, wanted = best(rich(seed), one_model_up_to=0), oracle.answer(rich(seed))
    assert (solution is None) == (wanted is None)


def test_the_thousand_questions_hold_all_that_a_question_may_hold() -> None:
    questions = [rich(seed) for chunk in CHUNKS for seed in chunk]
    candidates = [c for q in questions for c in q.candidates.values()]
    shared = [limit for q in questions for limit in q.shared]
    for often in (
        sum(bool(q.running) for q in questions),
        sum(bool(q.musts) for q in questions),
        sum(bool(q.anchors) for q in questions),
        sum(bool(q.conflicts) for q in questions),
        sum(any(size for size in q.layers.values()) for q in questions),
        sum(bool(c.one_of) for c in candidates),
        sum(c.servers is not None for c in candidates),
        sum(limit == limits.COST for limit in shared),
        sum(limit.startswith("quota:") for limit in shared),
    ):
        assert often >= 50


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_no_plan_breaks_a_rule_or_exceeds_a_limit(seed: int) -> None:
    question = medium(seed)
    if solution := best(question):
        assert violations(question, solution.placement) == ()
        for server, supply in question.supply.items():
            here = [question.candidates[n] for n in on_server(solution.placement, server)]
            for limit in limits.SERVER_LIMITS:
                assert sum(c.needs[limit] for c in here) <= supply[limit]
            for candidate in here:
                assert set(candidate.requires) <= {c.name for c in here}


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_plan_depends_on_no_seed_thread_or_repetition(seed: int) -> None:
    question = medium(seed)
    solutions = [
        best(question, Effort(threads=threads, seed=solver_seed))
        for threads, solver_seed in ((1, 0), (1, 0), (1, 7), (2, 0), (2, 99))
    ]
    assert solutions == [solutions[0]] * len(solutions)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_plan_that_runs_stays_when_nothing_changed(seed: int) -> None:
    question = replace(medium(seed), running={})
    if solution := best(question):
        running = {
            c.name: solution.placement[c.name][0]
            for c in question.apps
            if c.name in solution.placement
        }
        again = best(replace(question, running=running))
        assert again is not None
        assert again.placement == solution.placement
        assert again.changes == 0


def apps_of_equal_worth(count: int, memory: int) -> dict[str, Candidate]:
    return {
        name: Candidate(name, 10, platform=False, must=False, needs={limits.MEMORY: memory})
        for name in (f"a{i}" for i in range(count))
    }


def question_of(candidates: dict[str, Candidate], *memory: int) -> Question:
    rest = {limits.CPUS: 0, limits.DISK: 0}
    supply = {f"s{i}": {limits.MEMORY: m, **rest} for i, m in enumerate(memory)}
    return Question(candidates, supply, shared={limits.BANDWIDTH: 0})


def test_among_equals_names_and_the_first_server_decide() -> None:
    solution = best(question_of(apps_of_equal_worth(5, 10), 20, 20))
    assert solution is not None
    assert dict(solution.placement) == {"a0": ("s0",), "a1": ("s0",), "a2": ("s1",), "a3": ("s1",)}


def test_fewer_servers_come_before_names() -> None:
    solution = best(question_of(apps_of_equal_worth(2, 10), 10, 20))
    assert solution is not None
    assert dict(solution.placement) == {"a0": ("s1",), "a1": ("s1",)}


def test_benefit_comes_before_what_runs_and_what_runs_before_servers() -> None:
    candidates = apps_of_equal_worth(2, 10)
    question = replace(question_of(candidates, 20, 10), running={"a0": "s1"})
    solution = best(question)
    assert solution is not None
    assert dict(solution.placement) == {"a0": ("s1",), "a1": ("s0",)}
    candidates["a1"] = replace(candidates["a1"], benefit=11)
    only_one = replace(question_of(candidates, 10), running={"a0": "s0"})
    solution = best(only_one)
    assert solution is not None
    assert dict(solution.placement) == {"a1": ("s0",)}
    assert solution.changes == 1


def test_an_app_without_benefit_is_taken_only_where_it_runs_or_is_wanted() -> None:
    idle = {"idle": replace(apps_of_equal_worth(1, 10)["a0"], name="idle", benefit=0)}
    question = question_of(idle, 10)
    assert (solution := best(question)) is not None
    assert not solution.placement
    assert (solution := best(question.insisting(["idle"]))) is not None
    assert dict(solution.placement) == {"idle": ("s0",)}
    assert (solution := best(replace(question, running={"idle": "s0"}))) is not None
    assert dict(solution.placement) == {"idle": ("s0",)}


def test_the_largest_install_peak_must_be_free_once_not_for_each_app() -> None:
    candidates = {
        n: replace(c, peak=peak)
        for (n, c), peak in zip(apps_of_equal_worth(3, 10).items(), (5, 20, 5), strict=True)
    }
    assert (solution := best(question_of(candidates, 50))) is not None
    assert sorted(solution.placement) == ["a0", "a1", "a2"]
    assert (solution := best(question_of(candidates, 49))) is not None
    assert sorted(solution.placement) == ["a0", "a1"]


def test_the_servers_are_full_to_the_last_unit_and_not_beyond() -> None:
    large = 10**7
    candidates = {
        n: replace(c, needs={limits.MEMORY: large + i})
        for i, (n, c) in enumerate(apps_of_equal_worth(6, 0).items())
    }
    exactly = sum(large + i for i in range(6))
    assert (solution := best(question_of(candidates, exactly))) is not None
    assert solution.benefit == 60
    assert (solution := best(question_of(candidates, exactly - 1))) is not None
    assert solution.benefit == 50


def test_a_must_have_platform_app_runs_once_though_nothing_requires_it() -> None:
    candidates = {
        "base": Candidate("base", 0, True, False, {limits.MEMORY: 1}),
        "db": Candidate("db", 0, True, True, {limits.MEMORY: 1}, requires=("base",)),
        "app": Candidate("app", 5, False, False, {limits.MEMORY: 90}, requires=("base",)),
    }
    candidates = dict(sorted(candidates.items()))
    assert (solution := best(question_of(candidates, 10, 91))) is not None
    assert dict(solution.placement) == {"app": ("s1",), "base": ("s0", "s1"), "db": ("s0",)}


def hard(seed: int) -> Question:
    return oracle.random_question(random.Random(seed), apps=60, servers=4, musts=0, tight=0.5)


def test_a_time_limit_gives_an_allowed_plan_and_an_honest_bound() -> None:
    question = hard(5)
    hurried = best(question, Effort(time_limit_s=0.05))
    assert hurried is not None
    assert violations(question, hurried.placement) == ()
    assert hurried.bound >= hurried.benefit
    assert not hurried.settled
    patient = best(question, Effort(time_limit_s=3))
    assert patient is not None
    assert hurried.benefit <= patient.bound
    assert patient.benefit <= hurried.bound


def test_no_time_and_must_haves_is_undecided_not_impossible() -> None:
    candidates = {
        n: replace(c, must=True, needs={limits.MEMORY: 7 + i})
        for i, (n, c) in enumerate(apps_of_equal_worth(30, 0).items())
    }
    total = sum(c.needs[limits.MEMORY] for c in candidates.values())
    with pytest.raises(UndecidedError):
        best(question_of(candidates, total // 2 + 1, total // 2 + 1), Effort(time_limit_s=0))


@pytest.mark.parametrize("one_model_up_to", [sys.maxsize, 0])
def test_ctrl_c_stops_a_long_solve_within_seconds(one_model_up_to: int) -> None:
    code = (
        "from selection_instances import TIGHT, large_question\n"
        "from smartcity_pkg.selection.highs import Effort\n"
        "from smartcity_pkg.selection.solve import best\n"
        "question = large_question(0, offers=TIGHT)\n"
        "print('begins', flush=True)\n"
        f"best(question, Effort(time_limit_s=300), one_model_up_to={one_model_up_to})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)  # it is at work
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert b"KeyboardInterrupt" in err
    assert out == b""
