"""First ship and a code upgrade, beside `docker save | zstd | ssh docker load`, in the same run.

Bytes are counted at the network interface, both ways. Prints medians of RUNS runs and ratios;
nothing is asserted. Needs what `make demo` needs: root on Debian. Usage: run.py [RUNS]
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from smartcity_pkg.lab import exercise, images
from smartcity_pkg.lab.engine import BUILDER
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

ROOT = Path(__file__).parents[2]
REGION = "32.15"
PREFIX = "bench"


@dataclass(frozen=True)
class Cost:
    """What one way of shipping cost."""

    seconds: float
    wire_bytes: int


class Bench:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        builder = lab.server(BUILDER, keep_docker=True)
        self.docker = f"unix://{builder.docker_socket}"
        self.catalogue = folder / "bundles"
        exercise.copy_catalogue(ROOT / "bundles", self.catalogue)
        self.build()
        self.smartcity("key", "new", "--no-password")

    def build(self) -> None:
        images.build_base_images(self.docker, self.catalogue)
        images.build_app_images(self.docker, self.catalogue)

    def smartcity(self, *words: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "smartcity_pkg", *words, "--json"],
            cwd=self.folder,
            env={**os.environ, "DOCKER_HOST": self.docker},
            capture_output=True,
            check=True,
        )
        value: dict[str, object] = json.loads(done.stdout)
        return value

    def profile(self, server: Server) -> None:
        data = yaml.safe_load((ROOT / "examples/pemda/32.15-karawang.yaml").read_text())
        ssh = {
            "host": server.address,
            "host_key": server.host_key,
            "key_file": str(self.lab.client_key),
        }
        data["servers"] = [{**data["servers"][0], "ssh": ssh}]
        path = self.folder / "pemda" / "32.15-karawang.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False))

    def images(self) -> list[str]:
        plan = yaml.safe_load((self.folder / "plans" / f"{REGION}.yaml").read_text())
        return [f"smartcity/{a['app']}:{a['version']}" for a in plan["apps"]]

    def peer(self, server: Server) -> None:
        """What people do without a tool: everything, each time."""
        docker = shlex.quote(str(self.lab.root_fs.docker_client))
        names = " ".join(self.images())
        ssh = (
            f"ssh -i {self.lab.client_key} -o StrictHostKeyChecking=no"
            f" -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@{server.address}"
        )
        line = f"{docker} save {names} | zstd -3 -T0 -q | {ssh} 'zstd -dq | docker load -q'"
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            env={**os.environ, "DOCKER_HOST": self.docker},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def ours(self, server: Server) -> None:
        """Ship, then load and start: more than the peer does, which only loads."""
        self.smartcity("ship", REGION)

    def cost(self, work: Callable[[], object]) -> Cost:
        before, began = wire_bytes(), time.monotonic()
        work()
        return Cost(time.monotonic() - began, wire_bytes() - before)


def wire_bytes() -> int:
    """Bytes that the operator's interface has sent and received."""
    folder = Path("/sys/class/net") / f"{PREFIX}-office" / "statistics"
    return sum(int((folder / name).read_text()) for name in ("rx_bytes", "tx_bytes"))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    costs: dict[tuple[str, str], list[Cost]] = {}
    with Lab(PREFIX) as lab, tempfile.TemporaryDirectory() as folder:
        bench = Bench(lab.up(), Path(folder))
        bench.smartcity("select", REGION)
        bench.smartcity("pack", REGION)
        for run in range(runs):
            a, b = lab.server(f"ours{run}"), lab.server(f"peer{run}")
            bench.profile(a)
            costs.setdefault(("first", "smartcity"), []).append(bench.cost(partial(bench.ours, a)))
            costs.setdefault(("first", "save|ssh"), []).append(bench.cost(partial(bench.peer, b)))
            bench.smartcity("install", REGION)
            exercise.next_version(bench.catalogue, "laksa", f"1.1.{run}")
            bench.build()
            bench.smartcity("select", REGION)
            bench.smartcity("pack", REGION)
            costs.setdefault(("upgrade", "smartcity"), []).append(
                bench.cost(partial(bench.ours, a))
            )
            costs.setdefault(("upgrade", "save|ssh"), []).append(bench.cost(partial(bench.peer, b)))
            a.remove()
            b.remove()
    report(costs, runs)


def report(costs: dict[tuple[str, str], list[Cost]], runs: int) -> None:
    print(f"medians of {runs} runs; bytes at the interface, both ways; smartcity only ships,")
    print("the peer also loads (smartcity loads in `install`)\n")
    print(f"{'step':10}{'tool':12}{'bytes':>14}{'seconds':>10}")
    for (step, tool), found in costs.items():
        size = statistics.median(c.wire_bytes for c in found)
        seconds = statistics.median(c.seconds for c in found)
        print(f"{step:10}{tool:12}{size:14,.0f}{seconds:10.2f}")
    for step in ("first", "upgrade"):
        ours, peer = (
            statistics.median(c.wire_bytes for c in costs[step, tool])
            for tool in ("smartcity", "save|ssh")
        )
        print(f"{step}: the peer moves {peer / ours:.2f} times our bytes")


if __name__ == "__main__":
    main()
