"""The best placement of a small question, as one model: aim after aim, and only one answer.

The aims: most benefit; fewest changes of what runs; fewest servers; fewest app instances; then
names (an app earlier in the alphabet is preferred, then the profile's earlier server for it). The
last makes the optimum unique, so the answer does not depend on how the solver searches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from smartcity_pkg.selection import highs, model
from smartcity_pkg.selection.highs import Effort, Outcome, Status
from smartcity_pkg.selection.model import Column, LinearModel, Terms
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.solution import Solution, nothing, solution_of
from smartcity_pkg.selection.verify import PEMDA, Rule, on_server, standing_platforms, violations

_MOST_WEIGHT = 1 << 14
"""The largest weight in one tie-break run: far from what floats confuse."""


def best(question: Question, effort: Effort) -> Solution | None:
    """The best placement, as `solve.best`."""
    search = _Search(question, effort)
    if not search.first({c: -n for c, n in model.benefit(question).items()}):
        return None
    search.then({c: -n for c, n in model.kept(question).items()})
    if len(question.servers) > 1:
        search.then(model.servers_used(question))
    search.then(model.instances(question))
    search.settle_names()
    search.settle_servers()
    search.settle_platforms()
    return search.solution()


class _Search:
    """One run through the aims: the model narrows, the incumbent gets better."""

    def __init__(self, question: Question, effort: Effort) -> None:
        self.question = question
        self.effort = effort
        self.deadline = time.monotonic() + effort.time_limit_s
        self.model = model.build(question)
        self.values: Mapping[Column, int] = {}
        self.bound = 0
        self.settled = True

    def first(self, objective: Terms) -> bool:
        """Reach the first aim; False where no placement is allowed."""
        outcome = self._run(objective)
        if outcome.status is Status.INFEASIBLE:
            return False
        if not outcome.values:
            empty = nothing(self.question, self.effort.time_limit_s)
            outcome = replace(outcome, values=model.values_of(self.question, empty))
        self.values = outcome.values
        reached = _value(objective, outcome.values)
        most = sum(-n for n in objective.values())
        self.bound = -reached if outcome.status is Status.OPTIMAL else most
        if outcome.bound is not None:
            self.bound = max(-reached, min(self.bound, -outcome.bound))
        self._hold(objective, outcome)
        return True

    def then(self, objective: Terms) -> None:
        """Reach the next aim without giving up those before."""
        if self.settled and objective:
            self._hold(objective, self._improve(objective))

    def settle_names(self) -> None:
        """Prefer apps by name, a few at a time, each weighing more than all after it together."""
        names = [
            c.name for c in self.question.apps if self.model.bounds[("chosen", c.name)] == (0, 1)
        ]
        for block in _blocks(names, 2):
            columns: list[Column] = [("chosen", name) for name in block]
            weights = {c: -(1 << n) for n, c in enumerate(reversed(columns))}
            self._settle(columns, weights, lambda value: value == 1)

    def settle_servers(self) -> None:
        """Prefer the profile's earlier servers, app by app in the order of names."""
        servers = self.question.servers
        placement = self.placement
        standing = standing_platforms(self.question, placement)
        names = sorted({*standing, *(c.name for c in self.question.apps if c.name in placement)})
        if len(servers) == 1:
            return
        for block in _blocks(names, len(servers)):
            weights: dict[Column, int] = {
                ("at", name, server): position * len(servers) ** n
                for n, name in enumerate(reversed(block))
                for position, server in enumerate(servers)
            }
            self._settle(list(weights), weights, lambda value: value == 0)

    def settle_platforms(self) -> None:
        """Where one of several platform apps will do, prefer by name, then by server."""
        optional = {n for c in self.question.candidates.values() for g in c.one_of for n in g}
        names = sorted(p.name for p in self.question.platforms if p.name in optional)
        columns: list[Column] = [("at", n, s) for n in names for s in self.question.servers]
        for start in range(0, len(columns), 14):
            block = columns[start : start + 14]
            weights = {c: -(1 << n) for n, c in enumerate(reversed(block))}
            self._settle(block, weights, lambda value: value == 1)

    @property
    def placement(self) -> dict[str, tuple[str, ...]]:
        """The placement that the incumbent says."""
        return model.placement_of(self.question, self.values)

    def solution(self) -> Solution:
        """The incumbent as a result."""
        return solution_of(self.question, self.placement, bound=self.bound, settled=self.settled)

    def _settle(self, columns: list[Column], weights: Terms, ideal: Callable[[int], bool]) -> None:
        """Find the one best value of `columns` and fix it; no run where nothing can be better."""
        if not self.settled:
            return
        if not all(ideal(self.values[c]) for c, weight in weights.items() if weight):
            self.settled = self._improve(weights).status is Status.OPTIMAL
        for column in columns:
            self.model.fix(column, self.values[column])

    def _hold(self, objective: Terms, outcome: Outcome) -> None:
        """Let no later aim undo what was reached of this one."""
        self.settled = outcome.status is Status.OPTIMAL
        self.model.at_most(objective, _value(objective, self.values))

    def _improve(self, objective: Terms) -> Outcome:
        """Take a better incumbent for `objective` if a run finds one: a stopped run may not."""
        outcome = self._run(objective)
        if outcome.values and _value(objective, outcome.values) < _value(objective, self.values):
            self.values = outcome.values
        return outcome

    def _run(self, objective: Terms) -> Outcome:
        """One run of the solver whose answer keeps the limits exactly.

        An answer that exceeds a limit by less than the solver's tolerance is cut off: the apps
        that are too much together can never all be chosen. That removes no allowed placement.
        """
        while True:
            left = replace(self.effort, time_limit_s=self.deadline - time.monotonic())
            outcome = highs.minimise(self.model, objective, left)
            if not outcome.values:
                return outcome
            placement = model.placement_of(self.question, outcome.values)
            broken = violations(self.question, placement)
            if not broken:
                return replace(outcome, values=model.values_of(self.question, placement))
            if any(v.rule is not Rule.LIMIT for v in broken):
                raise AssertionError(f"the model misses a rule: {broken}")
            for violation in broken:
                _cut_off(self.question, self.model, placement, violation.scope)


def _cut_off(question: Question, linear: LinearModel, placement: Placement, scope: str) -> None:
    """Forbid the apps that exceed a limit of `scope` to be there all at once again."""
    if scope == PEMDA:
        columns = [("at", n, s) for n, servers in placement.items() for s in servers]
    else:
        columns = [("at", n, scope) for n in on_server(placement, scope)]
    linear.at_most(dict.fromkeys(columns, 1), len(columns) - 1)


def _value(terms: Terms, values: Mapping[Column, int]) -> int:
    return sum(n * values[column] for column, n in terms.items())


def _blocks(names: list[str], base: int) -> Iterator[list[str]]:
    """`names` in runs so short that weights of powers of `base` stay below `_MOST_WEIGHT`."""
    size = 1
    while base ** (size + 1) <= _MOST_WEIGHT:
        size += 1
    for i in range(0, len(names), size):
        yield names[i : i + size]
