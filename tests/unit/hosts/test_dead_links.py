"""A link that swallows everything, in every state: noticed within 15 s."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from private_sshd import wait_until

from smartcity_pkg.core.errors import UnreachableError
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
DEAD_LINK_S = 15


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("sunyi", engine=False)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def gate(lab: Lab) -> Iterator[Server]:
    gate = lab.server("gerbang", engine=False)
    yield gate
    gate.remove()


@pytest.fixture
def address(lab: Lab, server: Server) -> Iterator[SshAddress]:
    yield SshAddress(server.address, host_key=server.host_key, key_file=str(lab.client_key))
    server.black_hole(False)


@pytest.fixture
def known_gate(gate: Server, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "known_hosts"
    path.write_text(f"{gate.address} {gate.host_key}\n")
    yield path
    gate.black_hole(False)


def seconds_until_noticed(act: Callable[[], object], begin: Callable[[], None]) -> float:
    """How long `act` takes to raise UnreachableError after `begin` was called beside it."""
    begun: list[float] = []

    def start() -> None:
        begin()
        begun.append(time.monotonic())

    beside = threading.Thread(target=start)
    beside.start()
    with pytest.raises(UnreachableError):
        act()
    end = time.monotonic()
    beside.join()
    return end - begun[0]


def test_while_connecting(server: Server, address: SshAddress) -> None:
    server.black_hole(True)
    start = time.monotonic()
    with pytest.raises(UnreachableError):
        ssh.connect(address, name="pemda")
    assert time.monotonic() - start < DEAD_LINK_S


def test_while_waiting_for_a_silent_command(server: Server, address: SshAddress) -> None:
    host = ssh.connect(address, name="pemda")

    def begin() -> None:
        wait_until(lambda: server.path("/tmp/begun").exists(), what="command begun")
        server.black_hole(True)

    server.run(["rm", "-f", "/tmp/begun"])
    taken = seconds_until_noticed(
        lambda: host.run(("sh", "-c", "touch /tmp/begun; sleep 90"), timeout_s=90), begin
    )
    assert taken < DEAD_LINK_S
    host.close()


def endless(moved: threading.Event) -> Iterator[bytes]:
    chunk = bytes(1 << 17)
    for _n in range(40):
        yield chunk
    moved.set()
    while True:
        yield chunk


def test_in_the_middle_of_sending(server: Server, address: SshAddress) -> None:
    host = ssh.connect(address, name="pemda")
    moved = threading.Event()

    def begin() -> None:
        moved.wait(30)
        server.black_hole(True)

    taken = seconds_until_noticed(
        lambda: host.run(("sh", "-c", "cat >/dev/null"), stdin=endless(moved), timeout_s=90), begin
    )
    assert taken < DEAD_LINK_S
    host.close()


def test_between_two_commands(server: Server, address: SshAddress) -> None:
    host = ssh.connect(address, name="pemda")
    assert host.run(("true",)).ok
    server.black_hole(True)
    start = time.monotonic()
    with pytest.raises(UnreachableError):
        host.run(("true",))
    assert time.monotonic() - start < DEAD_LINK_S
    host.close()


@pytest.mark.parametrize("dead", ["server", "gate"])
def test_behind_a_jump_host_while_sending(
    server: Server, gate: Server, address: SshAddress, known_gate: Path, dead: str
) -> None:
    through = dataclasses.replace(address, jump=f"root@{gate.address}")
    host = ssh.connect(through, name="pemda", known_hosts=known_gate)
    moved = threading.Event()

    def begin() -> None:
        moved.wait(30)
        (server if dead == "server" else gate).black_hole(True)

    taken = seconds_until_noticed(
        lambda: host.run(("sh", "-c", "cat >/dev/null"), stdin=endless(moved), timeout_s=90), begin
    )
    assert taken < DEAD_LINK_S
    host.close()


def test_connecting_through_a_jump_host_to_a_dead_server(
    server: Server, gate: Server, address: SshAddress, known_gate: Path
) -> None:
    server.black_hole(True)
    through = dataclasses.replace(address, jump=f"root@{gate.address}")
    start = time.monotonic()
    with pytest.raises(UnreachableError):
        ssh.connect(through, name="pemda", known_hosts=known_gate)
    assert time.monotonic() - start < DEAD_LINK_S


def test_a_slow_link_is_not_taken_for_a_dead_one(
    server: Server, gate: Server, address: SshAddress, known_gate: Path
) -> None:
    """2 Mbit/s behind a jump host: signs of life queue behind bulk, and still come in time."""
    through = dataclasses.replace(address, jump=f"root@{gate.address}")
    host = ssh.connect(through, name="pemda", known_hosts=known_gate)
    gate.rate(2_000_000)
    try:
        done = host.run(("wc", "-c"), stdin=(bytes(1 << 17) for _ in range(24)), timeout_s=90)
        assert done.text == str(24 << 17)
    finally:
        gate.rate(None)
    host.close()
