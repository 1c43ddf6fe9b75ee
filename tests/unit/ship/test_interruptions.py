"""One transfer, interrupted at many random points: little is sent twice, and it always arrives."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from ship_road import Road, cut, noise
from ship_world import MemoryBundle, pack

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
MB = 1_000_000
SIZE = 120 * MB
CUTS, KILLS, RESTARTS = 20, 20, 5
# What one interruption may cost: what is on its way (160 KiB), a login, the questions at its start.
ONE_BYTES = 250_000


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("putus", store_disk_mib=2048)
    server.rate(300_000_000)
    yield server
    server.remove()


@pytest.fixture
def road(lab: Lab, server: Server) -> Iterator[Road]:
    road = Road(lab, server, f"/var/lib/smartcity/{random.getrandbits(40):x}")
    yield road
    server.run(["rm", "-rf", str(road.paths.root)])


@pytest.fixture(scope="module")
def release() -> tuple[MemoryBundle, BundleContents]:
    return pack({"laksa:1": [noise(SIZE // 3, seed) for seed in range(3)]})


def sent(lab: Lab) -> int:
    """Bytes that have left the operator's interface, all headers included."""
    return int(Path(f"/sys/class/net/{lab.prefix}-office/statistics/tx_bytes").read_text())


def points(count: int) -> list[int]:
    chance = random.Random(os.getpid())
    return sorted(chance.randrange(MB, SIZE - MB) for _ in range(count))


def await_sent(lab: Lab, bytes_: int, over: Callable[[], bool]) -> None:
    while sent(lab) < bytes_ and not over():
        time.sleep(0.002)


def test_a_link_cut_at_twenty_random_points(
    lab: Lab, road: Road, release: tuple[MemoryBundle, BundleContents]
) -> None:
    began, over = sent(lab), threading.Event()

    def saboteur() -> None:
        for point in points(CUTS):
            await_sent(lab, began + point, over.is_set)
            cut(road.server)

    thread = threading.Thread(target=saboteur)
    thread.start()
    try:
        report = road.ship(*release, attempts=50)
    finally:
        over.set()
        thread.join()
    extra = sent(lab) - began - SIZE
    print(f"{report.reconnects} reconnects, {extra:,} bytes more, {extra / SIZE:.2%}")
    assert road.arrived(release[1])
    assert report.reconnects > CUTS // 2  # two may fall into one
    assert extra < 0.01 * SIZE + CUTS * ONE_BYTES


def client(road: Road, release: tuple[MemoryBundle, BundleContents]) -> BaseProcess:
    made = multiprocessing.get_context("fork").Process(target=road.ship, args=release)
    made.start()
    return made


def test_a_client_killed_at_twenty_random_points(
    lab: Lab, road: Road, release: tuple[MemoryBundle, BundleContents]
) -> None:
    began = sent(lab)
    for point in points(KILLS):
        running = client(road, release)
        await_sent(lab, began + point, lambda c=running: not c.is_alive())
        assert running.pid is not None
        os.kill(running.pid, signal.SIGKILL)
        running.join()
    report = road.ship(*release)
    extra = sent(lab) - began - SIZE
    print(f"{extra:,} bytes more, {extra / SIZE:.2%}")
    assert road.arrived(release[1])
    assert not report.reconnects
    assert extra < 0.01 * SIZE + KILLS * ONE_BYTES


def test_an_engine_restarted_five_times_while_shipping(
    lab: Lab, road: Road, release: tuple[MemoryBundle, BundleContents]
) -> None:
    began = sent(lab)
    running = client(road, release)
    for point in points(RESTARTS):
        await_sent(lab, began + point, lambda c=running: not c.is_alive())
        road.server.stop_engine(kill=True)
        # A link that is lost while there is no engine ends the run; the next one finishes.
        cut(road.server)
        time.sleep(random.Random(point).random())
        road.server.start_engine()
        if not running.is_alive():
            running = client(road, release)
    running.join()
    if running.exitcode:
        road.ship(*release)
    assert road.arrived(release[1])


def test_without_its_engine_a_server_is_refused_and_keeps_what_it_has(
    road: Road, release: tuple[MemoryBundle, BundleContents]
) -> None:
    road.server.stop_engine(kill=True)
    with pytest.raises(EngineError) as refused:
        road.ship(*release)
    assert "systemctl start docker" in refused.value.hint
    road.server.start_engine()
    road.ship(*release)
    assert road.arrived(release[1])
