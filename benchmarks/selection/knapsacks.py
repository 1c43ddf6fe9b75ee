"""Multidimensional knapsacks by the recipe of Chu and Beasley (1998), as selection questions.

"A Genetic Algorithm for the Multidimensional Knapsack Problem", Journal of Heuristics 4:
a_ij whole and uniform in 0..1000, b_i = alpha * sum_j a_ij, c_j = sum_i a_ij / m + 500 u_j with u_j
uniform in 0..1. These are generated anew, not the files of the OR-Library. Benefits are rounded to
whole numbers. Of the m = 5 constraints three are the limits of one server and two are shared.
"""

from __future__ import annotations

import random

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Question

LIMITS = (*limits.SERVER_LIMITS, limits.BANDWIDTH, limits.COST)


def knapsack(seed: int, alpha: float, items: int = 100) -> Question:
    """One instance with `items` items; `alpha` is how much of everything the sacks can carry."""
    rng = random.Random(seed)
    weights = [[rng.randint(0, 1000) for _limit in LIMITS] for _item in range(items)]
    capacity = {
        limit: int(alpha * sum(item[i] for item in weights)) for i, limit in enumerate(LIMITS)
    }
    candidates = {
        f"item-{j:03d}": Candidate(
            f"item-{j:03d}",
            benefit=round(sum(item) / len(LIMITS) + 500 * rng.random()),
            platform=False,
            must=False,
            needs=dict(zip(LIMITS, item, strict=True)),
        )
        for j, item in enumerate(weights)
    }
    supply = {limit: capacity.pop(limit) for limit in limits.SERVER_LIMITS}
    return Question(candidates, supply={"sack": supply}, shared=capacity)
