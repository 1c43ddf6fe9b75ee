"""A first placement without a solver: apps one by one, the most benefit for what they take first.

Quick for any number of apps; it proves nothing, and gives up where must-have apps do not go in
this way. What is best is found in `branching`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Placement, Question
from smartcity_pkg.selection.verify import violations


def greedy(question: Question) -> Placement | None:
    """A placement that keeps every rule; None where none was found."""
    search = _Greedy(question)
    names = [c.name for c in question.apps] + list(question.anchors)
    for name in sorted(names, key=search.rank):
        candidate = question.candidates[name]
        if (candidate.benefit or candidate.must) and name not in search.at:
            search.add(name)
    placement = search.placement()
    return None if violations(question, placement) else placement


class _Greedy:
    """What stands where so far, and what that takes."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.at: dict[str, set[str]] = {}
        self.load = {s: dict.fromkeys(limits.SERVER_LIMITS, 0) for s in question.servers}
        self.peak = dict.fromkeys(question.servers, 0)
        self.layers: dict[str, set[str]] = {s: set() for s in question.servers}
        self.shared = dict.fromkeys(question.shared, 0)
        self.against: dict[str, set[str]] = defaultdict(set)
        for one, other in question.conflicts:
            self.against[one].add(other)
            self.against[other].add(one)
        self.offered = {
            limit: sum(of[limit] for of in question.supply.values())
            for limit in limits.SERVER_LIMITS
        } | dict(question.shared)

    def rank(self, name: str) -> tuple[bool, float, str]:
        """Must-have apps first, then by benefit for each part of what there is; then by name."""
        candidate = self.question.candidates[name]
        parts = [n / max(1, self.offered.get(limit, 1)) for limit, n in candidate.needs.items()]
        return not candidate.must, -candidate.benefit / max(1e-9, sum(parts)), name

    def add(self, name: str) -> None:
        """Put `name` and what it needs on one server, if it goes in; where it runs comes first."""
        home = self.question.running.get(name)
        for server in sorted(self.question.servers, key=lambda s: (s != home, self._fullness(s))):
            for members in self._ways(name, server):
                if self._fits(members, server):
                    self._put(members, server)
                    return

    def placement(self) -> Placement:
        """What stands where, as a placement."""
        servers = self.question.servers
        return {n: tuple(s for s in servers if s in at) for n, at in sorted(self.at.items())}

    def _fullness(self, server: str) -> float:
        supply = self.question.supply[server]
        return max(self.load[server][x] / max(1, supply[x]) for x in limits.SERVER_LIMITS)

    def _ways(self, name: str, server: str) -> Iterator[list[str]]:
        """What is new on `server` with `name`, once for each way to choose among alternatives."""
        candidates = self.question.candidates
        family = self.question.family(name)
        groups = [g for member in family for g in candidates[member].one_of]
        open_groups = [g for g in groups if not any(server in self.at.get(c, ()) for c in g)]
        for chosen in product(*open_groups):
            members = {*family, *(m for c in chosen for m in self.question.family(c))}
            yield sorted(m for m in members if server not in self.at.get(m, ()))

    def _fits(self, members: list[str], server: str) -> bool:
        question = self.question
        new = [question.candidates[m] for m in members]
        if any(not c.platform and c.name in self.at for c in new):
            return False
        if any(self.against[m] & (self.at.keys() | set(members)) for m in members):
            return False
        if not all(c.runs_on(server) for c in new):
            return False
        load = dict(self.load[server])
        for limit in load:
            load[limit] += sum(c.needs.get(limit, 0) for c in new)
        load[limits.MEMORY] += max([self.peak[server], *(c.peak for c in new)])
        lying = self.layers[server].union(*(c.layers for c in new))
        load[limits.DISK] += sum(question.layers[layer] for layer in lying)
        if any(load[limit] > most for limit, most in question.supply[server].items()):
            return False
        return all(
            self.shared[limit] + sum(c.needs.get(limit, 0) for c in new) <= most
            for limit, most in question.shared.items()
        )

    def _put(self, members: list[str], server: str) -> None:
        for member in members:
            candidate = self.question.candidates[member]
            self.at.setdefault(member, set()).add(server)
            for limit in self.load[server]:
                self.load[server][limit] += candidate.needs.get(limit, 0)
            for limit in self.shared:
                self.shared[limit] += candidate.needs.get(limit, 0)
            self.peak[server] = max(self.peak[server], candidate.peak)
            self.layers[server].update(candidate.layers)
