"""A lab: the practice network and the servers on it, made and removed as one.

What a server can do is in `server`; what stands on it is built by `rootfs` and `images`.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path
from types import TracebackType

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.lab import cgroups, disks
from smartcity_pkg.lab.cache import (
    in_use,
    lab_home,
    remove_tree,
    remove_unused,
    share_lock,
    try_lock,
)
from smartcity_pkg.lab.command import run, run_raw
from smartcity_pkg.lab.machine import Machine, MachineSpec, kill_leftovers
from smartcity_pkg.lab.network import Network, namespaces
from smartcity_pkg.lab.rootfs import RootFs, root_fs
from smartcity_pkg.lab.server import Server

# Debian packages with the programs that the lab runs; `make` installs them.
HOST_PACKAGES = (
    "mmdebstrap",
    "iproute2",
    "util-linux",
    "mount",
    "e2fsprogs",
    "debian-archive-keyring",
)
_PROGRAMS = (
    "mmdebstrap",
    "ip",
    "bridge",
    "tc",
    "nsenter",
    "unshare",
    "mount",
    "mkfs.ext4",
    "chroot",
)
_SOCKETS = Path("/run/smartcity-lab")  # socket paths are limited to 108 bytes: keep them short


def available() -> str | None:
    """None where a lab can run, else one sentence that says what is missing."""
    if os.geteuid() != 0:
        return _("practice servers need root")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        return _("practice servers need these programs: {names}").format(names=", ".join(missing))
    probe = ["unshare", "--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "--fork", "true"]
    if run_raw(probe).returncode != 0:
        return _("practice servers need namespaces, and this machine does not let us make them")
    if "overlay" not in Path("/proc/filesystems").read_text() and (
        shutil.which("modprobe") is None or run_raw(["modprobe", "overlay"]).returncode != 0
    ):
        return _("practice servers need the overlay file system, which this kernel lacks")
    home = lab_home()
    home.mkdir(parents=True, exist_ok=True)
    if run(["stat", "-f", "-c", "%T", str(home)]).strip() == "overlayfs":
        return _(
            "practice servers cannot keep their disks on an overlay file system;"
            " set SMARTCITY_LAB_HOME to a folder on another one"
        )
    return None


class Lab:
    """Servers and their network; `prefix` tells labs that run side by side apart.

    One process has a prefix at a time. What an earlier, killed run with the same prefix left is
    removed by `up` and by `close`.
    """

    def __init__(self, prefix: str = "sc", home: Path | None = None) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", prefix):
            raise LabError(
                _("“{prefix}” is no prefix for a lab").format(prefix=prefix),
                _("Use one to eight lower-case letters and digits, a letter first."),
            )
        self.prefix = prefix
        self.home = home or lab_home()
        self.servers: dict[str, Server] = {}
        self._network = Network(prefix)
        self._progress: Progress = no_progress
        self._root_fs: RootFs | None = None
        self._lock: int | None = None
        self._in_use: int | None = None
        self._count = 0
        self._naming = threading.Lock()

    # -- all of it ------------------------------------------------------------------------------

    def up(self, progress: Progress = no_progress) -> Lab:
        """Build what is missing and make the network; the first time takes about a minute."""
        missing = available()
        if missing is not None:
            raise LabError(missing)
        self._progress = progress
        self._take_prefix()
        self._remove_leftovers()
        remove_unused(self.home)
        self._in_use = share_lock(in_use(self.home))
        self._root_fs = root_fs(self.home, progress)
        self._network.up(self.home / ".network.lock")
        return self

    def close(self) -> None:
        """Remove the servers, the network and all they left, from an earlier run too. Idempotent.

        What was built, and the Docker disks of servers with `keep_docker`, stay for the next time.
        """
        for server in list(self.servers.values()):
            server.remove()
        if self._lock is None:
            self._take_prefix()
        self._remove_leftovers()
        for lock in (self._in_use, self._lock):
            if lock is not None:
                os.close(lock)
        self._in_use = self._lock = None

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- its parts ------------------------------------------------------------------------------

    @property
    def root_fs(self) -> RootFs:
        """What the servers stand on; the Docker client in it works outside as well."""
        if self._root_fs is None:
            raise LabError(_("the lab is not up"))
        return self._root_fs

    @property
    def client_key(self) -> Path:
        """The private key that opens `root`, `deploy` and `nosudo` on every server."""
        return self.root_fs.client_key

    @property
    def operator_address(self) -> str:
        """Our own address on the practice network."""
        return self._network.operator_address

    def server(
        self,
        name: str,
        *,
        engine: bool = True,
        engine_over: Path | None = None,
        docker_disk_mib: int | None = None,
        store_disk_mib: int | None = None,
        store_on_docker_disk: bool = False,
        dockerd_options: tuple[str, ...] = (),
        keep_docker: bool = False,
    ) -> Server:
        """Make and start a server; returns when SSH, and the engine if any, answer.

        Args:
            name: its host name.
            engine: False makes one on which Docker is not installed at all.
            engine_over: a tree whose files replace the engine's (`oldengine`).
            docker_disk_mib: a disk of this size for /var/lib/docker, to be filled or cut.
            store_disk_mib: a disk of this size for /var/lib/smartcity (in memory: a power cut
                empties it).
            store_on_docker_disk: /var/lib/smartcity lies on the disk of /var/lib/docker, as on a
                server with one disk, and shares its fate.
            dockerd_options: further options of dockerd, without blanks in them.
            keep_docker: keep Docker's disk under this name when the lab closes, and start with
                what is there; for the engine that builds images.
        """
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", name) or name in self.servers:
            raise LabError(_("“{name}” is no new server's name").format(name=name))
        machine_id = f"{self.prefix}-{name}"
        state = self._run_folder / name
        spec = MachineSpec(
            id=machine_id,
            host_name=name,
            lowers=(*([engine_over] if engine_over else []), *self.root_fs.lowers(engine=engine)),
            state=state,
            engine=engine,
            docker_disk=self._docker_disk(name, state, docker_disk_mib, keep=keep_docker),
            sockets=_SOCKETS / machine_id,
            store="docker" if store_on_docker_disk else str(store_disk_mib or 0),
            dockerd_options=dockerd_options,
        )
        disk_lock = self._kept_lock(name) if keep_docker else None
        self._progress(Step(_("Starting the practice server {name}").format(name=name)))
        with self._naming:  # servers may be started by several threads
            self._count += 1
            server = Server(
                index=self._count,
                machine=Machine(spec),
                network=self._network,
                disk_lock=disk_lock,
                lab_lock=self._in_use,
                forget=self._forget,
            )
            self.servers[name] = server
        try:
            server.plug_in()
            server.start()
        except BaseException:
            server.remove()
            raise
        return server

    @property
    def _run_folder(self) -> Path:
        return self.home / "run" / self.prefix

    def _forget(self, server: Server) -> None:
        self.servers.pop(server.name, None)

    def _docker_disk(self, name: str, state: Path, size_mib: int | None, *, keep: bool) -> Path:
        if size_mib is not None:
            image = state / "docker.img"
            disks.make_disk_image(image, size_mib)
            return image
        folder = self.home / "engines" / name if keep else state / "docker"
        folder.mkdir(parents=True, exist_ok=True, mode=0o710)
        return folder

    def _kept_lock(self, name: str) -> int:
        lock = try_lock(self.home / "engines" / f".{name}.lock")
        if lock is None:
            raise LabError(
                _("the kept engine “{name}” is in use by another lab").format(name=name),
                _("Wait until the other one ends, or choose another name."),
            )
        return lock

    def _take_prefix(self) -> None:
        if self._lock is None:
            self._lock = try_lock(self.home / "run" / f".{self.prefix}.lock")
        if self._lock is None:
            raise LabError(
                _("a lab with the prefix “{prefix}” is running").format(prefix=self.prefix),
                _("Wait until it ends, or choose another prefix."),
            )

    def _remove_leftovers(self) -> None:
        mine = {n for n in namespaces() if n.startswith(f"{self.prefix}-")}
        hub = {self._network.hub}
        for machine_id in (mine | cgroups.group_names(f"{self.prefix}-")) - hub:
            kill_leftovers(machine_id)
            run_raw(["ip", "netns", "del", machine_id])
        self._network.down()
        for sockets in _SOCKETS.glob(f"{self.prefix}-*"):
            remove_tree(sockets)
        remove_tree(self._run_folder)
