"""One release to many servers over one shaped uplink, from one process.

Prints medians of RUNS runs: seconds, against bytes at the interface ÷ uplink; this process's memory
(VmHWM) and CPU time. Nothing is asserted. Needs root on Debian.
Usage: run.py [--gzip] [RUNS [SERVERS [MB [MBIT]]]]; --gzip: the servers have no zstd.
"""

from __future__ import annotations

import json
import pickle
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from ship_world import SERVER, pack  # noqa: E402

from smartcity_pkg.bundle.contents import BundleContents  # noqa: E402
from smartcity_pkg.core import digest  # noqa: E402
from smartcity_pkg.hosts import ssh  # noqa: E402
from smartcity_pkg.hosts.address import SshAddress  # noqa: E402
from smartcity_pkg.lab.lab import Lab  # noqa: E402
from smartcity_pkg.lab.server import Server  # noqa: E402
from smartcity_pkg.ship.fanout import Connect, failure, fan_out  # noqa: E402
from smartcity_pkg.ship.gziponce import GzipOnce  # noqa: E402
from smartcity_pkg.ship.pace import Pace  # noqa: E402
from smartcity_pkg.ship.shipment import ShipReport  # noqa: E402
from smartcity_pkg.ship.transfer import ship  # noqa: E402

PREFIX = "fanout"
MB = 1_000_000
LAYERS = 6


class Folder:
    """A `BlobReader` over files, so that the content does not count as memory of ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> BinaryIO:
        return (self._path / digest.hex_of(name)).open("rb", buffering=0)

    def read(self, name: str) -> bytes:
        return (self._path / digest.hex_of(name)).read_bytes()


def make_release(work: Path, serial: int, size_bytes: int) -> None:
    """A release of incompressible layers in `work`, and what a client needs to know of it."""
    chance = random.Random(serial)
    raws = [chance.randbytes(size_bytes // LAYERS) for _ in range(LAYERS)]
    bundle, contents = pack({"laksa:1": raws}, serial=serial)
    for name, data in bundle.blobs.items():
        (work / digest.hex_of(name)).write_bytes(data)
    (work / "contents").write_bytes(pickle.dumps(contents))


def client(work: Path) -> None:
    """Ship to all servers; the figures go to standard output."""
    contents: BundleContents = pickle.loads((work / "contents").read_bytes())  # noqa: S301 - ours
    addresses: dict[str, dict[str, str]] = json.loads((work / "servers").read_text())
    folder, pace = Folder(work), Pace()

    def connector(name: str) -> Connect:
        return lambda: ssh.connect(SshAddress(**addresses[name]), name=name)

    began = time.monotonic()
    with closing(GzipOnce(folder)) as gzips:

        def one(_name: str, connect: Connect) -> ShipReport:
            return ship(folder, contents, SERVER, connect, pace=pace, gzips=gzips)

        targets = [(name, connector(name)) for name in addresses]
        outcomes = fan_out(targets, one, pace, len(targets))
    if error := failure(outcomes):
        raise error
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": time.monotonic() - began,
        "memory": highest_memory(),
        "cpu": usage.ru_utime + usage.ru_stime,
    }
    print(json.dumps(figures))


def highest_memory() -> int:
    """Bytes; not getrusage's, which begins with what the parent had."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def measure(lab: Lab, servers: list[Server], work: Path, mbit: int) -> dict[str, float]:
    """One run, shaped at the operator's interface."""
    addresses = {
        s.name: {"host": s.address, "host_key": s.host_key, "key_file": str(lab.client_key)}
        for s in servers
    }
    (work / "servers").write_text(json.dumps(addresses))
    office = f"{lab.prefix}-office"
    shape = ("tc", "qdisc", "replace", "dev", office, "root", "tbf", "rate", f"{mbit}mbit")
    subprocess.run([*shape, "burst", "128kb", "latency", "400ms"], check=True)
    before = sent_bytes(office)
    argv = [sys.executable, __file__, "--client", str(work)]
    done = subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    figures["wire"] = sent_bytes(office) - before
    subprocess.run(("tc", "qdisc", "del", "dev", office, "root"), check=True)
    return figures


def sent_bytes(interface: str) -> int:
    return int(Path(f"/sys/class/net/{interface}/statistics/tx_bytes").read_text())


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--client"]:
        client(Path(words[1]))
        return
    gzip = words[:1] == ["--gzip"]
    given = [int(word) for word in words[gzip:]]
    runs, count, size, mbit = (*given, *(3, 28, 20, 100)[len(given) :])
    found: list[dict[str, float]] = []
    with Lab(PREFIX) as lab, tempfile.TemporaryDirectory() as folder:
        lab.up()
        with ThreadPoolExecutor(4) as pool:
            servers = list(pool.map(lambda n: lab.server(f"pemda{n}"), range(count)))
        for server in servers if gzip else ():
            server.run(["mv", "/usr/bin/zstd", "/usr/bin/zstd.away"])
        for run in range(runs):
            work = Path(folder) / str(run)
            work.mkdir()
            make_release(work, run + 1, size * MB)
            found.append(measure(lab, servers, work, mbit))
    middle = {key: statistics.median(f[key] for f in found) for key in found[0]}
    floor = middle["wire"] * 8 / (mbit * 1e6)
    content = size * MB * count
    print(f"{count} servers, {size} MB each, uplink {mbit} Mbit/s; medians of {runs} runs")
    print(f"seconds              {middle['seconds']:10.1f}  ({middle['seconds'] / floor:.3f} of")
    print(f"bytes / uplink       {floor:10.1f})")
    print(
        f"bytes at interface   {middle['wire']:14,.0f}  ({middle['wire'] / content:.3f} of content)"
    )
    print(f"memory (VmHWM)       {middle['memory'] / MB:10.0f} MB")
    print(f"CPU of the process   {middle['cpu']:10.1f} s")


if __name__ == "__main__":
    main()
