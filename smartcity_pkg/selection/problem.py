"""What is asked of a selection, as values: apps with demands, servers with supplies, rules.

Built from the catalogue, the profile and a date; knows no solver. All amounts are whole numbers in
the units of `limits`, so that comparing them is exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda, Server
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import GIB, MIB
from smartcity_pkg.selection import limits
from smartcity_pkg.selection.eligibility import (
    Bar,
    alternatives,
    barred,
    conflicting_pairs,
    requirements,
)

Placement = Mapping[str, tuple[str, ...]]
"""The servers of each chosen app; an app that is not chosen is absent."""


@dataclass(frozen=True)
class Candidate:
    """One app that may be chosen.

    `needs` holds what one instance takes of each limit, of its server and of the pemda; `peak` is
    the memory that must also be free while the app is installed, one app at a time. `requires` is
    transitive. Of each tuple in `one_of` at least one app must stand on the same server. `layers`
    are the image layers that it needs on disk; `needs` does not count them. `servers` are those
    that it can run on, None for all. A platform app has no benefit of its own and follows the apps
    that require it.
    """

    name: str
    benefit: int
    platform: bool
    must: bool
    needs: Mapping[str, int]
    peak: int = 0
    requires: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    layers: tuple[str, ...] = ()
    servers: frozenset[str] | None = None

    def uses(self, other: str) -> bool:
        """Whether it requires `other`, or may take it as one of several."""
        return other in self.requires or any(other in choices for choices in self.one_of)

    def runs_on(self, server: str) -> bool:
        """Whether `server` has an architecture for it."""
        return self.servers is None or server in self.servers


@dataclass(frozen=True)
class Question:
    """A whole selection problem. `servers` are in the profile's order, candidates by name.

    `supply` maps each server to its limits; `shared` maps each limit of the whole pemda (link,
    skills, budget, quotas). `running` is the server of each app (platform apps left aside) that
    runs now and may stay. `layers` is the size of each image layer on disk, in MiB.
    """

    candidates: Mapping[str, Candidate]
    supply: Mapping[str, Mapping[str, int]]
    shared: Mapping[str, int]
    conflicts: tuple[tuple[str, str], ...] = ()
    running: Mapping[str, str] = field(default_factory=dict)
    barred: Mapping[str, Bar] = field(default_factory=dict)
    layers: Mapping[str, int] = field(default_factory=dict)

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers' names, in the profile's order."""
        return tuple(self.supply)

    @property
    def apps(self) -> tuple[Candidate, ...]:
        """The candidates that are no platform apps."""
        return tuple(c for c in self.candidates.values() if not c.platform)

    @property
    def platforms(self) -> tuple[Candidate, ...]:
        """The candidates that are platform apps."""
        return tuple(c for c in self.candidates.values() if c.platform)

    @property
    def musts(self) -> tuple[str, ...]:
        """The names of the must-have apps."""
        return tuple(n for n, c in self.candidates.items() if c.must)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The must-have platform apps that no other must-have requires: they may stand alone."""
        required = {r for m in self.musts for r in self.candidates[m].requires}
        return tuple(p.name for p in self.platforms if p.must and p.name not in required)

    def family(self, name: str) -> tuple[str, ...]:
        """`name` and all that it requires: what must stand together on one server."""
        return (name, *self.candidates[name].requires)

    def families(self, names: Iterable[str]) -> tuple[str, ...]:
        """All of `names` and what they require, sorted."""
        return tuple(sorted({m for n in names for m in self.family(n)}))

    def reach(self, names: Iterable[str]) -> tuple[str, ...]:
        """All of `names`, what they require, and all that they could take as one of several."""
        found: set[str] = set()
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                candidate = self.candidates[name]
                ahead += [*candidate.requires, *(n for g in candidate.one_of for n in g)]
        return tuple(sorted(found))

    def users(self, platform: str) -> tuple[str, ...]:
        """The candidates that require `platform` or may take it as one of several."""
        return tuple(c.name for c in self.candidates.values() if c.uses(platform))

    def requirers(self, platform: str) -> tuple[str, ...]:
        """The apps, platform apps left aside, that require `platform`."""
        return tuple(c.name for c in self.apps if platform in c.requires)

    def load(self, names: Iterable[str]) -> dict[str, int]:
        """What the apps `names` take of one server.

        Memory includes the highest install peak, disk every layer of their images once.
        """
        chosen = [self.candidates[n] for n in names]
        load = {limit: sum(c.needs.get(limit, 0) for c in chosen) for limit in limits.SERVER_LIMITS}
        load[limits.MEMORY] += max((c.peak for c in chosen), default=0)
        load[limits.DISK] += sum(self.layers[n] for n in {n for c in chosen for n in c.layers})
        return load

    def shared_load(self, placement: Placement) -> dict[str, int]:
        """What `placement` takes of the limits of the whole pemda, each instance counted."""
        return {
            limit: sum(
                self.candidates[name].needs.get(limit, 0) * len(servers)
                for name, servers in placement.items()
            )
            for limit in self.shared
        }

    def insisting(self, names: Iterable[str]) -> Question:
        """The same question with `names` as further must-have apps."""
        wanted = set(names)
        return dataclasses.replace(
            self,
            candidates={
                n: dataclasses.replace(c, must=c.must or n in wanted)
                for n, c in self.candidates.items()
            },
        )

    def only(self, names: Iterable[str]) -> Question:
        """The same question with no other candidates than `names` and what they could need."""
        wanted = set(self.reach(names))
        return dataclasses.replace(
            self,
            candidates={n: c for n, c in self.candidates.items() if n in wanted},
            conflicts=tuple(p for p in self.conflicts if set(p) <= wanted),
            running={n: s for n, s in self.running.items() if n in wanted},
        )


def ask(
    apps: Mapping[str, App], pemda: Pemda, *, today: date, running: Plan | None = None
) -> Question:
    """The selection problem of `pemda` on `today`.

    Raises InputError where the profile's choice names apps that the catalogue does not have, or
    gives a platform app a priority.
    """
    _check_choice(apps, pemda)
    bars = barred(apps, pemda, today)
    candidates = {n: _candidate(apps, n, pemda, bars) for n in sorted(apps) if n not in bars}
    supply = {s.name: _supply(s) for s in pemda.servers}
    return Question(
        candidates=candidates,
        supply=supply,
        shared=_shared(pemda, candidates),
        conflicts=tuple(p for p in conflicting_pairs(apps) if not bars.keys() & set(p)),
        running=_staying(running, candidates, supply),
        barred=bars,
        layers=_layers(apps, candidates),
    )


def _check_choice(apps: Mapping[str, App], pemda: Pemda) -> None:
    choice = pemda.choice
    problems = [
        Problem(
            _("choice.{field}: the catalogue has no app called {app}").format(field=field, app=name)
        )
        for field, names in (
            ("must", choice.must),
            ("exclude", choice.exclude),
            ("priorities", choice.priorities),
        )
        for name in names
        if name not in apps
    ]
    problems += [
        Problem(
            _(
                "choice.priorities: {app} is a platform app; it follows the apps that require it "
                "and has no benefit of its own"
            ).format(app=name)
        )
        for name in choice.priorities
        if name in apps and apps[name].is_platform
    ]
    if problems:
        raise InputError(
            problems, _("correct the profile; `smartcity catalogue list` shows the apps' names")
        )


def _candidate(
    apps: Mapping[str, App], name: str, pemda: Pemda, bars: Mapping[str, Bar]
) -> Candidate:
    app = apps[name]
    demand = app.demand_for(pemda.population)
    amounts = {
        limits.MEMORY: demand.memory_mib,
        limits.CPUS: demand.cpus,
        limits.DISK: demand.disk_mib,
        limits.BANDWIDTH: demand.bandwidth_kbps,
        limits.COST: demand.cost_idr_per_year,
        **{limits.staff(skill): n for skill, n in app.staff_for(pemda.population).items()},
    }
    if not app.is_platform:
        amounts[limits.quota(app.spec.group)] = 1
    fitting = frozenset(s.name for s in pemda.servers if s.architecture in app.spec.architectures)
    return Candidate(
        name=name,
        benefit=0 if app.is_platform else pemda.choice.priorities.get(name, app.spec.benefit),
        platform=app.is_platform,
        must=name in pemda.choice.must,
        needs={limit: limits.demanded(limit, amount) for limit, amount in amounts.items()},
        peak=limits.demanded(limits.MEMORY, demand.install_peak_mib),
        requires=requirements(apps, name),
        one_of=alternatives(apps, name, bars),
        layers=tuple(sorted(app.spec.image_layers)),
        servers=None if len(fitting) == len(pemda.servers) else fitting,
    )


def _shared(pemda: Pemda, candidates: Mapping[str, Candidate]) -> dict[str, int]:
    """What the pemda has of every limit that is not a server's."""
    shared = {limits.BANDWIDTH: limits.supplied(limits.BANDWIDTH, pemda.link_mbps * 1000)}
    skills = {limit for c in candidates.values() for limit in c.needs if limits.skill_of(limit)}
    for limit in sorted(skills):
        people = pemda.staff.get(limits.skill_of(limit), 0)
        shared[limit] = limits.supplied(limit, people)
    if pemda.budget_idr_per_year is not None:
        shared[limits.COST] = limits.supplied(limits.COST, pemda.budget_idr_per_year)
    for group, most in sorted(pemda.choice.quotas.items()):
        shared[limits.quota(group)] = most
    return shared


def _layers(apps: Mapping[str, App], candidates: Mapping[str, Candidate]) -> dict[str, int]:
    """The size of each layer; where apps say it differently, the largest counts."""
    sizes: dict[str, int] = {}
    for name in candidates:
        for layer, mib in apps[name].spec.image_layers.items():
            sizes[layer] = max(sizes.get(layer, 0), limits.demanded(limits.DISK, mib))
    return dict(sorted(sizes.items()))


def _supply(server: Server) -> dict[str, int]:
    """What `server` has for apps: its capacity without what its own system needs."""
    reserved, mib_per_gib = server.reserved, GIB // MIB
    free = {
        limits.MEMORY: (server.memory_gib - reserved.memory_gib) * mib_per_gib,
        limits.CPUS: server.cpus - reserved.cpus,
        limits.DISK: (server.disk_gib - reserved.disk_gib) * mib_per_gib,
    }
    return {limit: limits.supplied(limit, amount) for limit, amount in free.items()}


def _staying(
    running: Plan | None, candidates: Mapping[str, Candidate], supply: Mapping[str, object]
) -> dict[str, str]:
    """Where each app runs now, as far as it could stay there; the others must change anyway."""
    return {
        planned.app: planned.servers[0]
        for planned in (running.apps if running else ())
        if planned.app in candidates
        and not candidates[planned.app].platform
        and planned.servers[0] in supply
    }
