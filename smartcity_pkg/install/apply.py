"""Makes a server run exactly one release: the apps of it that do not yet, and no others.

Works from what is observed, not from what is remembered: an app is left alone when its containers
are healthy and were made from a release in which the app is identical. So the same act installs,
repairs, finishes what a crash interrupted, and goes back. The story around it is in `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step
from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.install.backups import Backup, folder_of
from smartcity_pkg.install.health import wait_healthy, wait_steady
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.outcome import Change, InstallOptions
from smartcity_pkg.install.place import Place, providers_first
from smartcity_pkg.install.probe import Route
from smartcity_pkg.install.watch import Watch


@dataclass
class AppsData:
    """What happens to the apps' data on the way to a release, by app.

    `saved` are the backups that were made just before; `migrated` the apps whose migration was
    begun; `restore` the backups to put back before an app starts.
    """

    saved: dict[str, Backup] = field(default_factory=dict)
    migrated: list[str] = field(default_factory=list)
    restore: dict[str, Backup] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """What every step of applying needs: the place, the log of it, and how patient to be.

    `known` are releases that running containers may have been made from, by name. `check` raises
    when the work must stop (a lost lock).
    """

    place: Place
    journal: Journal
    progress: Progress
    options: InstallOptions
    known: dict[str, Release] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    data: AppsData = field(default_factory=AppsData)


def public_routes(place: Place, release: Release) -> tuple[Route, ...]:
    """The health paths of the release's apps, as far as the server has an entrance."""
    port = release.entrance_ports.get(place.server)
    if port is None:
        return ()
    return tuple(
        Route(app.app, route.health, port)
        for app in release.on_server(place.server)
        for route in app.routes
    )


def serves(
    scene: Scene, release: Release, app: ReleaseApp, states: Iterable[ContainerState]
) -> bool:
    """Whether `app` already runs, whole and well, as `release` wants it."""
    mine = [s for s in states if s.project == app.project]
    if {s.service for s in mine} != set(app.services):
        return False
    wanted = release.identity(app)
    return all(
        s.running
        and s.health in ("", "healthy")
        and s.image in app.images
        and _identity(scene, s, app) == wanted
        for s in mine
    )


def _identity(scene: Scene, state: ContainerState, app: ReleaseApp) -> str:
    """The identity of the app in the release that a container was made from; "" if unknown."""
    origin = scene.known.get(scene.place.origin(state.files))
    if origin is None:
        return ""
    for other in origin.on_server(scene.place.server):
        if other.app == app.app:
            return origin.identity(other)
    return ""


def plan_change(scene: Scene, release: Release | None) -> Change:
    """What `apply` would do now. Nothing is changed."""
    apps = providers_first(release.on_server(scene.place.server)) if release else ()
    extra = _others(scene, release)
    states = scene.place.engine.states([a.project for a in (*apps, *extra.values())])
    running = {s.project for s in states}
    start = [a.app for a in apps if release and not serves(scene, release, a, states)]
    return Change(
        started=tuple(start),
        untouched=tuple(a.app for a in apps if a.app not in start),
        removed=tuple(name for name, a in extra.items() if a.project in running),
    )


def apply(scene: Scene, release: Release | None, *, migrate: bool) -> Change:
    """Make the server run `release` (None: nothing), providers first; what was done.

    With `migrate` the apps' migrations run before they start. Apps that the release does not have
    are removed last, their data kept. Raises EngineError or NotHealthyError at the first app that
    fails; what was done up to there stays, and `apply` with the old release undoes it.
    """
    change = plan_change(scene, release)
    apps = release.on_server(scene.place.server) if release else ()
    by_name = {a.app: a for a in apps}
    watches: list[Watch] = []
    for name in change.started:
        assert release is not None
        watches.append(_renew(scene, release, by_name[name], watches, migrate=migrate))
    extra = _others(scene, release)
    for name in change.removed:
        _remove(scene, extra[name])
    if release is not None:
        prove_steady(scene, watches, public_routes(scene.place, release))
    return change


def _renew(
    scene: Scene, release: Release, app: ReleaseApp, others: Sequence[Watch], *, migrate: bool
) -> Watch:
    """Make one app's containers anew and wait until they are healthy."""
    scene.check()
    project = scene.place.project(release, app)
    if backup := scene.data.restore.get(app.app):
        put_back(scene, release, app, backup)
    if migrate and app.migrate is not None:
        scene.progress(Step(_("Preparing the data of {app}").format(app=app.app)))
        scene.data.migrated.append(app.app)
        with scene.journal.step("migrate", app.app):
            scene.place.engine.run_hook(project, app.migrate)
    return start(scene, release, app, others)


def put_back(scene: Scene, release: Release, app: ReleaseApp, backup: Backup) -> None:
    """Stop `app` and put a backup in the place of its data, with the hook of `release`.

    Raises EngineError; the hook has left the data as they were then. The app is not started.
    """
    assert app.restore is not None
    project = scene.place.project(release, app)
    scene.progress(
        Step(_("Putting back the data of {app} ({name})").format(app=app.app, name=backup.name))
    )
    with scene.journal.step("restore", app.app):
        scene.place.engine.stop(project)
        data = f"{folder_of(scene.place, backup.name)}/data"
        scene.place.engine.feed_hook(project, app.restore, data)


def start(scene: Scene, release: Release, app: ReleaseApp, others: Sequence[Watch] = ()) -> Watch:
    """Start `app` of `release` and wait until it is healthy; EngineError or NotHealthyError.

    `others` are apps that were started before: they must be well by then too. The watch goes on in
    `prove_steady`.
    """
    project = scene.place.project(release, app)
    options = scene.options
    scene.progress(Step(_("Starting {app} {version}").format(app=app.app, version=app.version)))
    with scene.journal.step("apply", app.app):
        scene.place.engine.up(project)
        watch = Watch(
            app.app,
            app.project,
            app.services,
            settle_s=options.settle_s,
            health_s=options.health_s,
        )
        wait_healthy(scene.place.engine, [*others, watch], check=scene.check)
    return watch


def prove_steady(scene: Scene, watches: Sequence[Watch], routes: Sequence[Route]) -> None:
    """Wait until these routes answer and these apps have stayed well a while; NotHealthyError."""
    scene.progress(Step(_("Asking the public routes, and watching whether all stays well")))
    wait_steady(
        scene.place.engine,
        scene.place.host,
        watches,
        routes,
        route_s=scene.options.route_s,
        soak_s=scene.options.soak_s,
        check=scene.check,
    )


def _remove(scene: Scene, app: ReleaseApp) -> None:
    scene.check()
    release = next(r for r in scene.known.values() if app in r.apps)
    scene.progress(Step(_("Removing {app} (its data stays)").format(app=app.app)))
    with scene.journal.step("remove", app.app):
        scene.place.engine.down(scene.place.project(release, app))


def _others(scene: Scene, release: Release | None) -> dict[str, ReleaseApp]:
    """Apps of other known releases that `release` does not have, consumers first."""
    server = scene.place.server
    kept = {a.app for a in release.on_server(server)} if release else set()
    found = {
        a.app: a
        for known in scene.known.values()
        for a in known.on_server(server)
        if a.app not in kept
    }
    return {a.app: a for a in reversed(providers_first(tuple(found.values())))}
