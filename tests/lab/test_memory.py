"""What a practice server takes of memory is counted: its own, the most of it, no page cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from smartcity_pkg.core.units import MIB
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.memory import MemoryWatch, containers_bytes, server_bytes, used_bytes
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
_NOISE = 24 * MIB  # sshd's processes, and what the engine does meanwhile


@pytest.fixture
def host(lab: Lab, shared_server: Server) -> Iterator[Host]:
    """Over SSH: what `Server.run` runs counts as the operator's."""
    address = SshAddress(
        shared_server.address, host_key=shared_server.host_key, key_file=str(lab.client_key)
    )
    with closing(ssh.connect(address, name=shared_server.name)) as found:
        yield found


def test_memory_that_was_taken_for_a_moment_is_the_most_and_then_gone(
    host: Host, shared_server: Server
) -> None:
    before = server_bytes(shared_server)
    with MemoryWatch(shared_server) as watch:
        # dd fills a buffer of one block, over and over, for well more than one look
        host.run(script("dd if=/dev/zero of=/dev/null bs=160M count=8 2>/dev/null"))
    assert abs(watch.most_bytes - before - 160 * MIB) < _NOISE
    assert watch.samples > 3
    assert abs(server_bytes(shared_server) - before) < _NOISE


def test_files_that_the_kernel_keeps_in_its_cache_are_not_counted(
    host: Host, shared_server: Server
) -> None:
    before = server_bytes(shared_server)
    file = "/var/lib/docker/filler"
    with MemoryWatch(shared_server) as watch:
        host.run(script("dd if=/dev/zero of=$1 bs=1M count=160 2>/dev/null && rm $1", file))
    assert watch.most_bytes - before < _NOISE


def test_a_file_in_memory_is_counted_as_long_as_it_is_there(
    host: Host, shared_server: Server
) -> None:
    before = server_bytes(shared_server)
    host.run(script("dd if=/dev/zero of=/dev/shm/filler bs=1M count=64 2>/dev/null"))
    try:
        assert server_bytes(shared_server) - before > 56 * MIB
    finally:
        host.run(["rm", "/dev/shm/filler"])
    assert abs(server_bytes(shared_server) - before) < _NOISE


def test_a_server_without_containers_has_none_that_take_anything(shared_server: Server) -> None:
    assert containers_bytes(shared_server) < MIB
    assert server_bytes(shared_server) > 10 * MIB  # its engine


@pytest.mark.parametrize(
    "stat",
    ["anon 5000\nfile 90000\nshmem 300\n",
     "rss 1\nshmem 1\ntotal_cache 90000\ntotal_rss 5000\ntotal_shmem 300\n"],
    ids=["cgroup v2", "cgroup v1"],
)  # fmt: skip
def test_both_versions_of_control_groups_say_the_same(tmp_path: Path, stat: str) -> None:
    (tmp_path / "memory.stat").write_text(stat)
    assert used_bytes(tmp_path) == 5300
