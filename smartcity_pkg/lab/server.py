"""One practice server: its address and keys, its power switch, and what can go wrong with it.

The product reaches a server over SSH only. `run`, `path` and `docker_socket` are the tests' back
door, and the way in which the lab's own build engine is used.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.lab import disks
from smartcity_pkg.lab.cache import remove_tree
from smartcity_pkg.lab.cgroups import memory_group
from smartcity_pkg.lab.command import run_raw, wait_until
from smartcity_pkg.lab.machine import Machine
from smartcity_pkg.lab.network import Network

SSH_PORT = 22
_START_S = 60.0
_ENGINE_STOP_S = 60.0


class Server:
    """Made and started by `Lab.server`; every method that changes something may be called twice."""

    ssh_port = SSH_PORT

    def __init__(
        self,
        *,
        index: int,
        machine: Machine,
        network: Network,
        disk_lock: int | None,
        lab_lock: int | None,
        forget: Callable[[Server], None],
    ) -> None:
        """`disk_lock` is the lock of a Docker disk that is kept, and the server's own; `lab_lock`
        the lab's. Both stay open as long as the server lives, should this process be killed.
        """
        self.name = machine.spec.host_name
        self.address = network.server_address(index)
        self._port = f"port{index}"
        self._machine = machine
        self._network = network
        self._disk_lock = disk_lock
        self._lab_lock = lab_lock
        self._forget = forget

    # -- who it is ------------------------------------------------------------------------------

    @property
    def host_key(self) -> str:
        """The server's public host key: "ssh-ed25519 AAAA…"."""
        public = self._machine.spec.state / "upper/etc/ssh/ssh_host_ed25519_key.pub"
        return " ".join(public.read_text().split()[:2])

    @property
    def docker_socket(self) -> Path:
        """The engine's socket, usable from outside (as `unix://…` in DOCKER_HOST)."""
        return self._machine.spec.sockets / "docker.sock"

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self._machine.running

    @property
    def memory_group(self) -> Path:
        """The control group that counts its memory, as a folder outside."""
        return memory_group(self._machine.spec.id)

    # -- power ----------------------------------------------------------------------------------

    def plug_in(self) -> None:
        """Cable it to the practice network; once, before the first start."""
        self._network.plug_in(self._machine.spec.id, self._port, self.address)

    def start(self) -> None:
        """Switch on, with the disks as they were, and wait until SSH and the engine answer."""
        locks = (self._disk_lock, self._lab_lock)
        self._machine.start(keep_open=[lock for lock in locks if lock is not None])
        self._network.set_link(self._port, up=True)
        if not wait_until(lambda: not self.running or self._answers(), timeout_s=_START_S):
            raise self._machine.start_error()
        if not self.running:
            raise self._machine.start_error()

    def power_cut(self, *, lose_unwritten: bool = False) -> None:
        """Everything stops at once, and nobody hears of it.

        With `lose_unwritten` (a server with docker_disk_mib) what Docker's disk had only in memory
        is lost too; without it the page cache of this machine survives.
        """
        if not self.running:
            return
        # First the cable: the kernel would say goodbye on connections of killed processes, and they
        # would tell of a disk that fails.
        self._network.set_link(self._port, up=False)
        if lose_unwritten:
            disks.lose_unwritten(self.path("/var/lib/docker"))
        self._machine.kill()

    def remove(self) -> None:
        """Switch off for good: processes, cable, control groups and disks go. Idempotent."""
        spec = self._machine.spec
        if self._disk_lock is not None and self.running:
            self.stop_engine()  # its disk is kept for the next time: leave it in good order
        self._machine.kill()
        self._network.unplug(spec.id, self._port)
        remove_tree(spec.sockets)
        remove_tree(spec.state)
        if self._disk_lock is not None:
            os.close(self._disk_lock)
            self._disk_lock = None
        self._forget(self)

    # -- the back door --------------------------------------------------------------------------

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, and give what happened; its status is not judged."""
        done = run_raw([*self._machine.enter(), *argv], stdin=stdin, timeout_s=timeout_s)
        return subprocess.CompletedProcess(
            list(argv),
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def path(self, inside: str) -> Path:
        """The file `inside` (absolute, on the server) as a path outside; only while it runs."""
        return Path(f"/proc/{self._machine.pid}/root") / inside.lstrip("/")

    # -- what can go wrong ----------------------------------------------------------------------

    def link(self, up: bool) -> None:
        """Pull the cable, or put it back: the server sees its link go down."""
        self._network.set_link(self._port, up=up)

    def black_hole(self, on: bool) -> None:
        """Lose every packet, both ways, while the link looks fine."""
        self._network.set_black_hole(self._port, on=on)

    def rate(self, bits_per_s: int | None) -> None:
        """Limit the link to so many bits per second each way; None takes the limit away."""
        self._network.set_rate(self._machine.spec.id, self._port, bits_per_s)

    def fill_disk(self, inside: str, *, leave_mib: int = 0) -> None:
        """Fill the disk of that folder; only disks of the server's own (docker, store, /tmp)."""
        disks.fill(self.path(inside), self._machine.spec.state, leave_mib)

    def free_disk(self, inside: str) -> None:
        """Undo `fill_disk`."""
        disks.free(self.path(inside))

    def stop_engine(self, *, kill: bool = False) -> None:
        """Stop the Docker Engine: in good order, or as if it had crashed."""
        word = "kill" if kill else "stop"
        self._engine(word)

    def start_engine(self) -> None:
        """Start the Docker Engine again and wait until it answers."""
        self._engine("start")
        if not wait_until(self._engine_answers, timeout_s=_START_S):
            raise LabError(
                _("the Docker Engine of {name} does not answer").format(name=self.name),
                _("Its log is /var/log/dockerd.log on the server."),
            )

    def _engine(self, word: str) -> None:
        done = run_raw(
            [*self._machine.enter(), "sh", "/run/engine.sh", word], timeout_s=_ENGINE_STOP_S
        )
        if done.returncode != 0:
            raise LabError(
                _("the Docker Engine of {name} could not be changed: {said}").format(
                    name=self.name, said=done.stderr.decode(errors="replace").strip()
                )
            )

    def _answers(self) -> bool:
        return self._ssh_answers() and (not self._machine.spec.engine or self._engine_answers())

    def _ssh_answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.address, SSH_PORT), 0.5) as link:
            return link.recv(4) == b"SSH-"
        return False

    def _engine_answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            link.connect(str(self.docker_socket))
            link.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in link.recv(4096)
        return False
