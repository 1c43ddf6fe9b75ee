"""Search over setups: branch and bound on the switches of a relaxation, most promising first.

Each node's bound is the relaxation's optimum; where its switches come out whole, that setup is
filled with whole apps, and the rest of the node is searched on. Where branching hardly moves the
bound, `tightened` gives another one. Two runs of the solver go side by side where neither needs
what the other finds. Nothing here depends on a clock but the end: while the time suffices, the same
question takes the same way, on one core as on many.
"""

from __future__ import annotations

import heapq
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from smartcity_pkg.selection.abreast import Abreast, Work
from smartcity_pkg.selection.highs import Continuous, Effort, OutOfTimeError, Vertex
from smartcity_pkg.selection.problem import Placement
from smartcity_pkg.selection.setups import boxes, descent
from smartcity_pkg.selection.setups.coarse import guess
from smartcity_pkg.selection.setups.filling import Filled, Filling
from smartcity_pkg.selection.setups.greedy import greedy
from smartcity_pkg.selection.setups.layers import without_layers
from smartcity_pkg.selection.setups.narrow import QUICK_NODES
from smartcity_pkg.selection.setups.nearby import Nearby
from smartcity_pkg.selection.setups.outlook import Outlook
from smartcity_pkg.selection.setups.pseudocosts import PseudoCosts
from smartcity_pkg.selection.setups.relaxed import Aim, layers_matter, relax, setup_of
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.table import Array, Table
from smartcity_pkg.selection.setups.tightened import Tightened

_SLACK = 0.05
"""A node's bound must exceed what is looked for by this much to be left out."""

_NEAR = 0.002
"""The part of the objective by which what was found may be off before more is spent on it."""

_MOST_NODES = 500
_MOST_SETUPS = 8
"""How much is spent on the aims after benefit: branches a setup, and setups. Fixed numbers rather
than a time, so that the answer is the same on slow machines."""

_ROUND = 0.05
"""How much of what is left a rounded-up setup may lose and still be filled."""

_CANDIDATES = 6
"""Switches that are looked at for each branching."""


@dataclass(frozen=True)
class Found:
    """The best placement found, and a proven bound of the objective (to be minimised).

    `placement` is None where nothing good enough was found; if then `bound` is infinite, there is
    nothing.
    """

    placement: Placement | None
    value: int
    bound: float


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    lower: Array = field(compare=False)
    upper: Array = field(compare=False)
    vertex: Vertex = field(compare=False)
    tight: bool = field(compare=False, default=False)

    @property
    def least(self) -> int:
        """The bound as a whole number, which the objective is."""
        return math.ceil(self.bound - _SLACK)


def search(
    table: Table,
    effort: Effort,
    deadline: float,
    aim: Aim,
    *,
    cutoff: int | None = None,
) -> Found:
    """The placement of the least objective, at most `cutoff`.

    Raises SmartCityError where the solver gives up.
    """
    with Abreast() as abreast:
        tree = _Tree(table, effort, deadline, aim, cutoff, abreast)
        tree.run()
    return tree.found()


class _Tree:
    def __init__(
        self,
        table: Table,
        effort: Effort,
        deadline: float,
        aim: Aim,
        cutoff: int | None,
        abreast: Abreast,
    ) -> None:
        self.table, self.effort, self.deadline = table, effort, deadline
        self.abreast = abreast
        self.large = len(table.names) * len(table.servers) >= boxes.LARGE
        self.layered = False
        self._relax(aim)
        if aim == Aim() and not self.large and self._layers_matter():
            self.layered = True
            self._relax(aim)
        self.switches = self.relaxation.switches
        self.positions = self.solvers[0].positions(self.switches)
        self.cutoff = cutoff
        self.best: Placement | None = None
        self.must_dive = aim == Aim()
        self.filled: set[bytes] = set()
        unit = statistics.fmean([*map(abs, self.relaxation.objective.values()), 1])
        self.outlook = Outlook(unit)
        self.split = False
        self.settled = False  # whether a node's setup has been filled
        self.proved = False  # whether the last setup held nothing better
        self.value = 0
        self.heap: list[_Node] = []
        self.taken: list[_Node] = []  # what is worked on
        self.numbers = 0
        self.open: list[tuple[float, Filling]] = []
        self.costs = PseudoCosts()
        self.most_open = math.inf if aim.benefit is None else _MOST_SETUPS

    @property
    def limit(self) -> float:
        """The bound from which on a node is of no use."""
        return math.inf if self.cutoff is None else self.cutoff + _SLACK

    @property
    def over(self) -> bool:
        """Whether the time is."""
        return time.monotonic() >= self.deadline

    @property
    def _left(self) -> Effort:
        return replace(self.effort, time_limit_s=self.deadline - time.monotonic())

    def run(self) -> None:
        """Search until nothing is left or the time is over; then decide what was left open."""
        lower = np.array([self.relaxation.model.bounds[c][0] for c in self.switches], dtype=float)
        upper = np.array([self.relaxation.model.bounds[c][1] for c in self.switches], dtype=float)
        if self.relaxation.aim == Aim():
            self._keep(greedy(self.table.question))
        self._push(lower, upper, self._solve(lower, upper, None))
        while self.heap and not self.over and len(self.open) < self.most_open:
            node = heapq.heappop(self.heap)
            if node.bound >= self.limit:
                self.heap = []
                break
            self.taken = [node]
            try:
                if self.must_dive:
                    self.must_dive = False
                    self.abreast.do(self._dive(node))
                self.abreast.do(*self._works(node))
            except OutOfTimeError:
                for node in self.taken:  # what was done of them already is there twice
                    heapq.heappush(self.heap, node)
        self._decide_open()

    def _works(self, node: _Node) -> list[Work]:
        """Work on a node; and on the next one too, where both take long runs.

        Not beside the first setup that is filled: it makes the limit much better, and what is
        looked for with the limit of before takes long and is seldom of use.
        """
        self.outlook.watch(self.limit - node.vertex.value)
        way = self._way(node)
        works = [way(node)]
        alone = way == self._branch or (way == self._settle and not self.settled)
        if not alone and self.heap and self.heap[0].bound < self.limit:
            way = self._way(self.heap[0])
            if way != self._branch:
                node = heapq.heappop(self.heap)
                self.taken.append(node)
                self.outlook.watch(self.limit - node.vertex.value)
                works.append(way(node))
        return works

    def _way(self, node: _Node) -> Callable[[_Node], Work]:
        """What to do with a node: only branching does without whole-number runs."""
        if not len(self._split(node.vertex)):
            return self._settle
        return self._better if self._near(node) else self._branch

    def _split(self, vertex: Vertex) -> Array:
        """The switches (by position) that are neither on nor off."""
        values = vertex.values[self.positions]
        return np.flatnonzero(boxes.undecided(values))

    def _relax(self, aim: Aim) -> None:
        self.relaxation = relax(self.table, aim, layered=self.layered)
        relaxation = self.relaxation
        self.solvers = [Continuous(relaxation.model, relaxation.objective) for _side in (0, 1)]

    def _layers_matter(self) -> bool:
        none = np.zeros(0)
        vertex = self.solvers[0].solve(np.zeros(0, dtype=np.int32), none, none)
        return vertex is not None and layers_matter(self.relaxation, vertex)

    def _keep(self, placement: Placement | None) -> None:
        """Keep a placement of more benefit, found without a bound, if there is one."""
        if placement is None:
            return
        value = -sum(self.table.question.candidates[name].benefit for name in placement)
        if self.cutoff is None or value <= self.cutoff:
            self.best, self.value, self.cutoff = placement, value, value - 1

    def found(self) -> Found:
        """What the search came to."""
        bounds = [node.bound for node in self.heap] + [bound for bound, _filling in self.open]
        bounds = [bound for bound in bounds if bound < self.limit]
        bound = min([*bounds, self.value if self.best is not None else math.inf])
        placement = None if self.best is None else without_layers(self.best)
        return Found(placement, self.value, bound)

    def _solve(
        self,
        lower: Array,
        upper: Array,
        basis: object,
        solver: int = 0,
        cutoff: float = math.inf,
        most_steps: int | None = None,
    ) -> Vertex | None:
        return self.solvers[solver].solve(
            self.positions,
            lower,
            upper,
            cutoff=min(cutoff, self.limit),
            basis=basis,
            most_steps=most_steps,
            seconds=math.inf if basis is None else max(0.0, self.deadline - time.monotonic()),
        )

    def _push(
        self, lower: Array, upper: Array, vertex: Vertex | None, above: float = -math.inf
    ) -> None:
        """Keep what is left to search with these bounds; `above` is a bound known already."""
        if vertex is not None and (bound := max(vertex.value, above)) < self.limit:
            self.numbers += 1
            heapq.heappush(self.heap, _Node(bound, self.numbers, lower, upper, vertex))

    def _near(self, node: _Node) -> bool:
        """Whether a tightened bound might be enough to leave the node out."""
        if node.tight or not math.isfinite(self.limit) or self.relaxation.aim != Aim():
            return False
        if self.large:  # it would take the rest of the time
            return False
        gap = self.limit - node.vertex.value
        return self.outlook.promising(gap, first=node.number == 1, layered=self.layered)

    def _tighten(self, node: _Node, lower: Array, upper: Array) -> Work:
        """Better the node's bound by whole apps."""
        better, bound = (yield (partial(self._tightened, node, lower, upper),))[0]
        self.split = self.split or (better.split and bound is None)
        found = math.ceil(self.limit) if bound is None else bound
        self.outlook.learn(found - node.vertex.value)
        self.outlook.judge(enough=found >= self.limit)
        node.bound = max(node.bound, found)
        node.tight = True

    def _tightened(self, node: _Node, lower: Array, upper: Array) -> tuple[Tightened, int | None]:
        effort = replace(self._left, threads=1, seed=0, most_nodes=QUICK_NODES)
        better = Tightened(self.relaxation, node.vertex, lower, upper)
        return better, better.bound(self.cutoff, effort, node.least, split=self.split)

    def _raise(self, node: _Node, lower: Array, upper: Array) -> Work:
        """Fill the setup with all switches on that are in use, if that costs next to nothing."""
        least = node.vertex.value
        vertex, low = node.vertex, lower.copy()
        while len(self._split(vertex)):
            low, _high = boxes.all_on(low, upper, vertex.values[self.positions])
            deeper = self._solve(low, upper, vertex.basis)
            if deeper is None or deeper.value > least + _ROUND * (self.limit - least) + 0.01:
                return
            vertex = deeper
        if np.round(vertex.values[self.positions]).tobytes() not in self.filled:
            yield from self._fill(node, vertex)

    def _dive(self, node: _Node) -> Work:
        """Follow one path of rounded switches down to a setup, to have something early."""
        root = descent.Root(self.positions, node.lower, node.upper, node.vertex)
        if not self.large:
            vertex = descent.down(self._solve, root, self.deadline, careful=False)
            if vertex is not None:
                yield from self._fill(node, vertex, quick=True)
            return
        afar = partial(guess, self.table, self.solvers[1], node.vertex, self.effort)
        vertex = yield from descent.from_both_sides(self._solve, root, self.deadline, afar)
        if vertex is not None:
            setup = self._setup(vertex.values[self.positions])
            near = Nearby(setup, self.solvers[0], vertex, self.effort)
            yield from near.search(self.deadline)
            self._keep(near.placement)

    def _better(self, node: _Node) -> Work:
        """Give a node a tightened bound, and keep it if it is still of use."""
        lower, upper = self._fixed(node)
        yield from self._tighten(node, lower, upper)
        if node.bound < self.limit:
            yield from self._raise(node, lower, upper)
        if node.bound < self.limit:
            heapq.heappush(self.heap, replace(node, lower=lower, upper=upper))

    def _settle(self, node: _Node) -> Work:
        """Fill the setup of a node whose switches are whole; push what is left of it."""
        self.settled = True
        lower, upper = self._fixed(node)
        values = node.vertex.values[self.positions]
        if self.proved and (lower < upper).any() and self.relaxation.aim == Aim():
            yield from self._tighten(node, lower, upper)
        if node.bound < self.limit and np.round(values).tobytes() not in self.filled:
            yield from self._fill(node, node.vertex)
        if node.bound >= self.limit:
            return
        lower, upper = self._fixed(node)
        for part in boxes.others(lower, upper, np.round(values)):
            self._push(*part, self._solve(*part, node.vertex.basis), node.bound)

    def _fixed(self, node: _Node) -> tuple[Array, Array]:
        """The node's bounds, with switches fixed that cannot move without leaving the limit."""
        vertex, at = node.vertex, self.positions
        far = vertex.value + np.abs(vertex.reduced[at]) >= self.limit
        return boxes.fixed(node.lower, node.upper, vertex.values[at], vertex.reduced[at], far)

    def _branch(self, node: _Node) -> Work:
        """Push both sides of the switch that moves the bound most."""
        lower, upper = self._fixed(node)
        values, split = node.vertex.values[self.positions], self._split(node.vertex)
        ranked = sorted(split, key=lambda j: (-self.costs.score(int(j), float(values[j])), j))
        best: tuple[float, list[tuple[Array, Array, Vertex | None]]] | None = None
        for j in ranked[:_CANDIDATES]:
            if (
                best is not None
                and self.costs.trusted(int(j))
                and self.costs.score(int(j), values[j]) <= best[0]
            ):
                continue
            boxes = [(lower.copy(), upper.copy()) for _side in (0, 1)]
            for side, (low, high) in enumerate(boxes):
                low[j] = high[j] = side
            vertices = yield tuple(
                partial(self._solve, *box, node.vertex.basis, side)
                for side, box in enumerate(boxes)
            )
            gains = [self._gain(node, vertex) for vertex in vertices]
            for side, part in enumerate((values[j], 1 - values[j])):
                self.costs.learn(int(j), side, gains[side] / part)
            sides = [(*box, vertex) for box, vertex in zip(boxes, vertices, strict=True)]
            score = max(gains[0], 1e-3) * max(gains[1], 1e-3)
            if best is None or score > best[0]:
                best = (score, sides)
            if any(vertex is None for *_bounds, vertex in sides) or self.costs.trusted(int(j)):
                break
        assert best is not None
        for low, high, vertex in best[1]:
            self._push(low, high, vertex, node.bound)

    def _gain(self, node: _Node, vertex: Vertex | None) -> float:
        if vertex is not None:
            return max(0.0, vertex.value - node.vertex.value)
        enough = self.limit if math.isfinite(self.limit) else node.vertex.value * 0.9
        return max(1.0, enough - node.vertex.value)

    def _fill(self, node: _Node, vertex: Vertex, *, quick: bool = False) -> Work:
        """Fill a setup of a node, that which the whole switches of `vertex` say, with apps."""
        values = vertex.values[self.positions]
        self.filled.add(np.round(values).tobytes())
        setup, limit = self._setup(values), self.limit
        filling, filled = (yield (partial(self._filled, setup, vertex, node.least, quick),))[0]
        if self.relaxation.aim.benefit is not None:
            self._take(filled, filling)
            return
        self.split = self.split or (filling.is_split and filled.bound is None)
        reached = filled.value if filled.placement is not None else limit
        self.outlook.learn((reached if filled.bound is None else filled.bound) - vertex.value)
        self.proved = filled == Filled()
        self._take(filled, filling)
        if filled.bound is not None and self._far_from(filled.bound):
            rough = yield (partial(filling.roughly, self.cutoff, filled.bound),)
            self._take(rough[0], filling)

    def _setup(self, values: Array) -> Setup:
        on = {c: v > 0.5 for c, v in zip(self.switches, values, strict=True)}
        return setup_of(self.table, on)

    def _filled(
        self, setup: Setup, vertex: Vertex, least: int, quick: bool
    ) -> tuple[Filling, Filled]:
        aim = self.relaxation.aim
        filling = Filling(setup, aim, self.effort, self.deadline, layered=self.layered)
        if aim.benefit is not None:
            return filling, filling.whole(self.cutoff, _MOST_NODES)
        filling.price_by(self.relaxation, vertex.prices)
        if self.split and not quick:
            filling.split()
        return filling, filling.best(self.cutoff, least, quick=quick)

    def _far_from(self, bound: int) -> bool:
        """Whether the best so far is so far from a bound that a rough placement may help."""
        return self.best is None or self.value - bound > _NEAR * abs(bound)

    def _take(self, filled: Filled, filling: Filling) -> None:
        """Keep a better placement, then look only for better ones; note what is open."""
        better = self.cutoff is None or filled.value <= self.cutoff
        if filled.placement is not None and better:
            self.best, self.value = filled.placement, filled.value
            self.cutoff = filled.value - 1
        if filled.bound is not None and filled.bound < self.limit:
            self.open.append((filled.bound, filling))

    def _decide_open(self) -> None:
        """The whole model for setups that pooling left open, the most promising first."""
        if self.relaxation.aim.benefit is not None:
            return
        left, self.open = sorted(self.open, key=lambda entry: entry[0]), []
        while left:
            now, left = left[:2], left[2:]
            self.abreast.do(*(self._decide(bound, filling) for bound, filling in now))

    def _decide(self, bound: float, filling: Filling) -> Work:
        if bound >= self.limit:
            return
        filled = Filled(bound=math.ceil(bound - _SLACK))
        if not self.over:
            (filled,) = yield (partial(filling.whole, self.cutoff),)
        self._take(filled, filling)
