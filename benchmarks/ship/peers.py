"""The tools that are compared, each as people use it: from images on the sender's engine to images
on the server's.

Helpers that a tool needs to be there (a registry, a web server, a tunnel) are started before
anything is measured. What is measured is `links`' business, in which order `run`'s.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from links import Meter
from workload import SERVER, Workload

from smartcity_pkg.core.progress import no_progress
from smartcity_pkg.lab.command import wait_until
from smartcity_pkg.lab.debian import PackageLayer, package_layer
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.programs import Readers
from smartcity_pkg.lab.server import Server

HOST_PACKAGES = ("casync", "docker-registry", "openssh-client", "rsync", "xdelta3", "zstd")
DOCKERD_OPTIONS = ("--insecure-registry=198.18.0.0/15",)
_ON_SERVER = PackageLayer(name="bench-peers", packages=("rsync", "casync", "docker-registry"))
_ARCHIVE = "/var/tmp/images.tar"  # noqa: S108 - on a practice server
_LISTENING_S = 10.0
_NOT_SENT = ("store", "engine", "recovered")  # what `ship` calls layers that need not travel


def server_tree(lab: Lab) -> Path:
    """What a server needs besides its engine, so that the peers can work."""
    below = [lab.root_fs.engine, lab.root_fs.ssh, lab.root_fs.debian]
    return package_layer(lab.home, _ON_SERVER, below, no_progress)


@dataclass(frozen=True)
class Site:
    """Where one tool works: the sender's images, one server, and a folder of its own."""

    lab: Lab
    work: Workload
    server: Server
    meter: Meter
    folder: Path

    def ssh(self, *words: str) -> list[str]:
        """The argv that runs a command line on the server, or `ssh` with options of its own."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "Ciphers": "aes128-gcm@openssh.com",
        }
        given = [f"-o{name}={value}" for name, value in options.items()]
        return ["ssh", "-i", str(self.lab.client_key), *given, *words]

    @property
    def login(self) -> str:
        """User and address."""
        return f"root@{self.server.address}"

    def here(self, phase: str, argv: Sequence[str]) -> str:
        """Run a part of the step on the sender."""
        return self.meter.run(phase, argv, self.work.environment)

    def there(self, phase: str, line: str) -> str:
        """Run a part of the step on the server."""
        return self.here(phase, self.ssh(self.login, line))


class Tool(ABC):
    """One way of shipping, on one site."""

    name: str
    layer_level = False  # whether it moves whole changed layers: what people have today

    def __init__(self, site: Site) -> None:
        self.site = site
        self._helpers: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def ship(self, step: str) -> None:
        """Bring a step's images to the server's engine."""

    def close(self) -> None:
        """Stop the helpers."""
        for helper in self._helpers:
            helper.terminate()
            helper.wait()

    def _help(self, argv: Sequence[str], address: str, port: int) -> None:
        """Start a helper and wait until it listens."""
        self._helpers.append(
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        assert wait_until(lambda: _listens(address, port), timeout_s=_LISTENING_S), argv

    def _save(self, step: str) -> Path:
        archive = self.site.folder / "images.tar"
        work = self.site.work
        self.site.here("save", [work.client, "save", "-o", str(archive), *work.names(step)])
        return archive


class Smartcity(Tool):
    """Ours: `smartcity ship`, then the part of `install` that loads and proves."""

    name = "smartcity"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        # Patches are made once for all servers: here each link pays for them.
        self._cache = site.folder / "cache"
        shutil.copytree(site.work.cache, self._cache, copy_function=os.link)

    def ship(self, step: str) -> None:
        site = self.site
        bundle = str(site.work.bundles[step])
        program = [sys.executable, "-m", "smartcity_pkg", "--workspace", str(site.work.folder)]
        cache = ["env", f"SMARTCITY_CACHE={self._cache}"]
        said = json.loads(site.here("ship", [*cache, *program, "ship", bundle, "--json"]))
        site.meter.layer_bytes = sum(
            layer["size_bytes"]
            for layer in said["servers"][0]["layers"]
            if layer["outcome"] not in _NOT_SENT
        )
        site.meter.stream_bytes_s = _flow(site.meter.errors.read_text())
        load = [sys.executable, str(Path(__file__).with_name("load.py"))]
        load += ["--address", site.server.address, "--host-key", site.server.host_key]
        load += ["--key-file", str(site.lab.client_key), "--server", SERVER]
        site.here("load", [*cache, *load, "--keys", str(site.work.folder / "keys")])


class Save(Tool):
    """Everything, each time: what people do without a tool."""

    name = "save|zstd|ssh"
    layer_level = True

    def ship(self, step: str) -> None:
        save = shlex.join([self.site.work.client, "save", *self.site.work.names(step)])
        ssh = shlex.join(self.site.ssh(self.site.login, "zstd -dq | docker load -q"))
        line = f"{save} | zstd -3 -T0 -q | {ssh}"
        self.site.here("all", ["bash", "-o", "pipefail", "-c", line])


class Rsync(Tool):
    """The archive of all images, against the archive that the server kept."""

    name = "rsync -z"

    def ship(self, step: str) -> None:
        site, archive = self.site, self._save(step)
        target = f"{site.login}:{_ARCHIVE}"
        rsync = ["rsync", "-z", "--zc=zstd", "-e", shlex.join(site.ssh())]
        site.here("send", [*rsync, str(archive), target])
        site.there("load", f"docker load -q -i {_ARCHIVE}")


class Skopeo(Tool):
    """A registry at the sender; the server pulls."""

    name = "skopeo+pull"
    layer_level = True

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._address = f"{site.lab.operator_address}:{_free_port(site.lab.operator_address)}"
        config = site.folder / "registry.yml"
        config.write_text(_registry_config(site.folder / "registry", self._address))
        host, _colon, port = self._address.partition(":")
        self._help(["docker-registry", "serve", str(config)], host, int(port))
        self._skopeo = Readers(site.lab.home).argv("skopeo", "--insecure-policy", "copy", "-q")

    def ship(self, step: str) -> None:
        site = self.site
        for name in site.work.names(step):
            copy = [*self._skopeo, "--src-daemon-host", site.work.docker_host]
            copy += ["--dest-tls-verify=false", f"docker-daemon:{name}"]
            site.here("push", [*copy, f"docker://{self._address}/{name}"])
        _pull(site, self._address, step)


class Tunnel(Tool):
    """A registry on the server, pushed to through ssh: what docker-pussh does."""

    name = "push|ssh -L"
    layer_level = True

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        here = site.lab.operator_address
        port = _free_port(here)
        self._address = f"{here}:{port}"  # on the sender, for the sender's engine
        config = _registry_config(Path("/var/tmp/registry"), "127.0.0.1:5000")  # noqa: S108
        line = "cat > /run/registry.yml; docker-registry serve /run/registry.yml >/dev/null 2>&1 &"
        site.server.run(["sh", "-c", line], stdin=config.encode())
        forward = ["-N", "-L", f"{here}:{port}:127.0.0.1:5000", site.login]
        self._help(site.ssh(*forward), here, port)

    def ship(self, step: str) -> None:
        site = self.site
        for name in site.work.names(step):
            site.here("push", [site.work.client, "tag", name, f"{self._address}/{name}"])
            site.here("push", [site.work.client, "push", "-q", f"{self._address}/{name}"])
        _pull(site, "127.0.0.1:5000", step)

    def close(self) -> None:
        super().close()
        names = self.site.work.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        mine = [name for name in names if name.startswith(f"{self._address}/")]
        if mine:
            self.site.work.docker("rmi", *mine)


class Casync(Tool):
    """The archive in chunks, over HTTP, with the archive that the server kept as its seed."""

    name = "casync"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        host = site.lab.operator_address
        port = _free_port(host)
        self._url = f"http://{host}:{port}"
        (site.folder / "web").mkdir()
        serve = [sys.executable, "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", host]
        self._help([*serve, "--directory", str(site.folder / "web"), str(port)], host, port)

    def ship(self, step: str) -> None:
        site, archive, web = self.site, self._save(step), self.site.folder / "web"
        index, store = web / "images.caibx", web / "store"
        site.here("chunk", ["casync", "make", f"--store={store}", str(index), str(archive)])
        extract = f"casync extract --store={self._url}/store --seed={_ARCHIVE}"
        there = f"test -e {_ARCHIVE} || : > {_ARCHIVE}; {extract} {self._url}/{index.name}"
        site.there("send", f"{there} {_ARCHIVE}.new && mv {_ARCHIVE}.new {_ARCHIVE}")
        site.there("load", f"docker load -q -i {_ARCHIVE}")


TOOLS: dict[str, type[Tool]] = {
    "smartcity": Smartcity,
    "save": Save,
    "rsync": Rsync,
    "skopeo": Skopeo,
    "tunnel": Tunnel,
    "casync": Casync,
}


def missing_programs() -> list[str]:
    """The programs of `HOST_PACKAGES` that this machine lacks."""
    programs = ("casync", "docker-registry", "ssh", "rsync", "xdelta3", "zstd")
    return [name for name in programs if shutil.which(name) is None]


def _flow(events: str) -> float:
    """Bytes per second up to the last event before the server had checked everything."""
    flowing = [
        event
        for line in events.splitlines()
        if line.startswith("{")
        if (event := json.loads(line))["event"] == "transfer" and event["done"] < event["total"]
    ]
    return float(flowing[-1]["bytes_per_s"]) if flowing else 0.0


def _pull(site: Site, registry: str, step: str) -> None:
    """Pull on the server, and give the images the names that they had."""
    lines = [
        f"docker pull -q {registry}/{name} && docker tag {registry}/{name} {name}"
        for name in site.work.names(step)
    ]
    site.there("pull", " && ".join(lines))


def _registry_config(root: Path, address: str) -> str:
    return (
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {root}}}}}\nhttp: {{addr: '{address}'}}\n"
    )


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 0.5).close()
    except OSError:
        return False
    return True
