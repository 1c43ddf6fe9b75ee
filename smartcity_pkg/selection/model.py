"""A question as a linear model with whole-number data: columns, rows, objectives. No solver here.

Columns (all 0 or 1 unless said otherwise):

    ("at", app, server)      the app runs on the server
    ("chosen", app)          the app runs anywhere
    ("used", server)         the server runs anything
    ("layer", name, server)  the image layer lies on the server's disk
    ("peak", server)         MiB: the highest install peak among the apps on the server
    ("stands", app, server)  a must-have platform app runs there though nothing requires it
    ("extra", scope, limit)  units: how much of the limit is lacking (only in `with_shortage`)
    ("lacks", scope, limit)  the limit is lacking at all (only in `with_shortage`)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Placement, Question
from smartcity_pkg.selection.verify import PEMDA, idle_servers, standing_platforms

Column = tuple[str, ...]
Terms = Mapping[Column, int]


@dataclass(frozen=True)
class Row:
    """lower ≤ sum of terms ≤ upper; None is no bound."""

    terms: Terms
    lower: int | None = None
    upper: int | None = None


@dataclass
class LinearModel:
    """Columns with their bounds, in a fixed order, and rows over them."""

    bounds: dict[Column, tuple[int, int]] = field(default_factory=dict)
    counted: set[Column] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)

    def add(self, column: Column, upper: int = 1, lower: int = 0, *, whole: bool = True) -> None:
        """A column between `lower` and `upper`; `whole` ones take whole numbers only."""
        self.bounds[column] = (lower, upper)
        if whole:
            self.counted.add(column)

    def fix(self, column: Column, value: int) -> None:
        """Let `column` have this value and no other."""
        self.bounds[column] = (value, value)

    def at_most(self, terms: Terms, upper: int) -> None:
        """Add the row sum ≤ `upper`."""
        self.rows.append(Row(terms, upper=upper))

    def at_least(self, terms: Terms, lower: int) -> None:
        """Add the row sum ≥ `lower`."""
        self.rows.append(Row(terms, lower=lower))

    def copy(self) -> LinearModel:
        """A model of its own with the same content."""
        return LinearModel(dict(self.bounds), set(self.counted), list(self.rows))


def build(question: Question) -> LinearModel:
    """The model whose whole-number solutions are the placements that keep every rule."""
    model = _placements(question)
    for server, supply in question.supply.items():
        for limit, available in supply.items():
            model.at_most(_server_terms(question, server, limit), available)
    for limit, available in question.shared.items():
        model.at_most(_shared_terms(question, limit), available)
    _close_what_never_fits(question, model)
    return model


def with_shortage(question: Question) -> LinearModel:
    """The same rules, but every limit may be exceeded, which "extra" and "lacks" count."""
    model = _placements(question)
    scoped = [
        (server, limit, available, _server_terms(question, server, limit))
        for server, supply in question.supply.items()
        for limit, available in supply.items()
    ]
    scoped += [
        (PEMDA, limit, available, _shared_terms(question, limit))
        for limit, available in question.shared.items()
    ]
    for scope, limit, available, terms in scoped:
        most = sum(n for column, n in terms.items() if column[0] == "at")
        most += model.bounds[("peak", scope)][1] if limit == limits.MEMORY else 0
        most += sum(question.layers.values()) if limit == limits.DISK else 0
        most = max(0, most - available)
        extra, lacks = ("extra", scope, limit), ("lacks", scope, limit)
        model.add(extra, most, whole=False)
        model.add(lacks)
        model.at_most({**terms, extra: -1}, available)
        model.at_most({extra: 1, lacks: -most}, 0)
    return model


def placement_of(question: Question, values: Mapping[Column, int]) -> dict[str, tuple[str, ...]]:
    """The placement that a solution of `build` or `with_shortage` says."""
    placed = {
        name: tuple(s for s in question.servers if values[("at", name, s)])
        for name in question.candidates
    }
    return {name: servers for name, servers in placed.items() if servers}


def values_of(question: Question, placement: Placement) -> dict[Column, int]:
    """The solution of `build` that says `placement` and nothing else."""
    values: dict[Column, int] = {}
    for name, server in product(question.candidates, question.servers):
        values[("at", name, server)] = int(server in placement.get(name, ()))
    for name in question.candidates:
        values[("chosen", name)] = int(name in placement)
    for server in question.servers:
        here = [n for n, servers in placement.items() if server in servers]
        values[("used", server)] = int(bool(here))
        lying = {n for app in here for n in question.candidates[app].layers}
        values.update({("layer", n, server): int(n in lying) for n in question.layers})
        values[("peak", server)] = max((question.candidates[n].peak for n in here), default=0)
        for anchor in question.anchors:
            stands = anchor in standing_platforms(question, placement)
            idle = idle_servers(question, placement, anchor) if stands else ()
            values[("stands", anchor, server)] = int(idle[:1] == (server,))
    return values


def benefit(question: Question) -> Terms:
    """The benefit of the chosen apps."""
    return {("chosen", c.name): c.benefit for c in question.apps if c.benefit}


def kept(question: Question) -> Terms:
    """How many running apps stay where they are: the more, the fewer changes."""
    return {("at", name, server): 1 for name, server in question.running.items()}


def servers_used(question: Question) -> Terms:
    """How many servers run anything."""
    return {("used", server): 1 for server in question.servers}


def instances(question: Question) -> Terms:
    """How many app instances run."""
    return {("at", n, s): 1 for n, s in product(question.candidates, question.servers)}


def _placements(question: Question) -> LinearModel:
    """All rules except the limits."""
    model = LinearModel()
    for candidate in question.candidates.values():
        for server in question.servers:
            model.add(("at", candidate.name, server))
        model.add(("chosen", candidate.name), lower=int(candidate.must))
    for server in question.servers:
        model.add(("used", server))
        peaks = [c.peak for c in question.candidates.values()]
        model.add(("peak", server), max(peaks, default=0), whole=False)
        for layer in question.layers:
            model.add(("layer", layer, server), whole=False)
    for anchor in question.anchors:
        for server in question.servers:
            model.add(("stands", anchor, server))
    for candidate in question.candidates.values():
        _instances_rows(question, model, candidate)
        _family_rows(question, model, candidate)
    for first, second in question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)
    return model


def _instances_rows(question: Question, model: LinearModel, candidate: Candidate) -> None:
    """How often a chosen app runs, and what its running somewhere says about the server."""
    name = candidate.name
    chosen: Column = ("chosen", name)
    here: dict[Column, int] = {("at", name, s): 1 for s in question.servers}
    if candidate.platform:
        model.at_most({chosen: 1, **dict.fromkeys(here, -1)}, 0)
        for column in here:
            model.at_most({column: 1, chosen: -1}, 0)
    else:
        model.rows.append(Row({**here, chosen: -1}, lower=0, upper=0))
    for server in question.servers:
        model.at_most({("at", name, server): 1, ("used", server): -1}, 0)
        if candidate.peak:
            terms = {("peak", server): 1, ("at", name, server): -candidate.peak}
            model.at_least(terms, 0)
        for layer in candidate.layers:
            model.at_most({("at", name, server): 1, ("layer", layer, server): -1}, 0)
        if not candidate.runs_on(server):
            model.fix(("at", name, server), 0)


def _family_rows(question: Question, model: LinearModel, candidate: Candidate) -> None:
    """Required apps stand on the same server; platform apps stand nowhere else."""
    name = candidate.name
    for other, server in product(candidate.requires, question.servers):
        model.at_least({("at", other, server): 1, ("at", name, server): -1}, 0)
    for choices, server in product(candidate.one_of, question.servers):
        there: list[Column] = [("at", other, server) for other in choices]
        model.at_least({**dict.fromkeys(there, 1), ("at", name, server): -1}, 0)
    if not candidate.platform:
        return
    for server in question.servers:
        wanted: list[Column] = [("at", n, server) for n in question.users(name)]
        wanted += [("stands", name, server)] if name in question.anchors else []
        model.at_most({("at", name, server): 1, **dict.fromkeys(wanted, -1)}, 0)
    if name in question.anchors:
        stands: dict[Column, int] = {("stands", name, s): 1 for s in question.servers}
        model.at_most(stands, 1)
        for server in question.servers:
            model.at_most({("stands", name, server): 1, ("at", name, server): -1}, 0)
        for requirer in question.requirers(name):
            model.at_most({**stands, ("chosen", requirer): 1}, 1)


def _server_terms(question: Question, server: str, limit: str) -> dict[Column, int]:
    terms: dict[Column, int] = {
        ("at", c.name, server): c.needs[limit]
        for c in question.candidates.values()
        if c.needs.get(limit)
    }
    if limit == limits.MEMORY:
        terms[("peak", server)] = 1
    if limit == limits.DISK:
        terms.update({("layer", n, server): size for n, size in question.layers.items() if size})
    return terms


def _shared_terms(question: Question, limit: str) -> dict[Column, int]:
    return {
        ("at", c.name, server): c.needs[limit]
        for c in question.candidates.values()
        for server in question.servers
        if c.needs.get(limit)
    }


def _close_what_never_fits(question: Question, model: LinearModel) -> None:
    """Fix at 0 the servers that cannot carry an app and what it requires even alone."""
    for name in question.candidates:
        load = question.load(question.family(name))
        for server, supply in question.supply.items():
            if _exceeds(load, supply):
                model.fix(("at", name, server), 0)


def _exceeds(load: Mapping[str, int], supply: Mapping[str, int]) -> bool:
    return any(load[limit] > available for limit, available in supply.items())
