"""Several real servers at once; one that fails stops no other."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from private_sshd import wait_until
from ship_world import SERVER, MemoryBundle, pack

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.core.errors import (
    DiskFullError,
    InputError,
    Problem,
    SmartCityError,
    UnreachableError,
)
from smartcity_pkg.core.progress import Event, Progress, no_progress
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server
from smartcity_pkg.ship.fanout import Connect, Outcome, failure, fan_out
from smartcity_pkg.ship.gziponce import GzipOnce
from smartcity_pkg.ship.pace import Pace
from smartcity_pkg.ship.shipment import ShipReport
from smartcity_pkg.ship.transfer import ship

MB = 1_000_000
COUNT = 4


def report(server: str) -> ShipReport:
    return ShipReport(
        server=server,
        release="1-a",
        already_there=True,
        bytes_sent=1,
        bytes_saved=0,
        bytes_patched=0,
        bytes_resent=0,
        reconnects=0,
        seconds=0.0,
        layers=(),
    )


class TestFailure:
    GONE = UnreachableError("no way", "check the link")
    FULL = DiskFullError("full", "make room")

    def test_none_failed(self) -> None:
        assert failure([Outcome("a", report=report("a"))]) is None

    def test_one_server_alone_keeps_its_error(self) -> None:
        assert failure([Outcome("a", error=self.GONE)]) is self.GONE

    def test_one_cause_for_all_that_failed_keeps_its_kind(self) -> None:
        outcomes = [Outcome(n, error=self.GONE) for n in "ab"]
        for found in (failure(outcomes), failure([*outcomes, Outcome("c", report=report("c"))])):
            assert isinstance(found, UnreachableError)
            assert "a: no way" in found.message
            assert "b: no way" in found.message
            assert "check the link" in found.hint

    @pytest.mark.parametrize(
        "other", [FULL, InputError(Problem("wrong"))], ids=["full", "bad input"]
    )
    def test_several_causes_are_a_plain_error(self, other: SmartCityError) -> None:
        found = failure([Outcome("a", error=self.GONE), Outcome("b", error=other)])
        assert type(found) is SmartCityError
        assert found.exit_code == 1


pytestmark = pytest.mark.lab


class Fleet:
    def __init__(self, lab: Lab, servers: list[Server]) -> None:
        self.lab = lab
        self.servers = servers
        self.events: list[Event] = []
        self.paths = StorePaths(f"/var/lib/smartcity/{random.getrandbits(40):x}")

    def connect(self, server: Server) -> Connect:
        address = SshAddress(
            server.address, host_key=server.host_key, key_file=str(self.lab.client_key)
        )
        return lambda: ssh.connect(address, name=server.name)

    def ship(
        self,
        bundle: MemoryBundle,
        contents: BundleContents,
        pace: Pace | None = None,
        progress: Progress = no_progress,
        broken: tuple[tuple[str, Connect], ...] = (),
    ) -> tuple[Outcome, ...]:
        with closing(GzipOnce(bundle)) as gzips:

            def one(name: str, connect: Connect) -> ShipReport:
                return ship(
                    bundle, contents, SERVER, connect, paths=self.paths, backoff_s=0,
                    pace=pace, gzips=gzips, progress=progress,
                )  # fmt: skip

            servers = [*broken, *((s.name, self.connect(s)) for s in self.servers)]
            return fan_out(servers, one, pace or Pace(), len(servers))

    def held(self, server: Server) -> int:
        folder = server.path(str(self.paths.root)) / "store"
        return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())

    def offered(self, server: Server, contents: BundleContents) -> bool:
        offers = server.path(str(self.paths.root)) / "store/releases"
        return (offers / f"{contents.release.name}.json").exists()


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[list[Server]]:
    servers = [lab.server(f"fan{n}") for n in range(COUNT)]
    yield servers
    for server in servers:
        server.remove()


@pytest.fixture
def fleet(lab: Lab, servers: list[Server]) -> Fleet:
    return Fleet(lab, servers)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_one_unreachable_server_stops_no_other(fleet: Fleet) -> None:
    bundle, contents = pack({"laksa:1": (noise(4 * MB), b"app")})

    def nowhere() -> ssh.SshHost:
        return ssh.connect(SshAddress("127.0.0.1", port=1), name="mati")

    outcomes = fleet.ship(bundle, contents, broken=(("mati", nowhere),))
    assert [o.server for o in outcomes] == ["mati", *(s.name for s in fleet.servers)]
    assert isinstance(outcomes[0].error, UnreachableError)
    assert all(o.report and o.report.bytes_sent > 4 * MB for o in outcomes[1:])
    assert all(fleet.offered(s, contents) for s in fleet.servers)


def test_all_servers_together_keep_to_the_limit(fleet: Fleet) -> None:
    bundle, contents = pack({"laksa:1": (noise(2 * MB),)})
    office = Path(f"/sys/class/net/{fleet.lab.prefix}-office/statistics/tx_bytes")
    before, began = int(office.read_text()), time.monotonic()
    outcomes = fleet.ship(bundle, contents, Pace(1 * MB))
    took = time.monotonic() - began
    sent = sum(o.report.bytes_sent for o in outcomes if o.report)
    wire = int(office.read_text()) - before
    print(f"{sent:,} bytes given, {wire:,} at the interface, {took:.1f} s")
    assert sent > COUNT * 2 * MB
    assert took > sent / MB * 0.97  # a busy machine only makes it slower


def test_a_stopped_run_leaves_its_parts_and_the_next_goes_on(fleet: Fleet) -> None:
    bundle, contents = pack({"laksa:1": (noise(6 * MB),)})
    context = multiprocessing.get_context("fork")
    client = context.Process(target=interrupted, args=(fleet, bundle, contents))
    client.start()
    wait_until(
        lambda: all(
            s.path(str(fleet.paths.root)).exists() and fleet.held(s) > MB for s in fleet.servers
        ),
        timeout_s=60,
        what="some of it arrived everywhere",
    )
    assert client.pid is not None
    os.kill(client.pid, signal.SIGINT)
    client.join(30)
    assert client.exitcode == 130
    assert not any(fleet.offered(s, contents) for s in fleet.servers)
    outcomes = fleet.ship(bundle, contents)
    assert all(o.report and o.report.bytes_sent < 5.2 * MB for o in outcomes)


def interrupted(fleet: Fleet, bundle: MemoryBundle, contents: BundleContents) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fleet.ship(bundle, contents, Pace(1 * MB))
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(1)
