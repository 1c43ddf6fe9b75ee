"""Bounds by whole apps and pooled servers, and models that the solver refuses."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import selection_oracle as oracle

from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.selection.highs import Continuous, Effort, minimise
from smartcity_pkg.selection.model import LinearModel
from smartcity_pkg.selection.setups.relaxed import Aim, relax
from smartcity_pkg.selection.setups.table import table_of
from smartcity_pkg.selection.setups.tightened import Tightened


@pytest.mark.parametrize("split", [False, True], ids=["pooled", "split"])
def test_no_tightened_bound_leaves_out_what_trying_everything_finds(*, split: bool) -> None:
    rng, judged = random.Random(0), 0
    for _number in range(200):
        question = oracle.rich_question(rng, apps=rng.randint(1, 6), servers=rng.randint(1, 2))
        wanted = oracle.answer(question)
        if wanted is None:
            continue
        judged += 1
        least = -sum(question.candidates[name].benefit for name in wanted)
        relaxation = relax(table_of(question), Aim(), layered=True)
        solver = Continuous(relaxation.model, relaxation.objective)
        bounds = [relaxation.model.bounds[c] for c in relaxation.switches]
        lower, upper = np.array(bounds, dtype=float).reshape(-1, 2).T
        vertex = solver.solve(solver.positions(relaxation.switches), lower, upper)
        assert vertex is not None
        known = math.ceil(vertex.value - 0.05)
        bound = Tightened(relaxation, vertex, lower, upper).bound(
            least, Effort(10), known, split=split
        )
        assert bound is not None
        assert bound <= least
    assert judged > 100


def test_a_model_with_numbers_too_large_for_the_solver_is_no_empty_model() -> None:
    model = LinearModel()
    model.add(("chosen", "a"))
    model.at_most({("chosen", "a"): 10**16}, 1)
    with pytest.raises(SmartCityError, match="Model error"):
        minimise(model, {("chosen", "a"): -1}, Effort())
    with pytest.raises(SmartCityError, match="Model error"):
        Continuous(model, {("chosen", "a"): -1})
