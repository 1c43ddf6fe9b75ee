"""Where an installation happens: one server, its store and its engine, passed around as one value.

Also how a release's app is told to that server's engine. What is installed is read by `installed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.engines.engine import Engine, Project
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths


def nothing_at_hand(_digest: str) -> None:
    """This machine has no documents."""


@dataclass(frozen=True)
class Place:
    """One server: how to reach it, what the plan calls it, its store and its engine.

    `at_hand` gives, by digest, the bytes of a release's document that this machine has: on the
    server it is only compared then.
    """

    host: Host
    server: str
    store: StorePaths
    engine: Engine
    at_hand: Callable[[str], bytes | None] = nothing_at_hand

    def project(self, release: Release, app: ReleaseApp) -> Project:
        """`app` of `release` as this server's engine is told of it."""
        folder = self.store.release(release.name)
        files = tuple(str(folder / file) for file in app.compose_files)
        return Project(
            name=app.project,
            directory=str(PurePosixPath(files[0]).parent),
            files=files,
            env_file=str(folder / app.env_file) if app.env_file else "",
            networks=app.networks,
        )

    def origin(self, files: tuple[str, ...]) -> str:
        """The release that a container was made from, by its Compose files; "" if not ours."""
        prefix = f"{self.store.releases}/"
        first = files[0] if files else ""
        return first.removeprefix(prefix).partition("/")[0] if first.startswith(prefix) else ""


def providers_first(apps: tuple[ReleaseApp, ...]) -> tuple[ReleaseApp, ...]:
    """`apps` in an order in which each follows those that it names in `after`.

    Otherwise the order stays; names that are not among `apps` are taken as satisfied.
    """
    names = {a.app for a in apps}
    waiting, ordered, done = list(apps), [], set[str]()
    while waiting:
        ready = [a for a in waiting if not (set(a.after) & names) - done] or waiting[:1]
        waiting.remove(ready[0])
        ordered.append(ready[0])
        done.add(ready[0].app)
    return tuple(ordered)
