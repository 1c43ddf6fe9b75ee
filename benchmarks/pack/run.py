"""Packing, beside `docker save | zstd -3 -T0` and `skopeo copy docker-daemon: oci-archive:`.

Two steps: cold (no layer was packed before) and after one app's code has changed. The same images,
the same engine, one run; the tools take turns. Prints medians of RUNS runs; nothing is asserted.

CPU is that of the tool and its children, and apart from it what the engine itself spent. Memory is
the sum of the peaks (VmHWM) of all processes of the tool; the engine's own is not in it. skopeo
writes one archive an image, so `oci:` (one layout that shares blobs) is shown as well.

Needs what `make demo` needs: root on Debian. Usage: run.py [RUNS]
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from smartcity_pkg.lab import exercise, images
from smartcity_pkg.lab.engine import BUILDER
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.programs import Readers

ROOT = Path(__file__).parents[2]
REGION = "32.15"
PREFIX = "bpack"
STEPS = ("cold", "one app changed")


@dataclass(frozen=True)
class Cost:
    """What one packing cost."""

    seconds: float
    cpu_s: float
    engine_cpu_s: float
    size_bytes: int
    memory_bytes: int


class Peaks:
    """The sum of the peaks of resident memory of a process and all that it starts."""

    def __init__(self, pid: int) -> None:
        self._root, self._peaks, self._ended = pid, dict[int, int](), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return sum(self._peaks.values())

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            waiting = [self._root]
            while waiting:
                pid = waiting.pop()
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                    waiting += map(
                        int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                    )
                except OSError:
                    continue
                if found := re.search(r"VmHWM:\s*(\d+)", status):
                    self._peaks[pid] = max(self._peaks.get(pid, 0), int(found[1]) << 10)


class Bench:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.docker = f"unix://{lab.server(BUILDER, keep_docker=True).docker_socket}"
        self.readers = Readers(lab.home)
        self.catalogue = folder / "bundles"
        exercise.copy_catalogue(ROOT / "bundles", self.catalogue)
        self.build()
        self.environment = {
            **os.environ,
            "DOCKER_HOST": self.docker,
            "SMARTCITY_CACHE": str(folder / "cache"),
        }
        self.run(self.ours("key", "new", "--no-password"))
        self.choose()

    def build(self) -> None:
        images.build_base_images(self.docker, self.catalogue)
        images.build_app_images(self.docker, self.catalogue)

    def choose(self) -> None:
        done = self.run([*self.ours("select", REGION), "--json"])
        plan = yaml.safe_load((self.folder / "plans" / f"{REGION}.yaml").read_text())
        assert json.loads(done)
        self.names = [f"smartcity/{a['app']}:{a['version']}" for a in plan["apps"]]
        known = subprocess.run(
            [self.client, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
            env=self.environment, capture_output=True, check=True, text=True,
        )  # fmt: skip
        compose = [self.catalogue / a["app"] / "compose.yaml" for a in plan["apps"]]
        used = {
            s["image"] for c in compose for s in yaml.safe_load(c.read_text())["services"].values()
        }
        self.names = sorted(used & set(known.stdout.split()))
        assert len(self.names) == len(used), used

    @property
    def client(self) -> str:
        return str(self.lab.root_fs.docker_client)

    def ours(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "smartcity_pkg", *words]

    def run(self, argv: list[str]) -> str:
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tools(self) -> dict[str, tuple[list[str], Path]]:
        """The command line of each tool, and where it writes."""
        out = self.folder / "out"
        save = (
            f"{shlex.quote(self.client)} save {' '.join(self.names)}"
            f" | zstd -3 -T0 -q -f -o {out}/saved.tar.zst"
        )
        skopeo = shlex.join(self.readers.argv("skopeo", "--insecure-policy", "copy", "--quiet"))
        copy = f"{skopeo} --src-daemon-host {self.docker} docker-daemon:"
        archives = [f"{copy}{n} oci-archive:{out}/{i}.tar" for i, n in enumerate(self.names)]
        layout = [f"{copy}{n} oci:{out}/layout:{i}" for i, n in enumerate(self.names)]
        shell = ["bash", "-e", "-o", "pipefail", "-c"]
        return {
            "smartcity pack": (self.ours("pack", REGION, "--out", f"{out}/our.tar"), out),
            "docker save | zstd": ([*shell, save], out),
            "skopeo oci-archive": ([*shell, "; ".join(archives)], out),
            "skopeo oci": ([*shell, "; ".join(layout)], out),
        }

    def cost(self, argv: list[str], out: Path) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        os.sync()
        before, engine, began = _cpu_s(), self.engine_cpu_s(), time.monotonic()
        process = subprocess.Popen(
            argv, cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "stderr").open("wb"),
        )  # fmt: skip
        peaks = Peaks(process.pid)
        assert process.wait() == 0, (self.folder / "stderr").read_text()
        seconds = time.monotonic() - began
        return Cost(
            seconds,
            _cpu_s() - before,
            self.engine_cpu_s() - engine,
            sum(p.stat().st_size for p in out.rglob("*") if p.is_file()),
            peaks.end(),
        )

    def engine_cpu_s(self) -> float:
        """CPU time that the engine's processes have used so far."""
        listed = subprocess.run(
            ["ip", "netns", "pids", f"{PREFIX}-{BUILDER}"], capture_output=True, check=True
        )
        ticks = 0
        for pid in listed.stdout.split():
            try:
                fields = Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += sum(map(int, fields[11:15]))  # its own, and of children that ended
        return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    costs: dict[tuple[str, str], list[Cost]] = {}
    with Lab(PREFIX) as lab, tempfile.TemporaryDirectory(dir=lab.home) as folder:
        bench = Bench(lab.up(), Path(folder))

        def measure(step: str, between: Callable[[], None]) -> None:
            for tool, (argv, out) in bench.tools().items():
                between()
                costs.setdefault((step, tool), []).append(bench.cost(argv, out))

        cache = bench.folder / "cache"
        for run in range(runs):
            measure(STEPS[0], lambda: shutil.rmtree(cache, ignore_errors=True))
            bench.run(bench.ours("pack", REGION, "--out", f"{bench.folder}/before.tar"))
            exercise.next_version(bench.catalogue, "laksa", f"1.1.{run}")
            bench.build()
            bench.choose()
            measure(STEPS[1], lambda: None)
    report(costs, runs)


def report(costs: dict[tuple[str, str], list[Cost]], runs: int) -> None:
    print(f"medians of {runs} runs\n")
    heads = ("seconds", "CPU s", "engine CPU s", "bytes", "peak MiB")
    print(f"{'step':17}{'tool':20}" + "".join(f"{h:>14}" for h in heads))
    for (step, tool), found in costs.items():
        row = [
            statistics.median(values)
            for values in (
                [c.seconds for c in found],
                [c.cpu_s for c in found],
                [c.engine_cpu_s for c in found],
                [float(c.size_bytes) for c in found],
                [c.memory_bytes / (1 << 20) for c in found],
            )
        ]
        print(
            f"{step:17}{tool:20}{row[0]:14.2f}{row[1]:14.2f}{row[2]:14.2f}{row[3]:14,.0f}{row[4]:14.0f}"
        )


if __name__ == "__main__":
    main()
