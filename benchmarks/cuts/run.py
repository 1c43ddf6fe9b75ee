"""What interruptions cost: one release, one server, a shaped link, CUTS random points each.

Three ways to be interrupted: the server's SSH session is killed; every packet is lost until the
client notices; the client itself is killed. And the server's engine is killed and started while
shipping. Prints bytes at the interface over those of a run without interruption, in percent of it,
and whether all arrived. Nothing is asserted. Needs root on Debian.
Usage: run.py [CUTS [MB [MBIT]]]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "benchmarks/fanout")]

from run import MB, make_release  # noqa: E402 - of benchmarks/fanout

from smartcity_pkg.lab.lab import Lab  # noqa: E402
from smartcity_pkg.lab.server import Server  # noqa: E402

CLIENT = ROOT / "benchmarks/fanout/run.py"
STORE = "/var/lib/smartcity"
ENGINE_RESTARTS = 5
NOTICED_S = 20.0


class Bench:
    def __init__(self, lab: Lab, server: Server, work: Path) -> None:
        self.lab, self.server, self.work = lab, server, work
        self.runs = 0

    def start(self) -> subprocess.Popen[bytes]:
        self.runs += 1
        argv = [sys.executable, str(CLIENT), "--client", str(self.work)]
        with (self.work / "errors").open("ab") as errors:
            return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)

    def sent(self) -> int:
        folder = Path(f"/sys/class/net/{self.lab.prefix}-office/statistics")
        return int((folder / "tx_bytes").read_text())

    def arrived(self) -> bool:
        return any((self.server.path(STORE) / "store/releases").glob("*.json"))

    def clean(self) -> None:
        self.server.run(["sh", "-c", f"rm -rf {STORE}/*"])

    def interrupted(self, points: list[int], interrupt: Callable[[], object]) -> int:
        """Bytes at the interface until all has arrived; `interrupt` at those byte counts."""
        self.clean()
        self.runs = 0
        first = self.sent()
        client = self.start()
        for point in points:
            while self.sent() - first < point and not self.arrived():
                if client.poll() is not None:
                    client = self.start()  # the next run
                time.sleep(0.005)
            if not self.arrived():
                interrupt()
                self.killed(client)
        while client.wait() != 0:
            client = self.start()
        return self.sent() - first

    def killed(self, client: subprocess.Popen[bytes]) -> None:
        """Nothing, unless the client is the one that is interrupted."""


class KilledClient(Bench):
    def killed(self, client: subprocess.Popen[bytes]) -> None:
        client.kill()
        client.wait()


def points_of(count: int, size_bytes: int, chance: random.Random) -> list[int]:
    return sorted(chance.randrange(size_bytes // 50, size_bytes) for _ in range(count))


def ways(bench: Bench, cuts: int) -> Iterator[tuple[str, Bench, int, Callable[[], object]]]:
    server = bench.server

    def session() -> None:
        server.run(["pkill", "-KILL", "-f", "^sshd(-session)?: root"])

    def silence() -> None:
        server.black_hole(True)
        time.sleep(NOTICED_S)
        server.black_hole(False)

    def engine() -> None:
        server.stop_engine(kill=True)
        server.start_engine()

    yield "none", bench, 0, engine
    yield "session killed", bench, cuts, session
    yield "packets lost", bench, cuts, silence
    yield "client killed", KilledClient(bench.lab, server, bench.work), cuts, lambda: None
    yield "engine restarted", bench, ENGINE_RESTARTS, engine


def main() -> None:
    cuts, size, mbit = (*map(int, sys.argv[1:]), *(20, 500, 100)[len(sys.argv) - 1 :])
    chance = random.Random(20261124)
    with Lab("cuts") as lab, tempfile.TemporaryDirectory() as folder:
        server = lab.up().server("pemda", store_disk_mib=4 * size)
        work = Path(folder)
        make_release(work, 1, size * MB)
        address = {
            "host": server.address,
            "host_key": server.host_key,
            "key_file": str(lab.client_key),
        }
        (work / "servers").write_text(json.dumps({server.name: address}))
        server.rate(mbit * 1_000_000)
        print(f"{size} MB over {mbit} Mbit/s")
        print(f"{'interruption':18}{'times':>6}{'bytes':>16}{'more':>9}{'runs':>6}  all arrived")
        plain = 0
        for name, bench, count, interrupt in ways(Bench(lab, server, work), cuts):
            sent = bench.interrupted(points_of(count, size * MB, chance), interrupt)
            plain = plain or sent
            more = f"{(sent - plain) / plain:.2%}"
            print(f"{name:18}{count:6}{sent:16,}{more:>9}{bench.runs:6}  {bench.arrived()}")


if __name__ == "__main__":
    main()
