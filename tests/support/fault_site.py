"""A server with LAKSA on it, citizens who use it all the time, and what state it is in.

The product reaches it as a technician would: by the command, over SSH. Looking and putting it back
to the beginning go through the back door, so that a broken product cannot hide what it did.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fault_clients import Ticket, Watcher, Writer
from fault_releases import APP, CHOICE, NEW, OLD, REGION, UNDO_MIGRATIONS, Made
from workspace import Ran, Workspace

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.engines import commands
from smartcity_pkg.engines.engine import Project
from smartcity_pkg.install import journal
from smartcity_pkg.install.interrupted import Interrupted, interrupted
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

STORE = "/var/lib/smartcity"
SERVER = "layanan"  # as the profile calls it
_PSQL = (
    "docker exec -i smartcity-postgres-postgres-1 /usr/lib/postgresql/17/bin/psql"
    " -h /tmp/postgresql -U postgres -d laksa -qAt -v ON_ERROR_STOP=1"
)
_PHOTOS = (
    "docker exec smartcity-laksa-web-1 find /data/uploads -name '*.png' -size +0 -printf '%f\\n'"
)
_RUBBISH = """cd /var/lib/smartcity
find releases -maxdepth 1 \\( -name '*.part' -o -name '*.old' \\)
find store/parts backups -mindepth 1 -maxdepth 1 \\( -name 'load-*' -o -name '*.part' \\)
docker image ls --format '{{.Repository}}:{{.Tag}}' smartcity-staging
"""
_WAIT_S, _PATIENCE_S = 90.0, 10.0


@dataclass(frozen=True)
class Look:
    """The state of the server.

    `flaws` are what makes an installation a half one, each a sentence; `rubbish` is left over and
    harms nobody; `last` is the journal's last entry.
    """

    current: str
    version: str
    last: str
    containers: tuple[str, ...]
    flaws: tuple[str, ...]
    rubbish: tuple[str, ...] = ()


class BackDoorError(AssertionError):
    """The server did not do what the test's own way in asked for."""


@dataclass
class FaultSite:
    """One server, its workspace, its citizens; `open` makes it, `close` ends it.

    `one_disk` tells that Docker and the store lie on one disk, which can lose what is unwritten;
    else each has a small one of its own, the store's in memory.
    """

    server: Server
    space: Workspace
    made: dict[str, Made]
    one_disk: bool
    watcher: Watcher
    writer: Writer
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def open(
        cls, lab: Lab, name: str, space: Workspace, made: dict[str, Made], *, one_disk: bool
    ) -> FaultSite:
        """Start a server, ship all releases and install the old one."""
        server = (
            lab.server(name, docker_disk_mib=6144, store_on_docker_disk=True)
            if one_disk
            else lab.server(name, docker_disk_mib=4096, store_disk_mib=512)
        )
        try:
            space.profile(server, lab.client_key, choice=CHOICE)
            url = f"http://{server.address}"
            site = cls(server, space, made, one_disk, Watcher(url), Writer(url))
            space.smartcity("ship", made[OLD].bundle)
            space.smartcity("install", REGION, "--release", made[OLD].name)
            for release in made.values():  # later, when the engine has most of their layers
                space.smartcity("ship", release.bundle)
        except BaseException:
            server.remove()
            raise
        site.watcher.start()
        site.writer.start()
        return site

    def close(self) -> None:
        """End the citizens and the server."""
        self.watcher.end()
        self.writer.end()
        self.server.remove()

    # -- the technician -------------------------------------------------------------------------

    def start_install(self, kind: str) -> None:
        """Begin to install a release; the process is the last of `clients`."""
        name = self.made[kind].name
        self.clients.append(self.space.start("install", REGION, "--release", name))

    def smartcity(self, *words: str) -> Ran:
        """Run a command to its end, whatever that is."""
        return self.space.smartcity(*words, code=None)

    # -- the back door --------------------------------------------------------------------------

    def sh(self, text: str, stdin: str = "") -> str:
        """What a shell on the server says; it must succeed."""
        done = self.server.run(["sh", "-euc", text], stdin=stdin.encode())
        if done.returncode != 0:
            raise BackDoorError(f"{text}: {done.stderr}")
        return done.stdout

    def sql(self, text: str) -> list[str]:
        """Rows of LAKSA's database, their fields separated by |."""
        return self.sh(_PSQL, text).splitlines()

    def journal(self) -> bytes:
        """The journal's bytes; empty where there is none."""
        try:
            return self.server.path(f"{STORE}/journal.jsonl").read_bytes()
        except FileNotFoundError:
            return b""

    def entries(self) -> tuple[str, ...]:
        """The journal's entries as text: step, phase, subject."""
        return tuple(map(_entry_text, journal.entries_of(self.journal())))

    def release(self, name: str) -> Release:
        """An unpacked release."""
        path = self.server.path(f"{STORE}/releases/{name}/release.json")
        return Release.model_validate_json(path.read_bytes())

    @property
    def current(self) -> str:
        """The release that the server's link names."""
        link = self.server.path(f"{STORE}/current")
        return link.readlink().name if link.is_symlink() else ""

    def kind(self, name: str) -> str:
        """What kind of release has this name; "" if none of ours."""
        return next((kind for kind, made in self.made.items() if made.name == name), "")

    def interrupted(self) -> Interrupted | None:
        """What the journal says must be finished or undone."""
        return interrupted(journal.entries_of(self.journal()), self.current)

    def expire_lock(self) -> bool:
        """Let the lease of a dead client's lock be over, as two minutes later; whether one was."""
        lease = self.server.path(f"{STORE}/lock/lease")
        if not lease.exists():
            return False
        lease.write_text("-1000\n")
        return True

    # -- back to the beginning ------------------------------------------------------------------

    def reset(self) -> None:
        """The old release serves, unmigrated; no upgrade is loaded, unpacked or in the journal."""
        old = self.made[OLD].name
        if self.current != old:
            self.compose_up(OLD)
        self.sql(UNDO_MIGRATIONS)
        self.sh(
            f"cd {STORE}; ln -sfn releases/{old} current; rm -rf lock journal.jsonl watermark.json"
            f" previous backups/* store/parts/*; cd releases;"
            f" find . -mindepth 1 -maxdepth 1 ! -name {old} -exec rm -rf {{}} +"
        )
        self._forget_images()
        self._bring_layers()
        self._wait_for(OLD)

    def compose_up(self, kind: str) -> None:
        """What a person does without smartcity: `docker compose up -d` for LAKSA of a release."""
        name = self.made[kind].name
        app = next(a for a in self.release(name).on_server(SERVER) if a.app == APP)
        folder = PurePosixPath(STORE) / "releases" / name
        files = tuple(str(folder / file) for file in app.compose_files)
        project = Project(
            name=app.project,
            directory=str(PurePosixPath(files[0]).parent),
            files=files,
            env_file=str(folder / app.env_file) if app.env_file else "",
        )
        self.sh(" ".join(commands.compose(project, "up", "-d")))

    def _forget_images(self) -> None:
        kept = {i.reference for i in self.release(self.made[OLD].name).images}
        listed = self.sh("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
        gone = [name for name in listed if name not in kept and "<none>" not in name]
        if gone:
            self.sh(f"docker image rm {' '.join(gone)}")

    def _bring_layers(self) -> None:
        """Ship what an installation, or a fault, has taken out of the store."""
        blobs = self.server.path(f"{STORE}/store/blobs/sha256")
        for made in self.made.values():
            layers = set(made.layers) - set(self.made[OLD].layers)
            if all((blobs / layer.removeprefix("sha256:")).exists() for layer in layers):
                continue
            ran = self.smartcity("ship", made.bundle)
            if ran.code != 0:
                raise BackDoorError(f"cannot ship: {ran.err[-2000:]}")

    def _wait_for(self, kind: str) -> None:
        if self._answering(self.made[kind].version, _WAIT_S) != self.made[kind].version:
            raise BackDoorError(f"the {kind} release does not answer: {self.look()}")

    def _answering(self, version: str, wait_s: float) -> str:
        """The version that answers, `version` if that comes within the time."""
        deadline_s = time.monotonic() + wait_s
        while (found := self.watcher.now()) != version and time.monotonic() < deadline_s:
            pass
        return found

    # -- what state it is in --------------------------------------------------------------------

    def glance(self) -> str:
        """What needs no engine: the current release, who answers, where the journal ends."""
        current, version = self.current, self.watcher.now()
        answers = version or "nobody"
        return f"{self.kind(current) or current}, {answers} answers, last: {self._last}"

    @property
    def _last(self) -> str:
        return next(reversed(self.entries()), "")

    def look(self) -> Look:
        """The state now, seen through the back door. A late answer is an outage, and no flaw."""
        current = self.current
        wanted = [m.version for m in self.made.values() if m.name == current]
        version = self._answering(wanted[0] if wanted else "", _PATIENCE_S)
        containers = self._containers()
        return Look(
            current=self.kind(current) or current,
            version=version,
            last=self._last,
            containers=tuple(sorted(_container_text(c) for c in containers)),
            flaws=tuple(self._flaws(current, version, containers)),
            rubbish=tuple(self.sh(f"set +e\n{_RUBBISH}exit 0").split()),
        )

    def lost(self) -> list[Ticket]:
        """Acknowledged complaints that the database, or their photo's file, no longer shows."""
        promised = list(self.writer.acknowledged)
        rows = self.sql("SELECT ticket, coalesce(photo, '') FROM complaints;")
        photos = dict(row.split("|") for row in rows)
        files = set(self.sh(_PHOTOS).split())
        lost = [
            ticket
            for ticket in promised
            if ticket.number not in photos or (ticket.photo and photos[ticket.number] not in files)
        ]
        self.writer.forget(lost)
        return lost

    def _migrated(self) -> list[str]:
        """The highest migration; nothing where the database does not answer."""
        with contextlib.suppress(BackDoorError):
            return self.sql("SELECT max(number) FROM schema_migrations;")
        return []

    def _containers(self) -> list[dict[str, Any]]:
        """All containers; one that goes away meanwhile is left out."""
        told = self.sh('ids=$(docker ps -aq); [ -z "$ids" ] || docker inspect $ids || true')
        found: list[dict[str, Any]] = json.loads(told or "[]")
        return found

    def _flaws(self, current: str, version: str, containers: list[dict[str, Any]]) -> Iterator[str]:
        made = next((m for m in self.made.values() if m.name == current), None)
        if made is None:
            yield f"the current release is “{current}”"
            return
        if version != made.version:
            yield f"LAKSA {version or '(none)'} answers, current is {made.version}"
        yield from self._container_flaws(self.release(current), containers)
        if self.server.path(f"{STORE}/lock").exists():
            yield "the lock is held"
        if found := self.interrupted():
            yield f"the journal says that {found.kind} was interrupted at {found.step}"
        if broken := journal.verify_chain(self.journal()).broken:
            yield f"line {broken} of the journal does not follow the one before"
        if made.kind == NEW and self._migrated() != ["2"]:
            yield "the new release is current, its migration is not in the database"

    def _container_flaws(self, release: Release, containers: list[dict[str, Any]]) -> Iterator[str]:
        left = {str(c["Id"]): c for c in containers}
        for app in release.on_server(SERVER):
            for service in app.services:
                mine = [c for c in left.values() if _names(c, app.project, service)]
                for container in mine:
                    del left[str(container["Id"])]
                good = [c for c in mine if _runs(c) and c["Config"]["Image"] in app.images]
                if len(mine) != 1 or len(good) != 1:
                    yield f"{app.app}/{service}: {[*map(_container_text, mine)]}"
                elif app.app == APP and release.name not in _label(mine[0], commands.FILES_LABEL):
                    yield f"{app.app}/{service} was made from another release"
        for container in left.values():
            yield f"left over: {_container_text(container)}"


def _label(container: dict[str, Any], name: str) -> str:
    return str((container["Config"]["Labels"] or {}).get(name, ""))


def _names(container: dict[str, Any], project: str, service: str) -> bool:
    labels = (commands.PROJECT_LABEL, commands.SERVICE_LABEL, commands.ONE_OFF_LABEL)
    return tuple(_label(container, x) for x in labels) == (project, service, "False")


def _runs(container: dict[str, Any]) -> bool:
    state = container["State"]
    return state["Status"] == "running" and state.get("Health", {}).get("Status") == "healthy"


def _container_text(container: dict[str, Any]) -> str:
    state = container["State"]
    health = state.get("Health", {}).get("Status", "-")
    return (
        f"{container['Name'].lstrip('/')} {state['Status']} {health} {container['Config']['Image']}"
    )


def _entry_text(entry: journal.Entry) -> str:
    return f"{entry.step} {entry.phase} {entry.subject}".strip()


def copied(space: Workspace, folder: Path) -> Workspace:
    """The same workspace in another folder, for another server; bundles are shared."""

    def link(source: str, target: str) -> None:
        if source.endswith(".tar"):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(
        space.folder, folder, copy_function=link, ignore=shutil.ignore_patterns("bundles", "home")
    )
    return Workspace(folder, space.docker_host, space.environment)
