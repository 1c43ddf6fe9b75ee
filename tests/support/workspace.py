"""The command as people run it, in a folder of its own; what it said, as values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from smartcity_pkg.lab.server import Server

ROOT = Path(__file__).parents[2]
KARAWANG = ROOT / "examples/pemda/32.15-karawang.yaml"


def worker() -> str:
    """The number of this pytest worker, "" without several."""
    return os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")


@dataclass
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on standard output."""
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def error(self) -> dict[str, Any]:
        """The last error on standard error."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        found: dict[str, Any] = [line["error"] for line in lines if "error" in line][-1]
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every progress event, in order."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [line for line in lines if "event" in line]


@dataclass
class Workspace:
    """A folder in which `smartcity` runs, with the engine that has the images."""

    folder: Path
    docker_host: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command with --json; the caller waits for it, or kills it."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "DOCKER_HOST": self.docker_host,
            "HOME": str(home),
            "SMARTCITY_LANG": "en",
            **self.environment,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "smartcity_pkg", *words, "--json"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def smartcity(self, *words: str, code: int | None = 0) -> Ran:
        """Run the command with --json; `code` is the exit code it must end with."""
        process = self.start(*words)
        out, err = process.communicate(timeout=600)
        ran = Ran(process.returncode, out, err)
        if code is not None:
            assert ran.code == code, f"{words}: {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def profile(
        self,
        server: Server | None,
        key: Path | None,
        source: Path = KARAWANG,
        choice: dict[str, list[str]] | None = None,
        **ssh: Any,
    ) -> Path:
        """Copy an example profile; its first server is the practice server, if one is given."""
        data = yaml.safe_load(source.read_text())
        if server:
            address = {"host": server.address, "host_key": server.host_key, "key_file": str(key)}
            data["servers"] = [{**data["servers"][0], "ssh": {**address, **ssh}}]
        if choice:
            data["choice"] = choice
        path = self.folder / "pemda" / source.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path
