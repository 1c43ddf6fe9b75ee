"""Which apps a pemda may run at all, before any capacity is looked at, and what bars the others.

Pure: values in, values out. The words for a bar are chosen in `explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda


class Cause(StrEnum):
    """Why an app is barred."""

    DRAFT = "draft"
    EXCLUDED = "excluded"
    NOT_COVERED = "not-covered"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REQUIRED_MISSING = "required-missing"
    REQUIRED_VERSION = "required-version"
    REQUIRED_BARRED = "required-barred"
    TORN = "torn"
    AGAINST_MUST = "against-must"
    ARCHITECTURE = "architecture"
    NO_ALTERNATIVE = "no-alternative"


@dataclass(frozen=True)
class Bar:
    """What keeps `app` out.

    `other` is the app that it requires, or conflicts with; `own` is the one of its own
    requirements (or itself) that conflicts; `root` is the bar of the required app. For
    ARCHITECTURE `other` is "" or the required app with which it has no server in common; for
    NO_ALTERNATIVE it is the names of the list, joined by commas.
    """

    cause: Cause
    app: str
    other: str = ""
    own: str = ""
    root: Bar | None = None


def requirements(apps: Mapping[str, App], name: str) -> tuple[str, ...]:
    """Every app that `name` requires, directly or through others, sorted, without itself.

    What it requires one of is not among them: that is chosen with the plan.
    """
    found: set[str] = set()
    ahead = [name]
    while ahead:
        app = apps.get(ahead.pop())
        for requirement in app.spec.requires if app else ():
            if requirement.app not in found:
                found.add(requirement.app)
                ahead.append(requirement.app)
    return tuple(sorted(found - {name}))


def conflicting_pairs(apps: Mapping[str, App]) -> tuple[tuple[str, str], ...]:
    """The pairs that never run in one pemda together; it is enough that one of the two says so."""
    pairs = {
        (min(name, other), max(name, other))
        for name, app in apps.items()
        for other in app.spec.conflicts
        if other in apps and other != name
    }
    return tuple(sorted(pairs))


def barred(apps: Mapping[str, App], pemda: Pemda, today: date) -> dict[str, Bar]:
    """The apps that no plan of `pemda` may hold on `today`, each with its bar, sorted by name."""
    bars = {n: bar for n in sorted(apps) if (bar := _own_bar(apps[n], pemda, today))}
    for name in sorted(apps):
        _spread(apps, name, bars, frozenset())
    pairs = conflicting_pairs(apps)
    families = {n: {n, *requirements(apps, n)} for n in apps}
    for name in sorted(set(apps) - set(bars)):
        if torn := _first_clash(families[name], families[name], pairs):
            bars[name] = Bar(Cause.TORN, name, other=torn[1], own=torn[0])
    for name in sorted(set(apps) - set(bars)):
        if bar := _homeless(apps, name, pemda):
            bars[name] = bar
    insisted = {m: families[m] for m in pemda.choice.must if m in apps}
    for name in sorted(set(apps) - set(bars)):
        for must, family in sorted(insisted.items()):
            if must != name and (clash := _first_clash(families[name], family, pairs)):
                own, other = clash
                bars[name] = Bar(Cause.AGAINST_MUST, name, other=other, own=own)
                break
    return dict(sorted(bars.items()))


def _own_bar(app: App, pemda: Pemda, today: date) -> Bar | None:
    """What the profile alone has against `app`, or that it is a draft.

    Platform apps need no agreement.
    """
    cause = _unfit(app, pemda) or (None if app.is_platform else _not_agreed(app, pemda, today))
    return Bar(cause, app.name) if cause else None


def _unfit(app: App, pemda: Pemda) -> Cause | None:
    if app.is_draft:
        return Cause.DRAFT
    if app.name in pemda.choice.exclude:
        return Cause.EXCLUDED
    return None if _homes(app, pemda) else Cause.ARCHITECTURE


def _not_agreed(app: App, pemda: Pemda, today: date) -> Cause | None:
    agreement = pemda.agreement.pks
    if not pemda.agreement.covers(app.name):
        return Cause.NOT_COVERED
    if today < agreement.date:
        return Cause.NOT_YET_VALID
    expired = agreement.expires is not None and today > agreement.expires
    return Cause.EXPIRED if expired else None


def _homes(app: App, pemda: Pemda) -> set[str]:
    """The servers of an architecture that the app's images are built for."""
    return {s.name for s in pemda.servers if s.architecture in app.spec.architectures}


def _homeless(apps: Mapping[str, App], name: str, pemda: Pemda) -> Bar | None:
    """The bar of an app that shares no server with something that it requires."""
    homes = _homes(apps[name], pemda)
    for other in requirements(apps, name):
        homes &= _homes(apps[other], pemda)
        if not homes:
            return Bar(Cause.ARCHITECTURE, name, other)
    return None


def alternatives(
    apps: Mapping[str, App], name: str, bars: Mapping[str, Bar]
) -> tuple[tuple[str, ...], ...]:
    """Of each list of which `name` requires one: those that a plan may hold, in the list's order.

    Lists that a plain requirement of the app satisfies already are left out.
    """
    required = set(requirements(apps, name))
    return tuple(
        tuple(
            r.app
            for r in choices
            if r.app in apps and r.app not in bars and r.accepts(apps[r.app].version)
        )
        for choices in apps[name].spec.requires_one_of
        if not any(r.app in required and r.accepts(apps[r.app].version) for r in choices)
    )


def _spread(
    apps: Mapping[str, App], name: str, bars: dict[str, Bar], above: frozenset[str]
) -> Bar | None:
    """The bar of `name`, own or through what it requires; what is found is noted in `bars`."""
    if name in bars or name in above:
        return bars.get(name)
    for requirement in apps[name].spec.requires:
        other = requirement.app
        if other not in apps:
            bars[name] = Bar(Cause.REQUIRED_MISSING, name, other)
        elif not requirement.accepts(apps[other].version):
            bars[name] = Bar(Cause.REQUIRED_VERSION, name, other)
        elif root := _spread(apps, other, bars, above | {name}):
            bars[name] = Bar(Cause.REQUIRED_BARRED, name, other, root=root)
        if name in bars:
            return bars[name]
    for choices in apps[name].spec.requires_one_of:
        for choice in choices:
            if choice.app in apps:
                _spread(apps, choice.app, bars, above | {name})
        if not any(
            r.app in apps and r.app not in bars and r.accepts(apps[r.app].version) for r in choices
        ):
            names = ", ".join(r.app for r in choices)
            bars[name] = Bar(Cause.NO_ALTERNATIVE, name, other=names)
            return bars[name]
    return None


def _first_clash(
    ours: set[str], theirs: Iterable[str], pairs: tuple[tuple[str, str], ...]
) -> tuple[str, str] | None:
    """The first conflicting pair, as (one of `ours`, one of `theirs`)."""
    others = set(theirs)
    for first, second in pairs:
        if first in ours and second in others:
            return first, second
        if second in ours and first in others:
            return second, first
    return None
