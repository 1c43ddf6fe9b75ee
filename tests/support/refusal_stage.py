"""Where refusals are provoked: this machine as the server, real stores, and apps on paper.

The engine's images and containers are what each case says, because a message about a crash loop
needs no crash; every word still comes from the product (that real engines lead to the same words is
shown in tests/install). Commands of hooks run on this machine.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from install_facts import ENGINE
from install_world import SERVER, Draft, World

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.session import Session
from smartcity_pkg.engines import commands
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import ContainerState, Project
from smartcity_pkg.hosts.facts import EngineFacts, ServerFacts
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import installed
from smartcity_pkg.install.apply import Scene
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.outcome import InstallOptions
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.secrets import ensure_secrets

# A container's state at each look; the last one stays.
Looks = list[dict[str, Any]]
GOOD = Draft(entrance=False)
BETTER = Draft(serial=2, version="1.1.0", page="dua", entrance=False)
KEPT = dataclasses.replace(GOOD, backup="echo isi", restore="cat >/dev/null", verify="true")
MIGRATED = dataclasses.replace(KEPT, serial=2, version="1.1.0")
STAGE_OPTIONS = InstallOptions(health_s=60, settle_s=0.1, route_s=0.2, soak_s=0)


class PaperEngine(ComposeEngine):
    """Compose without Docker: what was started runs as `looks` says, by app and version."""

    def __init__(self, host: Host, store: StorePaths) -> None:
        super().__init__(host, store)
        self.looks: dict[str, Looks] = {}
        self.absent: set[str] = set()
        self.host = host
        self._up: dict[str, tuple[Project, int]] = {}
        self._started = 0

    def check(self, facts: ServerFacts) -> EngineFacts:
        return ENGINE

    def answers(self) -> bool:
        return True

    def whole(self, images: Any) -> frozenset[str]:
        return frozenset(i.reference for i in images if i.source not in self.absent)

    def load(self, image: ReleaseImage, config: bytes, *, doubt: bool = False) -> None:
        """On paper there is nothing to load."""

    def up(self, project: Project) -> None:
        self._started += 1
        self._up[project.name] = (project, self._started)

    def down(self, project: Project) -> None:
        self._up.pop(project.name, None)

    def stop(self, project: Project) -> None:
        self.down(project)

    def purge(self, projects: Any) -> None:
        """On paper there is nothing to purge."""

    def remove_networks(self, names: Any) -> None:
        """On paper there are no networks."""

    def logs(self, container_id: str, lines: int, since: str = "") -> str:
        return "psycopg.OperationalError: connection refused"

    def run_hook(self, project: Project, hook: Hook) -> None:
        done = self.host.run(hook.command, check=False)
        if not done.ok:
            raise self._hook_failed(project, hook, done)

    def feed_hook(self, project: Project, hook: Hook, source: str) -> None:
        done = self.host.run(commands.fed(hook.command, source), check=False)
        if not done.ok:
            raise self._hook_failed(project, hook, done)

    def hook_argv(self, project: Project, hook: Hook) -> tuple[str, ...]:
        return hook.command

    def states(self, projects: Any) -> tuple[ContainerState, ...]:
        return tuple(self._state(*self._up[p]) for p in projects if p in self._up)

    def _state(self, project: Project, start: int) -> ContainerState:
        app = project.name.removeprefix("smartcity-")
        looks = self.looks.get(f"{app} {self._release(project)}", [{}])
        look = looks.pop(0) if len(looks) > 1 else looks[0]
        made = ContainerState(
            id=f"{app}-{start}", project=project.name, service=app, image="", image_id="",
            status="running", running=True, health="healthy", health_output="", patience_s=0,
            start_period_s=0, exit_code=0, out_of_memory=False, restart_count=0,
            started_at="", files=project.files,
        )  # fmt: skip
        changed = dataclasses.replace(made, **look)
        return dataclasses.replace(changed, running=changed.status == "running")

    @staticmethod
    def _release(project: Project) -> str:
        """The number of the release that a container is of."""
        return next(p for p in project.directory.split("/") if "-" in p and p[0].isdigit())[0]


class Stage:
    """Makes places with what a case needs, and knows what differs from run to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "busybox").write_bytes(b"not a program")
        self.world = World.make(folder, folder / "busybox")
        self.session = Session(CommonOptions(workspace=folder / "kominfo"))
        (folder / "kominfo").mkdir()
        self.hidden: dict[str, str] = {}
        self._numbers = 0

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Stage]:
        """A stage in a folder that goes afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="smartcity-refusals-"))
        yield cls(folder)
        shutil.rmtree(folder)

    def number(self) -> int:
        """Another one at each call."""
        self._numbers += 1
        return self._numbers

    def hide(self, found: str, shown: str) -> None:
        """Let pages show `shown` where this run says `found`."""
        self.hidden[found] = shown

    def program(self, name: str, text: str) -> str:
        """A command of an app, which pages show as lying in `/app`."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        self.hide(str(path), f"/app/{name}")
        return str(path)

    def place(self, name: str = "layanan") -> Place:
        """A server with an empty store."""
        root = tempfile.mkdtemp(dir=self.folder)
        self.hide(root, "/var/lib/smartcity")
        store = StorePaths(root)
        host = LocalHost(name)
        return Place(host, SERVER, store, PaperEngine(host, store))

    def offered(self, *drafts: Draft, leave_out: tuple[str, ...] = ()) -> Place:
        """A server whose store holds releases."""
        place = self.place()
        for draft in drafts:
            self.world.ship(place.host, draft, store=place.store, leave_out=leave_out)
        return place

    def installed(self, *drafts: Draft) -> Place:
        """A server on which releases were installed, one after the other; their apps run."""
        place = self.offered(*drafts)
        before = ""
        for draft in drafts:
            release = self.release(draft)
            installed.unpack(place, release)
            installed.commit(place, release.name, before=before)
            before = release.name
            ensure_secrets(place, release.on_server(SERVER))
            for app in release.on_server(SERVER):
                place.engine.up(place.project(release, app))
        return place

    def release(self, draft: Draft) -> Release:
        """A draft's release."""
        return self.world.bundle(draft)[1].release

    def scene(self, place: Place, *drafts: Draft, **options: Any) -> Scene:
        """What a step of an installation is given; `drafts` are known there."""
        journal = Journal(place.host, place.store, run="1", by="budi@kominfo")
        known = {r.name: r for r in map(self.release, drafts)}
        chosen = dataclasses.replace(STAGE_OPTIONS, store=place.store, **options)
        return Scene(place, journal, lambda _event: None, chosen, known)


def paper(place: Place) -> PaperEngine:
    """The engine of a place, to be told what its containers do."""
    assert isinstance(place.engine, PaperEngine)
    return place.engine


# A case is a function that must raise: what it raises is what the command ends with. It is run
# twice, once in each language. Sections have a title in both.
Case = Callable[[Stage], object]
Sections = dict[tuple[str, str], tuple[Case, ...]]
