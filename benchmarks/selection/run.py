"""Selections solved by smartcity, beside the plain one-model formulation on HiGHS and CP-SAT.

All in one run, one after the other. "proof" is the search for the most benefit alone, which is
what the peers do; "whole" is all of `solve.best`, with the later aims. Prints medians, the worst
and ratios; nothing is asserted.
Usage: run.py [--instances N] [--limit SECONDS] [--sizes 174x4,2000x12] [--only WORDS] [--no-peers]
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/support"))

import second_solver
from knapsacks import knapsack
from selection_instances import MIXED, TIGHT, large_question

from smartcity_pkg.selection import highs, model
from smartcity_pkg.selection.highs import Effort, Status
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.setups.branching import search
from smartcity_pkg.selection.setups.relaxed import Aim
from smartcity_pkg.selection.setups.table import table_of
from smartcity_pkg.selection.solution import UndecidedError
from smartcity_pkg.selection.solve import best

LARGE = 1000
"""Apps from which on only smartcity's gap is measured, after `LARGE_LIMIT_S`."""
LARGE_LIMIT_S = 30.0


@dataclass(frozen=True)
class Result:
    """One tool on one instance; `benefit` is None where nothing was found."""

    seconds: float
    benefit: int | None
    bound: int
    settled: bool = True

    @property
    def proven(self) -> bool:
        return self.benefit == self.bound

    @property
    def gap(self) -> float:
        if self.benefit is None:
            return math.inf
        return (self.bound - self.benefit) / max(1, self.benefit)


Tool = Callable[[Question, float], Result]


def proof(question: Question, limit_s: float) -> Result:
    """smartcity until the most benefit is proven: the first aim of `solve.best`."""
    began = time.monotonic()
    found = search(table_of(question), Effort(limit_s), began + limit_s, Aim())
    seconds = time.monotonic() - began
    most = sum(c.benefit for c in question.apps)
    bound = min(most, math.floor(-found.bound)) if math.isfinite(found.bound) else most
    return Result(seconds, None if found.placement is None else -found.value, bound)


def whole(question: Question, limit_s: float) -> Result:
    """smartcity with all its aims."""
    began = time.monotonic()
    try:
        solution = best(question, Effort(limit_s))
    except UndecidedError:
        most = sum(c.benefit for c in question.apps)
        return Result(time.monotonic() - began, None, most, settled=False)
    seconds = time.monotonic() - began
    if solution is None:  # said to be impossible: no benefit at all
        return Result(seconds, None, -1)
    return Result(seconds, solution.benefit, solution.bound, solution.settled)


def plain_highs(question: Question, limit_s: float) -> Result:
    """The plain model on HiGHS, most benefit only."""
    began = time.monotonic()
    objective = {c: -n for c, n in model.benefit(question).items()}
    outcome = highs.minimise(model.build(question), objective, Effort(limit_s, threads=2))
    seconds = time.monotonic() - began
    most = sum(model.benefit(question).values())
    if not outcome.values:
        return Result(seconds, None, most)
    benefit = -sum(n * outcome.values[c] for c, n in objective.items())
    if outcome.status is Status.OPTIMAL:
        return Result(seconds, benefit, benefit)
    return Result(seconds, benefit, most if outcome.bound is None else min(most, -outcome.bound))


def cp_sat(workers: int) -> Tool:
    """The plain model on CP-SAT, most benefit only."""

    def solve(question: Question, limit_s: float) -> Result:
        began = time.monotonic()
        optimum = second_solver.most_benefit(question, time_limit_s=limit_s, workers=workers)
        return Result(time.monotonic() - began, optimum.benefit, optimum.bound)

    return solve


OURS: dict[str, Tool] = {"smartcity proof": proof, "smartcity whole": whole}
PEERS: dict[str, Tool] = {
    "HiGHS": plain_highs,
    "CP-SAT 8 workers": cp_sat(8),
    "CP-SAT 1 worker": cp_sat(1),
}


def measure(questions: dict[str, Question], tools: dict[str, Tool], limit_s: float) -> None:
    """Every tool on every question: a line each, then the summary."""
    print(f"{'instance':22}{'tool':18}{'seconds':>9}{'benefit':>10}{'gap %':>8}")
    found: dict[str, list[Result]] = {tool: [] for tool in tools}
    for name, question in questions.items():
        for tool, solve in tools.items():
            result = solve(question, limit_s)
            found[tool].append(result)
            note = "" if result.settled else "  later aims open"
            benefit = "-" if result.benefit is None else f"{result.benefit:,}"
            line = f"{name:22}{tool:18}{result.seconds:9.2f}{benefit:>10}{result.gap * 100:8.3f}"
            print(line + note, flush=True)
        warn_of_contradictions(name, [results[-1] for results in found.values()])
    summarise(found)


def warn_of_contradictions(name: str, results: list[Result]) -> None:
    """A plan above another tool's bound would mean that one of them is wrong."""
    least = min(result.bound for result in results)
    most = max((r.benefit for r in results if r.benefit is not None), default=0)
    if most > least:
        print(f"{name}: CONTRADICTION, benefit {most} found and at most {least} proven")


def summarise(found: dict[str, list[Result]]) -> None:
    """Medians and the worst of each tool; runs stopped at the limit count with the limit."""
    print(
        f"\n{'tool':18}{'median s':>10}{'worst s':>10}{'proven':>9}{'worst gap %':>13}{'ratio':>8}"
    )
    ours = statistics.median(r.seconds for r in next(iter(found.values())))
    for tool, results in found.items():
        seconds = [r.seconds for r in results]
        proven = f"{sum(r.proven for r in results)}/{len(results)}"
        middle, gap = statistics.median(seconds), max(r.gap for r in results) * 100
        print(
            f"{tool:18}{middle:10.2f}{max(seconds):10.2f}{proven:>9}{gap:13.3f}{middle / ours:8.1f}"
        )
    print(flush=True)


def generated(
    apps: int, servers: int, count: int, offers: tuple[float, float] = MIXED
) -> dict[str, Question]:
    """`count` generated questions, by name."""
    return {
        f"{apps}x{servers} #{seed}": large_question(seed, apps=apps, servers=servers, offers=offers)
        for seed in range(1, count + 1)
    }


def fresh(questions: dict[str, Question]) -> dict[str, Question]:
    """The same questions where nothing runs yet."""
    return {name: replace(question, running={}) for name, question in questions.items()}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--sizes", default="174x4,2000x12")
    parser.add_argument("--only", default="", help="only families with these words")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    for size in chosen.sizes.split(","):
        apps, servers = (int(n) for n in size.split("x"))
        if apps >= LARGE:
            limit = min(chosen.limit, LARGE_LIMIT_S)
            print(f"== {size}: the gap after {limit:g} s; goal 0.1 %")
            measure(
                generated(apps, servers, min(10, chosen.instances)), {"smartcity": whole}, limit
            )
            continue
        mixed = generated(apps, servers, chosen.instances)
        tight = generated(apps, servers, chosen.instances, TIGHT)
        for words, questions in {
            "some limits bind, nothing runs yet": fresh(mixed),
            "some limits bind, with a running plan": mixed,
            "all limits bind, nothing runs yet": fresh(tight),
        }.items():
            if chosen.only in words:
                print(f"== {size}, {words}; limit {chosen.limit:g} s")
                measure(questions, OURS | (PEERS if chosen.peers else {}), chosen.limit)
    if chosen.only:
        return
    print("== multidimensional knapsacks by the recipe of Chu and Beasley (1998), m=5, n=100")
    sacks = {
        f"alpha {alpha} #{seed}": knapsack(seed, alpha)
        for alpha in (0.25, 0.5, 0.75)
        for seed in range(1, min(2, chosen.instances) + 1)
    }
    measure(sacks, OURS | PEERS, chosen.limit)


if __name__ == "__main__":
    main()
