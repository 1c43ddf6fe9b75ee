"""What a server runs now, compared with what was installed: read only, no lock.

Drawing it is the caller's; whether an app is well is judged as `apply` judges it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from smartcity_pkg.bundle.receipt import Receipt
from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import ContainerState, Engine
from smartcity_pkg.hosts.facts import ServerFacts, gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import installed, receipts, usage, watermark
from smartcity_pkg.install.apply import public_routes
from smartcity_pkg.install.health import ask_all
from smartcity_pkg.install.interrupted import Interrupted, interrupted
from smartcity_pkg.install.journal import Entry, read_journal
from smartcity_pkg.install.lock import Holder, read_holder
from smartcity_pkg.install.offers import release_names
from smartcity_pkg.install.place import Place, providers_first
from smartcity_pkg.install.probe import Answer
from smartcity_pkg.install.usage import Disk
from smartcity_pkg.install.watermark import Watermark

_JOURNAL_ENTRIES = 10


@dataclass(frozen=True)
class AppStatus:
    """One app: its containers, what its routes answer, and what is not as it was installed."""

    app: str
    version: str
    services: tuple[str, ...]
    containers: tuple[ContainerState, ...]
    answers: tuple[Answer, ...]
    drift: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether every service runs, healthy where it has a check, and every route answers."""
        running = {c.service for c in self.containers if c.running and c.health in ("", "healthy")}
        return set(self.services) <= running and all(a.good for a in self.answers)


@dataclass(frozen=True)
class ServerStatus:
    """One server. `current` and `previous` are "" where there is none; `offered` newest first.

    `interrupted` is a run that somebody must finish or undo (or that goes on, under `holder`).

    `receipts` are those of the current release; `watermark` is the highest that was installed.
    """

    server: str
    current: str
    previous: str
    offered: tuple[str, ...]
    apps: tuple[AppStatus, ...]
    holder: Holder | None
    journal: tuple[Entry, ...]
    facts: ServerFacts
    receipts: tuple[Receipt, ...] = ()
    watermark: Watermark | None = None
    interrupted: Interrupted | None = None
    disks: tuple[Disk, ...] = ()

    @property
    def well(self) -> bool:
        """Whether a release is installed and all its apps are well and unchanged."""
        return bool(self.current) and all(a.well and not a.drift for a in self.apps)


def status(
    host: Host, server: str, *, engine: Engine | None = None, store: StorePaths | None = None
) -> ServerStatus:
    """The state of `server` now; EngineError where its engine does not answer."""
    paths = store or StorePaths()
    place = Place(host, server, paths, engine or ComposeEngine(host, paths))
    facts = gather(host, paths)
    place.engine.check(facts)
    found = installed.look(place)
    known = installed.read_known(place, found)
    release = known.get(found.current)
    journal = read_journal(host, paths)
    return ServerStatus(
        server=server,
        current=found.current,
        previous=found.previous,
        offered=release_names(place),
        apps=_apps(place, release, known, facts) if release else (),
        holder=read_holder(host, paths),
        journal=journal[-_JOURNAL_ENTRIES:],
        facts=facts,
        receipts=receipts.read(place, found.current).receipts if found.current else (),
        watermark=_mark(place),
        interrupted=interrupted(journal, found.current),
        disks=usage.disks(facts, usage.read(place)),
    )


def _mark(place: Place) -> Watermark | None:
    """The watermark; None also where it is damaged, which only an installation must not pass by."""
    with contextlib.suppress(UntrustedBundleError):
        return watermark.read(place)
    return None


def _apps(
    place: Place, release: Release, known: Mapping[str, Release], facts: ServerFacts
) -> tuple[AppStatus, ...]:
    apps = providers_first(release.on_server(place.server))
    states = place.engine.states([a.project for a in apps])
    answers = ask_all(place.host, public_routes(place, release))
    intact = installed.files_intact(place, release)
    ids = {tag: image.image_id for image in facts.images for tag in image.tags}
    found = []
    for app in apps:
        mine = tuple(s for s in states if s.project == app.project)
        drift = [*_drift(app, mine, ids), *origins(place, release, app, known, mine)]
        if not intact:
            drift.append(_("files of the release were changed on the server"))
        found.append(
            AppStatus(
                app=app.app,
                version=app.version,
                services=app.services,
                containers=mine,
                answers=tuple(a for a in answers if a.route.app == app.app),
                drift=tuple(drift),
            )
        )
    return tuple(found)


def _drift(
    app: ReleaseApp, containers: tuple[ContainerState, ...], ids: dict[str, str]
) -> Iterator[str]:
    """What runs otherwise than it was installed."""
    for container in containers:
        if container.service not in app.services:
            yield _("{service} runs, and the release does not have it").format(
                service=container.service
            )
        elif container.image not in app.images:
            yield _("{service} runs the image {found}, installed is {wanted}").format(
                service=container.service, found=container.image, wanted=", ".join(app.images)
            )
        elif ids.get(container.image) != container.image_id:
            yield _("{service}: the name {image} was given to another image").format(
                service=container.service, image=container.image
            )
    for service in sorted(set(app.services) - {c.service for c in containers}):
        yield _("{service} has no container").format(service=service)


def origins(
    place: Place,
    release: Release,
    app: ReleaseApp,
    known: Mapping[str, Release],
    containers: Iterable[ContainerState],
) -> Iterator[str]:
    """Containers that were not made from the files that are installed, or from equal ones."""
    for container in containers:
        name = place.origin(container.files)
        if name == release.name or container.service not in app.services:
            continue
        origin = known.get(name)
        others = origin.on_server(place.server) if origin else ()
        same = [a for a in others if a.app == app.app]
        if origin is None or not same:
            yield _("{service} was started from other files than those of the release").format(
                service=container.service
            )
        elif origin.identity(same[0]) != release.identity(app):
            yield _("{service} was started from the release {found}, not from {wanted}").format(
                service=container.service, found=name, wanted=release.name
            )
