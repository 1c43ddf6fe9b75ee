"""Linear models and HiGHS: minimise a whole-number objective, with an honest bound.

`minimise` solves a model with its whole numbers; a `Continuous` is solved without them, again and
again with other bounds. The only module that knows highspy, and loads it on first use. What to
minimise, and whether the answer keeps the rules exactly, is for those who ask.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection.abreast import stopping
from smartcity_pkg.selection.model import Column, LinearModel, Terms

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-9
"""Of feasibility and of integrality; the strictest that HiGHS is used to is 1e-10."""

_BOUND_SLACK = 1e-5
"""A dual bound this little above a whole number still counts as that number."""

_MOST_ITERATIONS = 5000
"""Steps of the simplex after which it begins anew, without the basis that it was given: 2,000 apps
on 12 servers take few over 5,000 from a basis that is any good; from some, 40,000 and half a
minute."""

_INTERIOR_FROM = 5000
"""Columns from which on a model without a basis is solved by an interior point first: 2,000 apps on
12 servers take 3 to 5 s, where the simplex takes 4 to 14."""

_SPARED = {
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_heuristic_run_rins": False,
    "mip_allow_restart": False,
    "mip_detect_symmetry": False,
    "mip_pscost_minreliable": 4,
}
"""What HiGHS does by default, and does not pay in models of a narrow window with few open columns:
without it 420 recorded runs take 40 % less CPU and end the same way."""


class Status(Enum):
    """How a run ended."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Effort:
    """How much work a run may be: seconds, threads, the seed of random choices, branches.

    The answer of `solve.best` depends on none of them as long as the time suffices.
    """

    time_limit_s: float = 60
    threads: int = 1
    seed: int = 0
    most_nodes: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The best values found (empty where none were), and a proven lower bound of the objective."""

    status: Status
    values: Mapping[Column, int]
    bound: int | None


def minimise(model: LinearModel, objective: Terms, effort: Effort) -> Outcome:
    """Minimise `objective` over the whole-number solutions of `model`.

    STOPPED means that the time or the nodes were over, or that HiGHS contradicts itself; `values`
    then hold the best found so far, if any. Raises SmartCityError where HiGHS gives up.

    No start is passed, on purpose: HiGHS 1.16 can map one to a better point of its presolved
    model, report that point's objective as optimal, and return the start's columns.
    """
    import highspy

    solver, index = _silent(highspy), {column: i for i, column in enumerate(model.bounds)}
    _prepare(solver, effort)
    _pass(highspy, solver, _lp(highspy, model, objective, index))
    _run(solver)
    return _outcome(highspy, solver, objective, index)


def _prepare(solver: Any, effort: Effort) -> None:
    """Set the options of a run with whole numbers."""
    options = {
        **_SPARED,
        "threads": effort.threads,
        "parallel": "off" if effort.threads == 1 else "on",
        "random_seed": effort.seed,
        "time_limit": max(0.0, effort.time_limit_s),
        "mip_max_nodes": 2**31 - 1 if effort.most_nodes is None else effort.most_nodes,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 1e-6,
        "mip_feasibility_tolerance": TOLERANCE,
        "primal_feasibility_tolerance": TOLERANCE,
    }
    for name, value in options.items():
        solver.setOptionValue(name, value)


class _Held:
    """A model that a solver holds, ready to be solved with changing bounds."""

    def __init__(self, model: LinearModel, objective: Terms, *, whole: bool) -> None:
        import highspy

        self._highspy = highspy
        self._solver = _silent(highspy)
        self._index = {column: i for i, column in enumerate(model.bounds)}
        lp = _lp(highspy, model, objective, self._index, whole=whole)
        _pass(highspy, self._solver, lp)

    def positions(self, columns: Sequence[Column]) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Where `columns` stand in the arrays of bounds and values."""
        import numpy as np

        return np.array([self._index[c] for c in columns], dtype=np.int32)


class Again(_Held):
    """A model with its whole numbers, ready to be solved with changing bounds."""

    def __init__(self, model: LinearModel, objective: Terms) -> None:
        self._below = len(model.rows)
        model = model.copy()
        model.at_most(objective, 0)
        super().__init__(model, objective, whole=True)

    def minimise(
        self,
        columns: np.ndarray[Any, np.dtype[np.int32]],
        lower: np.ndarray[Any, np.dtype[np.float64]],
        upper: np.ndarray[Any, np.dtype[np.float64]],
        most: float,
        effort: Effort,
    ) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """The values of the best found with these bounds of `columns`; None where nothing was.

        The objective is at most `most`. Whether the values keep the rules is for those who ask.
        """
        import numpy as np

        highspy, solver = self._highspy, self._solver
        solver.clearSolver()  # what it found last is no start: see `minimise`
        _prepare(solver, effort)
        solver.changeColsBounds(len(columns), columns, lower, upper)
        solver.changeRowBounds(self._below, -highspy.kHighsInf, most)
        _run(solver)
        if solver.getInfo().primal_solution_status != _feasible(highspy):
            return None
        return np.round(np.array(solver.getSolution().col_value))


@dataclass(frozen=True)
class Vertex:
    """An optimum without whole numbers: arrays by column (in the model's order) and by row.

    `reduced[j]` is how much `value` grows at least for each unit that column j leaves its bound
    by; `prices[i]` how much it grows for each unit that row i's bound falls (0 or less).
    """

    value: float
    values: np.ndarray[Any, np.dtype[np.float64]]
    reduced: np.ndarray[Any, np.dtype[np.float64]]
    prices: np.ndarray[Any, np.dtype[np.float64]]
    basis: Any


class OutOfTimeError(Exception):
    """A run without whole numbers took longer than it may."""


class Continuous(_Held):
    """A model without its whole numbers, ready to be solved with changing bounds."""

    def __init__(self, model: LinearModel, objective: Terms) -> None:
        super().__init__(model, objective, whole=False)
        # Presolve would be done afresh each time, and throw the basis away.
        for name, value in {"threads": 1, "parallel": "off", "presolve": "off"}.items():
            self._solver.setOptionValue(name, value)
        self._rows = model.rows

    def solve(
        self,
        columns: np.ndarray[Any, np.dtype[np.int32]],
        lower: np.ndarray[Any, np.dtype[np.float64]],
        upper: np.ndarray[Any, np.dtype[np.float64]],
        *,
        cutoff: float = math.inf,
        basis: Any = None,
        most_steps: int | None = None,
        seconds: float = math.inf,
    ) -> Vertex | None:
        """The optimum with these bounds of `columns` (the others keep theirs).

        None where nothing is allowed, or where it is proven that nothing is below `cutoff`; and
        where it takes more than `most_steps` of the simplex from `basis`, if they are given.
        Raises OutOfTimeError after `seconds`, and SmartCityError where HiGHS gives up.
        """
        import numpy as np

        highspy, solver = self._highspy, self._solver
        ends = highspy.HighsModelStatus
        solver.changeColsBounds(len(columns), columns, lower, upper)
        solver.setOptionValue("objective_bound", cutoff)
        solver.setOptionValue("time_limit", solver.getRunTime() + seconds)
        if basis is not None:
            solver.setBasis(basis)
            solver.setOptionValue("simplex_iteration_limit", most_steps or _MOST_ITERATIONS)
        if self._large and not solver.getBasis().valid:
            self._begin_anew()
        else:
            solver.run()
        solver.setOptionValue("simplex_iteration_limit", highspy.kHighsIInf)
        end = solver.getModelStatus()
        if end == ends.kIterationLimit and most_steps is not None:
            return None
        decided = (ends.kOptimal, ends.kInfeasible, ends.kObjectiveBound, ends.kModelEmpty)
        if end not in (*decided, ends.kTimeLimit):  # the simplex alone is confused by something
            self._begin_anew()
            end = solver.getModelStatus()
        if end == ends.kTimeLimit:
            raise OutOfTimeError
        if end in (ends.kInfeasible, ends.kObjectiveBound):
            return None
        if end == ends.kModelEmpty:
            return self._empty()
        if end != ends.kOptimal:
            raise _gave_up(solver, end)
        found = solver.getSolution()
        return Vertex(
            solver.getInfo().objective_function_value,
            np.array(found.col_value),
            np.array(found.col_dual),
            np.array(found.row_dual),
            solver.getBasis(),
        )

    @property
    def _large(self) -> bool:
        return len(self._index) >= _INTERIOR_FROM

    def _begin_anew(self) -> None:
        """Solve without a basis, and with presolve."""
        solver = self._solver
        solver.clearSolver()
        solver.setOptionValue("simplex_iteration_limit", self._highspy.kHighsIInf)
        solver.setOptionValue("presolve", "on")
        solver.setOptionValue("solver", "ipx" if self._large else "choose")
        solver.run()
        solver.setOptionValue("presolve", "off")
        solver.setOptionValue("solver", "choose")

    def _empty(self) -> Vertex | None:
        """The optimum of a model without columns: HiGHS does not look at its rows."""
        import numpy as np

        for row in self._rows:
            if (row.lower or 0) > 0 or (row.upper is not None and row.upper < 0):
                return None
        none = np.zeros(0)
        return Vertex(0.0, none, none, np.zeros(len(self._rows)), None)


def _silent(highspy: Any) -> Any:
    """A solver that writes nothing: stdout belongs to the command's result.

    HiGHS greets on stdout at the first call that is not an option, and `Highs()` itself makes such
    a call: `enableCallbacks`.
    """

    class Silent(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:
            self.silent()
            super().enableCallbacks()

    return Silent()


def _pass(highspy: Any, solver: Any, lp: Any) -> None:
    """Give the solver a model; one that it refused (numbers from 1e15 on) would be taken for empty.

    Raises SmartCityError where it does.
    """
    if solver.passModel(lp) == highspy.HighsStatus.kError:
        raise _gave_up(solver, highspy.HighsModelStatus.kModelError)


def _run(solver: Any) -> None:
    """Run in a thread, because HiGHS does not notice Ctrl-C itself, and stop it there.

    It is waited for: a process that ends while HiGHS still runs aborts. `startSolve` of highspy
    would do that too, but lets only one solver of a process run at a time.
    """
    solver.HandleUserInterrupt = True
    thread = threading.Thread(target=_run_here, args=(solver,), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.2)
            _stop_if_told()
    except KeyboardInterrupt:
        solver.cancelSolve()
        thread.join()
        raise


def _run_here(solver: Any) -> None:
    solver.run()
    solver.resetThreadScheduler(False)  # belongs to the thread, which ends


def _stop_if_told() -> None:
    if stopping.is_set():
        raise KeyboardInterrupt


def _lp(
    highspy: Any,
    model: LinearModel,
    objective: Terms,
    index: Mapping[Column, int],
    *,
    whole: bool = True,
) -> Any:
    """The model in HiGHS's row-wise form, with or without its whole numbers."""
    import numpy as np

    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(index), len(model.rows)
    lp.col_cost_ = np.array([objective.get(c, 0) for c in model.bounds], dtype=np.float64)
    lp.col_lower_ = np.array([low for low, _high in model.bounds.values()], dtype=np.float64)
    lp.col_upper_ = np.array([high for _low, high in model.bounds.values()], dtype=np.float64)
    kinds = highspy.HighsVarType
    if whole:
        lp.integrality_ = [
            kinds.kInteger if c in model.counted else kinds.kContinuous for c in model.bounds
        ]
    infinity = highspy.kHighsInf
    lp.row_lower_ = np.array([-infinity if r.lower is None else r.lower for r in model.rows])
    lp.row_upper_ = np.array([infinity if r.upper is None else r.upper for r in model.rows])
    starts, columns, factors = [0], [], []
    for row in model.rows:
        for column, factor in row.terms.items():
            columns.append(index[column])
            factors.append(factor)
        starts.append(len(columns))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    lp.a_matrix_.index_ = np.array(columns, dtype=np.int32)
    lp.a_matrix_.value_ = np.array(factors, dtype=np.float64)
    return lp


def _outcome(highspy: Any, solver: Any, objective: Terms, index: Mapping[Column, int]) -> Outcome:
    ends = highspy.HighsModelStatus
    end = solver.getModelStatus()
    if end in (ends.kInfeasible, ends.kUnboundedOrInfeasible):
        return Outcome(Status.INFEASIBLE, {}, None)
    if end == ends.kSolveError:  # numbers too hard for it: nothing is found, nothing proven
        return Outcome(Status.STOPPED, {}, None)
    stopped = end in (ends.kTimeLimit, ends.kSolutionLimit)
    if not stopped and end not in (ends.kOptimal, ends.kModelEmpty):
        raise _gave_up(solver, end)
    info = solver.getInfo()
    values: dict[Column, int] = {}
    if info.primal_solution_status == _feasible(highspy):
        found = solver.getSolution().col_value
        values = {column: round(found[i]) for column, i in index.items()}
    limit = info.mip_dual_bound
    bound = math.ceil(limit - _BOUND_SLACK) if math.isfinite(limit) else None
    reached = sum(n * values.get(column, 0) for column, n in objective.items())
    proven = not stopped and (not objective or (bound is not None and reached <= bound))
    return Outcome(Status.OPTIMAL if proven else Status.STOPPED, values, bound)


def _feasible(highspy: Any) -> Any:
    return highspy.SolutionStatus.kSolutionStatusFeasible


def _gave_up(solver: Any, end: Any) -> SmartCityError:
    return SmartCityError(
        _("the solver HiGHS gave up: {status}").format(status=solver.modelStatusToString(end)),
        _("this is a fault of smartcity; report it with the profile that caused it"),
    )
