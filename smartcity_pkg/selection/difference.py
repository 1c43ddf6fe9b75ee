"""What changes between two plans of a pemda, and who notices: pure comparison, nothing is solved.

Routes and dependents come from the catalogue; an app that it no longer has counts as without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _


@dataclass(frozen=True)
class Version:
    """An app in both plans whose version changes."""

    app: str
    before: str
    after: str


@dataclass(frozen=True)
class Move:
    """An app in both plans that leaves servers or comes to others."""

    app: str
    leaves: tuple[str, ...]
    comes_to: tuple[str, ...]


@dataclass(frozen=True)
class Use:
    """One limit's use in both plans, in the plan file's units; None where a plan has no such."""

    scope: str
    limit: str
    before: float | None
    after: float | None
    available_before: float | None
    available_after: float | None


@dataclass(frozen=True)
class Affected:
    """Who notices on one server: why its containers stop or start, and the routes behind it.

    `because` names the changed apps that an otherwise unchanged app depends on; empty where the
    app itself changes. `gone` says that its routes no longer answer.
    """

    app: str
    server: str
    routes: tuple[str, ...]
    because: tuple[str, ...] = ()
    gone: bool = False


@dataclass(frozen=True)
class Difference:
    """All that changes between two plans. `limits` holds every limit of either, changed or not."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    versions: tuple[Version, ...]
    moved: tuple[Move, ...]
    benefit_before: int
    benefit_after: int
    limits: tuple[Use, ...]
    affected: tuple[Affected, ...]

    @property
    def nothing(self) -> bool:
        """Whether the same apps run in the same versions on the same servers."""
        return not (self.added or self.removed or self.versions or self.moved)


def difference(before: Plan, after: Plan, apps: Mapping[str, App]) -> Difference:
    """What changes from `before` to `after`; names are sorted, limits in the plans' order.

    Raises UsageError where the plans are of different pemda.
    """
    if before.region != after.region:
        raise UsageError(
            _("the plans are of different pemda: {before} and {after}").format(
                before=f"{before.pemda} ({before.region})", after=f"{after.pemda} ({after.region})"
            ),
            _("compare two plans of one pemda"),
        )
    old, new = ({p.app: p for p in plan.apps} for plan in (before, after))
    both = sorted(old.keys() & new.keys())
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        versions=tuple(
            Version(n, old[n].version, new[n].version)
            for n in both
            if old[n].version != new[n].version
        ),
        moved=tuple(
            _move(old[n], new[n]) for n in both if set(old[n].servers) != set(new[n].servers)
        ),
        benefit_before=before.benefit,
        benefit_after=after.benefit,
        limits=_limits(before, after),
        affected=_affected(old, new, apps),
    )


def _move(old: PlannedApp, new: PlannedApp) -> Move:
    return Move(
        old.app,
        leaves=tuple(s for s in old.servers if s not in new.servers),
        comes_to=tuple(s for s in new.servers if s not in old.servers),
    )


def _limits(before: Plan, after: Plan) -> tuple[Use, ...]:
    old, new = ({(u.scope, u.limit): u for u in plan.usage} for plan in (before, after))
    found = []
    for scope, limit in dict.fromkeys([*old, *new]):
        was, now = old.get((scope, limit)), new.get((scope, limit))
        found.append(
            Use(
                scope=scope,
                limit=limit,
                before=was.used if was else None,
                after=now.used if now else None,
                available_before=was.available if was else None,
                available_after=now.available if now else None,
            )
        )
    return tuple(found)


def _affected(
    old: Mapping[str, PlannedApp], new: Mapping[str, PlannedApp], apps: Mapping[str, App]
) -> tuple[Affected, ...]:
    """The changed instances that served before, and the kept ones that depend on a changed one.

    What is only added interrupts nobody.
    """
    places = [(n, s) for n in sorted(old) for s in old[n].servers]
    changed = {
        (name, server)
        for name, server in places
        if name not in new
        or server not in new[name].servers
        or new[name].version != old[name].version
    }
    found = []
    for name, server in places:
        stays = name in new and server in new[name].servers
        routes = _routes(apps, name)
        if (name, server) in changed:
            found.append(Affected(name, server, routes, gone=name not in new))
        elif because := _providers_among(apps, name, server, changed):
            assert stays
            found.append(Affected(name, server, routes, because=because))
    return tuple(found)


def _routes(apps: Mapping[str, App], name: str) -> tuple[str, ...]:
    return tuple(r.path for r in apps[name].spec.routes) if name in apps else ()


def _providers_among(
    apps: Mapping[str, App], name: str, server: str, changed: Iterable[tuple[str, str]]
) -> tuple[str, ...]:
    """What `name` depends on, directly or through others, and changes on `server`, sorted."""
    here = {n for n, s in changed if s == server}
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        app = apps.get(ahead.pop())
        if app is None:
            continue
        for other in app.providers:
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return tuple(sorted(seen & here))
