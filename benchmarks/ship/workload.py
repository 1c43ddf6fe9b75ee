"""The bundle that is shipped, and its four upgrades: six apps on one Debian base.

Four apps stand on a common layer of dependencies; the largest carries packages in its own tree. In
an upgrade every layer above the one that changed is made anew, as `docker build` does, with new
times. The layers themselves are made by `layers`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml
from layers import Layer, Layers

from smartcity_pkg.lab import exercise
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

ROOT = Path(__file__).parents[2]
REGION = "32.15"
PROFILE = "32.15-karawang"
SERVER = "layanan"  # as the profile calls it
STEPS = ("first", "app", "fixes", "deps", "base")
_LARGE, _ON_DEPENDENCIES, _ON_BASE = (
    "laksa",
    ("perizinan", "siap-kerja", "e-surat"),
    ("gateway", "postgres"),
)
_EDIT = '''

def waiting_days(received, today):
    """How many working days a report has waited for."""
    days = (today - received).days
    return sum(1 for d in range(days) if (received.weekday() + d) % 7 < 5)
'''


@dataclass(frozen=True)
class _Making:
    """Which version of each part a step has, and the how-manieth making of it."""

    new_base: bool
    updates: str
    dependencies: int
    edit: str
    large: int
    others: int


_MAKINGS = {
    "first": _Making(False, "", 1, "", 1, 1),
    "app": _Making(False, "", 1, _EDIT, 2, 1),
    "fixes": _Making(False, "fixes", 4, _EDIT, 5, 5),
    "deps": _Making(False, "all", 2, _EDIT, 3, 3),
    "base": _Making(True, "all", 3, _EDIT, 4, 4),
}


class Workload:
    """The images of each step on the sender's engine, and a signed bundle of each."""

    def __init__(self, lab: Lab, sender: Server, folder: Path) -> None:
        self.folder = folder
        self.docker_host = f"unix://{sender.docker_socket}"
        self.client = str(lab.root_fs.docker_client)
        self.bundles: dict[str, Path] = {}
        self._layers = Layers(lab.home)
        self._catalogue = folder / "bundles"
        exercise.copy_catalogue(ROOT / "bundles", self._catalogue)
        self._present = self._image_ids()

    @property
    def cache(self) -> Path:
        """smartcity's own cache after packing: packed layers, and no patch yet."""
        return self.folder / "cache"

    @property
    def environment(self) -> dict[str, str]:
        """For commands that ask the sender's engine, and for smartcity."""
        return {"DOCKER_HOST": self.docker_host, "SMARTCITY_CACHE": str(self.cache)}

    def names(self, step: str) -> list[str]:
        """What a step's images are called on the sender's engine."""
        return [f"smartcity/{app}:{step}" for app in self.images(step)]

    def images(self, step: str) -> dict[str, tuple[Layer, ...]]:
        """The layers of each image, lowest first."""
        making = _MAKINGS[step]
        base = self._layers.base(updated=making.new_base)
        dependencies = self._layers.dependencies(updates=making.updates, making=making.dependencies)
        source = ROOT / "bundles"
        large = self._layers.vendored_app(_LARGE, source / _LARGE, making.edit, making.large)
        found: dict[str, tuple[Layer, ...]] = {_LARGE: (base, dependencies, large)}
        for app in _ON_DEPENDENCIES:
            layer = self._layers.app(app, source / app, making.others)
            found[app] = (base, dependencies, layer)
        for app in _ON_BASE:
            found[app] = (base, self._layers.app(app, source / app, making.others))
        return found

    def layers(self, step: str) -> set[Layer]:
        """The different layers of a step."""
        return {layer for chain in self.images(step).values() for layer in chain}

    def changed(self, step: str) -> list[tuple[Layer, Layer]]:
        """(old, new) of each layer that a step changed, by its place in its image."""
        before = self.images(STEPS[STEPS.index(step) - 1])
        pairs = {
            pair: None
            for app, chain in self.images(step).items()
            for pair in zip(before[app], chain, strict=True)
            if pair[0] != pair[1]
        }
        return list(pairs)

    def make(self, step: str) -> None:
        """Put the images on the sender's engine and pack the bundle; both last for the run."""
        images = self.images(step)
        configs = {app: _config(chain) for app, chain in images.items()}
        ids = {f"smartcity/{app}:{step}": _image_id(data) for app, data in configs.items()}
        if any(self._present.get(name) != wanted for name, wanted in ids.items()):
            self._load(step, images, configs)
            self._present = self._image_ids()
        assert all(self._present.get(name) == wanted for name, wanted in ids.items())
        if step == STEPS[0]:
            self.smartcity("key", "new", "--no-password")
        if step == "app":
            exercise.next_version(self._catalogue, _LARGE, "1.1.0")
        self._pack(step)

    def smartcity(self, *words: str) -> str:
        """Run a command in the workspace, before anything is measured."""
        done = subprocess.run(
            [sys.executable, "-m", "smartcity_pkg", *words, "--json"],
            cwd=self.folder, env={**os.environ, **self.environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def aim(self, server: Server, key_file: Path, mbps: int) -> None:
        """Let the profile's server be `server`, and its link as fast as it is."""
        data = yaml.safe_load((ROOT / f"examples/pemda/{PROFILE}.yaml").read_text())
        ssh = {"host": server.address, "host_key": server.host_key, "key_file": str(key_file)}
        data["servers"] = [{**data["servers"][0], "ssh": ssh}]
        data["link_mbps"] = mbps
        path = self.folder / "pemda" / f"{PROFILE}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False))

    def docker(self, *words: str, stdin: IO[bytes] | None = None) -> str:
        """Ask the sender's engine."""
        done = subprocess.run(
            [self.client, *words], env={**os.environ, **self.environment},
            stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _image_ids(self) -> dict[str, str]:
        listed = self.docker(
            "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"
        )
        return dict(line.split() for line in listed.splitlines())

    def _load(
        self, step: str, images: dict[str, tuple[Layer, ...]], configs: dict[str, bytes]
    ) -> None:
        path = self.folder / "images.tar"
        with tarfile.open(path, "w") as archive:
            for layer in self.layers(step):
                archive.add(layer.tar, f"{layer.sha256}.tar")
            manifest = []
            for app, chain in images.items():
                _add(archive, f"{app}.json", configs[app])
                manifest.append(
                    {
                        "Config": f"{app}.json",
                        "RepoTags": [f"smartcity/{app}:{step}"],
                        "Layers": [f"{layer.sha256}.tar" for layer in chain],
                    }
                )
            _add(archive, "manifest.json", json.dumps(manifest).encode())
        with path.open("rb") as packed:
            self.docker("load", "--quiet", stdin=packed)
        path.unlink()

    def _pack(self, step: str) -> None:
        for app in self.images(step):
            compose = yaml.safe_load((self._catalogue / app / "compose.yaml").read_text())
            for service in compose["services"].values():
                self.docker("tag", f"smartcity/{app}:{step}", service["image"])
        self.smartcity("select", REGION)
        self.bundles[step] = self.folder / "out" / f"{step}.tar"
        serial = str(STEPS.index(step) + 1)  # packed elsewhere than in releases/, none is the next
        self.smartcity("pack", REGION, "--serial", serial, "--out", str(self.bundles[step]))


def _config(chain: tuple[Layer, ...]) -> bytes:
    content = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{x.sha256}" for x in chain]},
    }
    return json.dumps(content, sort_keys=True).encode()


def _image_id(config: bytes) -> str:
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
