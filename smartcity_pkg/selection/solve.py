"""The best placement of a question: strictly one aim after the other, and proven.

The aims: most benefit; fewest changes of what runs; fewest servers; then a fixed tie-break. Small
questions are one model (`exact`). Large ones are searched by setups (`branching`): which platform
apps each server has, then which apps; see docs/adr/0006-selection-by-setups.md.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.solution import Solution, nothing, solution_of
from smartcity_pkg.selection.verify import on_server, violations

if TYPE_CHECKING:
    from smartcity_pkg.selection.setups.branching import Found
    from smartcity_pkg.selection.setups.table import Table

ONE_MODEL_UP_TO = 48
"""Apps times servers up to which a question is solved as one model; a fixed number, so that the
answer does not depend on the machine."""


def best(
    question: Question, effort: Effort | None = None, one_model_up_to: int = ONE_MODEL_UP_TO
) -> Solution | None:
    """The best placement, or None where it is proven that none keeps every rule.

    In a question of one model, the last aims are fewest app instances, then names (an app earlier
    in the alphabet is preferred, then the profile's earlier server for it). In a larger one, what
    a fixed search finds first is taken. Either way the same question has the same answer, as long
    as the time suffices. Raises UndecidedError when the time runs out with nothing found. When it
    runs out later, the best found so far is returned, and `bound` or `settled` say so.
    """
    effort = effort or Effort()
    if len(question.candidates) * len(question.servers) <= one_model_up_to:
        from smartcity_pkg.selection import exact

        return exact.best(question, effort)
    return _by_setups(question, effort)


def _by_setups(question: Question, effort: Effort) -> Solution | None:
    from smartcity_pkg.selection.setups.branching import search
    from smartcity_pkg.selection.setups.relaxed import Aim
    from smartcity_pkg.selection.setups.table import table_of

    deadline = time.monotonic() + effort.time_limit_s
    table = table_of(question)
    found = search(table, effort, deadline, Aim())
    most = sum(c.benefit for c in question.apps)
    bound = min(most, math.floor(-found.bound)) if math.isfinite(found.bound) else most
    if found.placement is None:
        if math.isinf(found.bound):
            return None
        placement = nothing(question, effort.time_limit_s)
        return solution_of(question, placement, bound=bound, settled=False)
    if bound > -found.value:
        return solution_of(question, found.placement, bound=bound, settled=False)
    placement, settled = _later_aims(question, table, effort, deadline, found)
    assert not violations(question, placement), "the search broke a rule"
    return solution_of(question, placement, bound=bound, settled=settled)


def _later_aims(
    question: Question, table: Table, effort: Effort, deadline: float, found: Found
) -> tuple[Placement, bool]:
    """Fewer changes and fewer servers without giving up benefit; and whether both are proven."""
    from smartcity_pkg.selection.setups.branching import search
    from smartcity_pkg.selection.setups.relaxed import Aim

    placement, benefit = found.placement or {}, -found.value
    stay = _staying(question, placement)
    settled = True
    if stay < len(question.running):
        more = search(table, effort, deadline, Aim(benefit), cutoff=-stay - 1)
        placement = more.placement or placement
        stay = _staying(question, placement)
        settled = more.bound >= -stay
    while settled and (used := _used(question, placement)) > 0:
        fewer = search(table, effort, deadline, Aim(benefit, stay, used - 1), cutoff=-stay)
        if fewer.placement is None:
            settled = math.isinf(fewer.bound)
            break
        placement = fewer.placement
    return placement, settled


def _staying(question: Question, placement: Placement) -> int:
    return sum(placement.get(name) == (s,) for name, s in question.running.items())


def _used(question: Question, placement: Placement) -> int:
    return sum(bool(on_server(placement, server)) for server in question.servers)
