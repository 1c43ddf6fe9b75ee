"""A real server under installation, seen from three sides; and a link that can be lost."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from install_world import PORT, SERVER, Draft, World

from smartcity_pkg.core.errors import UnreachableError
from smartcity_pkg.core.progress import Event, Note, Step
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.install.outcome import InstallOptions, InstallReport, RollbackReport
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.rollback import rollback
from smartcity_pkg.install.run import install
from smartcity_pkg.install.status import ServerStatus, status
from smartcity_pkg.install.uninstall import UninstallReport, uninstall
from smartcity_pkg.lab.server import Server

OPTIONS = InstallOptions(health_s=30, settle_s=3, route_s=5, soak_s=2)


@dataclass
class Site:
    """A pemda's server, seen from three sides: the product, the citizen, the test's back door."""

    server: Server
    host: Host
    world: World
    events: list[Event] = field(default_factory=list)

    # -- the product --------------------------------------------------------------------------

    def install(self, draft: Draft, *, host: Host | None = None, older: bool = False,
                accept: tuple[str, ...] = (),
                watch: Callable[[Event], None] | None = None,
                soak_s: float = OPTIONS.soak_s,
                without_backup: tuple[str, ...] = ()) -> InstallReport:  # fmt: skip
        """Install a release that was shipped."""
        self.events.clear()
        return install(
            host or self.host,
            SERVER,
            trusted=self.world.trusted,
            release_name=self.world.bundle(draft)[1].release.name,
            progress=watch or self.events.append,
            options=replace(
                OPTIONS,
                soak_s=soak_s,
                allow_downgrade=older,
                accept=frozenset(accept),
                without_backup=without_backup,
            ),
        )

    def deploy(
        self, draft: Draft, *, older: bool = False, soak_s: float = OPTIONS.soak_s
    ) -> InstallReport:
        """Ship by hand, then install."""
        self.world.ship(self.host, draft)
        return self.install(draft, older=older, soak_s=soak_s)

    def rollback(self, *, with_data: bool = False) -> RollbackReport:
        """Go back."""
        return rollback(self.host, SERVER, with_data=with_data, options=OPTIONS)

    @property
    def place(self) -> Place:
        """The server, its store and its engine."""
        store = OPTIONS.store
        return Place(self.host, SERVER, store, ComposeEngine(self.host, store))

    def write(self, name: str, text: str) -> None:
        """Something that an app keeps: a file of `lapor`."""
        self.sh(f"docker exec {self.containers()['lapor']} sh -c 'echo {text} > /data/{name}'")

    def data(self) -> dict[str, str]:
        """All that `lapor` keeps, by name."""
        shown = self.sh(
            f"docker exec {self.containers()['lapor']}"
            " sh -c 'cd /data; for f in *; do [ ! -f $f ] || echo $f $(cat $f); done'"
        )
        return {name: text for name, _space, text in (x.partition(" ") for x in shown.splitlines())}

    def uninstall(self, *, purge_data: bool = False) -> UninstallReport:
        """Take the apps away."""
        return uninstall(self.host, SERVER, purge_data=purge_data, options=OPTIONS)

    def status(self) -> ServerStatus:
        """What the product sees."""
        return status(self.host, SERVER)

    def name(self, draft: Draft) -> str:
        """A release's name."""
        return self.world.bundle(draft)[1].release.name

    # -- the citizen ---------------------------------------------------------------------------

    def page(self) -> str:
        """What the entrance shows; "" if nobody answers."""
        try:
            url = f"http://{self.server.address}:{PORT}/lapor/sehat"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode().strip())
        except (urllib.error.URLError, OSError):
            return ""

    # -- the back door --------------------------------------------------------------------------

    def sh(self, text: str) -> str:
        """What a shell on the server says; it must succeed."""
        done = self.server.run(["sh", "-euc", text])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def containers(self) -> dict[str, str]:
        """The ID of each app's running container."""
        listed = self.sh("docker ps --format '{{.Names}} {{.ID}}'").splitlines()
        pairs = [line.split() for line in listed]
        return {name.split("-")[1]: found for name, found in pairs}

    def told(self) -> str:
        """All progress of the last installation as text."""
        return "\n".join(e.text for e in self.events if isinstance(e, Step | Note))


class CutAtJournal:
    """A host whose link is lost for good with the first journal entry that `step` and `phase` name.

    With `after`, that entry still reaches the server.
    """

    def __init__(self, host: Host, step: str, phase: str, *, after: bool = True) -> None:
        self._host = host
        self._wanted = (f'"step": "{step}"', f'"phase": "{phase}"')
        self._after = after
        self.cut = False

    @property
    def name(self) -> str:
        return self._host.name

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        if self.cut:
            raise UnreachableError("cut")
        if "# write the journal" in (argv[2] if len(argv) > 2 else ""):
            told = options["stdin"]
            assert isinstance(told, bytes)
            if all(words in told.decode() for words in self._wanted):
                self.cut = True
                if self._after:
                    self._host.run(argv, **options)  # type: ignore[arg-type]
                raise UnreachableError("cut")
        return self._host.run(argv, **options)  # type: ignore[arg-type]

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> object:
        if self.cut:
            raise UnreachableError("cut")
        return self._host.connect(address, port, timeout_s)

    def close(self) -> None:
        self._host.close()


class CutAfter:
    """A host whose link is lost after so many commands, for good: the command itself still runs."""

    def __init__(self, host: Host, commands: int) -> None:
        self._host = host
        self.left = commands

    @property
    def name(self) -> str:
        return self._host.name

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        if self.left > 0:
            self.left -= 1
            if self.left:
                return self._host.run(argv, **options)  # type: ignore[arg-type]
            self._host.run(argv, **{**options, "check": False})  # type: ignore[arg-type]
        raise UnreachableError("cut")

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> object:
        if self.left > 0:
            return self._host.connect(address, port, timeout_s)
        raise UnreachableError("cut")

    def close(self) -> None:
        self._host.close()
