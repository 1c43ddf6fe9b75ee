"""The processes of one practice server: start its namespaces, enter them, cut its power.

A server is a pid, mount, uts, ipc, net and cgroup namespace; when its PID 1 is killed, everything
in it dies at once, as with a power cut. Its network and what it is good for are `server`'s.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.lab.cgroups import make_groups, remove_groups
from smartcity_pkg.lab.command import run_raw, script, wait_until

_DEATH_S = 20.0


@dataclass(frozen=True)
class MachineSpec:
    """What a server's PID 1 is told; see shell/init.sh. `id` names its namespace and groups."""

    id: str
    host_name: str
    lowers: tuple[Path, ...]
    state: Path
    engine: bool
    docker_disk: Path
    sockets: Path
    store: str
    dockerd_options: tuple[str, ...]


class Machine:
    """The running half of a server; can be started again after a power cut."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        self._launcher: subprocess.Popen[bytes] | None = None
        self._init_pid = 0

    @property
    def pid(self) -> int:
        """The server's PID 1, as numbered outside."""
        if not self.running:
            raise LabError(_("the server {name} is off").format(name=self.spec.host_name))
        return self._init_pid

    @property
    def running(self) -> bool:
        """Whether it has been started and not died since."""
        return self._launcher is not None and self._launcher.poll() is None

    def start(self, keep_open: Sequence[int] = ()) -> None:
        """Start PID 1. `keep_open` are descriptors (locks) that live as long as the server."""
        spec = self.spec
        if self.running:
            raise LabError(_("the server {name} is running already").format(name=spec.host_name))
        for folder in ("upper", "work", "root"):
            (spec.state / folder).mkdir(parents=True, exist_ok=True)
        spec.sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        groups = make_groups(spec.id)
        argv = [
            *("sh", script("launch.sh"), *(str(path) for _controllers, path in groups), "--"),
            *("nsenter", f"--net=/run/netns/{spec.id}"),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--propagation"),
            *("private", "--fork", "--kill-child=KILL", "sh", script("init.sh")),
            spec.host_name,
            ":".join(map(str, spec.lowers)),
            str(spec.state),
            "yes" if spec.engine else "no",
            " ".join(controllers for controllers, _path in groups),
            str(spec.docker_disk),
            str(spec.sockets),
            spec.store,
            *spec.dockerd_options,
        ]
        with self.console.open("wb") as console:
            # A session of its own: Ctrl-C in the operator's terminal is not the servers' business.
            self._launcher = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )
        self._init_pid = self._wait_for_init(self._launcher)

    @property
    def console(self) -> Path:
        """What PID 1 printed while it started."""
        return self.spec.state / "console.log"

    def kill(self) -> None:
        """Kill every process of the server at once and wait until all are gone. Idempotent."""
        if self._launcher is not None:
            for pid in (self._init_pid, self._launcher.pid):
                if self._launcher.poll() is None:
                    _kill(pid)
            # The launcher ends after PID 1 is reaped, which is after all others are dead.
            self._launcher.wait(_DEATH_S)
            self._launcher = None
        kill_leftovers(self.spec.id)

    def enter(self) -> list[str]:
        """The argv prefix that runs a command inside, as root."""
        return ["nsenter", "-t", str(self.pid), *("-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w")]

    def _wait_for_init(self, launcher: subprocess.Popen[bytes]) -> int:
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
        found: list[int] = []

        def forked() -> bool:
            # `sh`, `nsenter` and `unshare` are one process after another; only the last one forks.
            try:
                found[:] = map(int, children.read_text().split())
            except OSError:
                found.clear()
            return bool(found) or launcher.poll() is not None

        if not wait_until(forked, timeout_s=10, pause_s=0.005) or not found:
            raise self.start_error()
        return found[0]

    def start_error(self) -> LabError:
        """What to say when the server does not come up, with what it printed."""
        said = self.console.read_text(errors="replace").strip().splitlines()
        return LabError(
            _("the practice server {name} does not start: {said}").format(
                name=self.spec.host_name, said=" / ".join(said[-5:]) or "-"
            ),
            _("Its console is in {path}.").format(path=self.console),
        )


def kill_leftovers(machine_id: str) -> None:
    """Kill what runs in the namespace `machine_id`, also when another process started it."""

    def gone() -> bool:
        listed = run_raw(["ip", "netns", "pids", machine_id])
        pids = [int(word) for word in listed.stdout.split()]
        for pid in pids:
            _kill(pid)
        return not any(_alive(pid) for pid in pids)

    if not wait_until(gone, timeout_s=_DEATH_S):
        raise LabError(_("processes of {name} do not end").format(name=machine_id))
    remove_groups(machine_id)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    """A zombie is dead: the machine's init may take a second to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
