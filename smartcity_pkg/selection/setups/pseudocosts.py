"""How much branching on a switch moves the bound, learnt from the branchings so far.

Pseudo-costs that begin as strong branching (Achterberg, Koch and Martin 2005).
"""

from __future__ import annotations

_TRIED = 3
"""Results on each side after which a switch's pseudo-cost is trusted."""


class PseudoCosts:
    """The mean gain of each (switch, side) for each unit that the switch moves by."""

    def __init__(self) -> None:
        self.costs: dict[tuple[int, int], tuple[float, int]] = {}

    def trusted(self, switch: int) -> bool:
        """Whether enough is known of a switch."""
        return all(self.costs.get((switch, side), (0, 0))[1] >= _TRIED for side in (0, 1))

    def score(self, switch: int, value: float) -> float:
        """How much branching on a switch that is at `value` is expected to move the bound."""
        known = [total / count for total, count in self.costs.values()]
        mean = sum(known) / len(known) if known else 1.0
        score = 1.0
        for side, part in ((0, value), (1, 1 - value)):
            total, count = self.costs.get((switch, side), (mean, 1))
            score *= max(1e-3, total / count * part)
        return score

    def learn(self, switch: int, side: int, cost: float) -> None:
        """Note what one branching gained."""
        total, count = self.costs.get((switch, side), (0.0, 0))
        self.costs[switch, side] = (total + cost, count + 1)
