"""A second solver, OR-tools CP-SAT, for the same models: it shares no code with HiGHS.

`model.build` is translated column by column and row by row. All its data are whole numbers, and
its few columns that may be fractions have whole-number optima, so nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ortools.sat.python import cp_model

from smartcity_pkg.selection import model
from smartcity_pkg.selection.model import Column, LinearModel, Row, Terms
from smartcity_pkg.selection.problem import Placement, Question


@dataclass(frozen=True)
class Optimum:
    """What a solver came to. `benefit` is None where it found nothing; `bound` is proven.

    `feasible` is False where it is proven that no placement keeps every rule.
    """

    benefit: int | None
    bound: int
    feasible: bool

    @property
    def proven(self) -> bool:
        """Whether no placement brings more benefit."""
        return self.benefit == self.bound


def most_benefit(
    question: Question, *, time_limit_s: float = 60, workers: int = 1, seed: int = 0
) -> Optimum:
    """The most benefit that the placements of `question` can bring, by CP-SAT."""
    program = translated(model.build(question), {c: -n for c, n in model.benefit(question).items()})
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    status = solver.solve(program)
    if status == cp_model.INFEASIBLE:
        return Optimum(None, 0, feasible=False)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        raise AssertionError(f"CP-SAT rejects the model: {solver.status_name(status)}")
    found = None if status == cp_model.UNKNOWN else -round(solver.objective_value)
    return Optimum(found, math.floor(-solver.best_objective_bound + 1e-6), feasible=True)


def accepts(question: Question, placement: Placement) -> bool:
    """Whether CP-SAT finds that `placement` keeps every rule of the model."""
    linear = model.build(question)
    for column in linear.bounds:
        if column[0] == "at":
            _kind, name, server = column
            linear.at_most({column: 1}, int(server in placement.get(name, ())))
            linear.at_least({column: 1}, int(server in placement.get(name, ())))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    return solver.solve(translated(linear, {})) in (cp_model.OPTIMAL, cp_model.FEASIBLE)


def translated(linear: LinearModel, objective: Terms) -> cp_model.CpModel:
    """`linear` with `objective` to be minimised, as a CP-SAT model."""
    program = cp_model.CpModel()
    columns = {
        column: program.new_int_var(lower, upper, "")
        for column, (lower, upper) in linear.bounds.items()
    }
    for row in linear.rows:
        _add(program, columns, row)
    program.minimize(_sum(columns, objective))
    return program


def _add(program: cp_model.CpModel, columns: Mapping[Column, cp_model.IntVar], row: Row) -> None:
    total = _sum(columns, row.terms)
    if row.lower is not None and row.lower == row.upper:
        program.add(total == row.lower)
        return
    if row.lower is not None:
        program.add(total >= row.lower)
    if row.upper is not None:
        program.add(total <= row.upper)


def _sum(columns: Mapping[Column, cp_model.IntVar], terms: Terms) -> cp_model.LinearExpr:
    return cp_model.LinearExpr.weighted_sum([columns[c] for c in terms], list(terms.values()))
