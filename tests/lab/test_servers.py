"""Practice servers start, answer, fail as told and leave nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.lab import cgroups
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.network import namespaces
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
MakeServer = Callable[..., Server]


def login(lab: Lab, server: Server, user: str) -> paramiko.SSHClient:
    """An ordinary SSH client in the ordinary namespace, with the reported host key pinned."""
    client = paramiko.SSHClient()
    hosts = client.get_host_keys()
    line = f"{server.address} {server.host_key}"
    entry = paramiko.hostkeys.HostKeyEntry.from_line(line)
    assert entry is not None
    assert entry.key is not None
    hosts.add(server.address, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        server.address,
        server.ssh_port,
        user,
        key_filename=str(lab.client_key),
        allow_agent=False,
        look_for_keys=False,
        timeout=10,
    )
    return client


def ssh(lab: Lab, server: Server, user: str, command: str) -> tuple[int, str]:
    with login(lab, server, user) as client:
        _stdin, stdout, _stderr = client.exec_command(command, timeout=20)
        return stdout.channel.recv_exit_status(), stdout.read().decode().strip()


def greets(server: Server, timeout_s: float = 1.0) -> bool:
    try:
        with socket.create_connection((server.address, server.ssh_port), timeout_s) as link:
            link.settimeout(timeout_s)
            return link.recv(4) == b"SSH-"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("user", "command", "expected"),
    [
        ("root", "id -un", (0, "root")),
        ("deploy", "docker info --format '{{.Driver}}'", (0, "overlay2")),
        ("deploy", "sudo -n id -un", (0, "root")),
        ("nosudo", "id -un", (0, "nosudo")),
        ("nosudo", "sudo -n true 2>/dev/null || echo refused", (0, "refused")),
        ("nosudo", "docker info >/dev/null 2>&1 || echo refused", (0, "refused")),
        ("root", "docker compose version --short", (0, "2.26.1-4")),
    ],
)
def test_users_reach_what_is_theirs_over_ssh_with_the_reported_host_key(
    lab: Lab, shared_server: Server, user: str, command: str, expected: tuple[int, str]
) -> None:
    assert ssh(lab, shared_server, user, command) == expected


def test_a_server_without_engine_has_no_docker_at_all(lab: Lab, make_server: MakeServer) -> None:
    server = make_server(engine=False)
    assert ssh(lab, server, "root", "command -v docker || echo none") == (0, "none")


def test_disks_and_host_key_outlive_a_power_cut(make_server: MakeServer) -> None:
    server = make_server()
    key = server.host_key
    server.run(["sh", "-c", "echo kept > /var/lib/note; docker volume create kept"])
    server.power_cut()
    assert not greets(server)
    assert not server.running
    server.start()
    assert server.run(["cat", "/var/lib/note"]).stdout == "kept\n"
    assert server.run(["docker", "volume", "ls", "-q"]).stdout == "kept\n"
    assert server.host_key == key
    assert greets(server)


def test_an_established_connection_hears_nothing_of_a_power_cut(make_server: MakeServer) -> None:
    server = make_server(engine=False)
    with socket.create_connection((server.address, server.ssh_port), 2) as link:
        link.recv(100)
        server.power_cut()
        link.settimeout(1)
        with pytest.raises(TimeoutError):  # neither a FIN nor a reset arrives
            link.recv(100)


def test_a_power_cut_can_lose_what_was_not_yet_on_the_disk(make_server: MakeServer) -> None:
    server = make_server(docker_disk_mib=200)
    folder = "/var/lib/docker/volumes"
    server.run(["sh", "-c", f"echo a > {folder}/synced; sync; echo b > {folder}/unsynced"])
    server.power_cut(lose_unwritten=True)
    server.start()
    assert server.run(["ls", folder]).stdout.split() == [
        "backingFsBlockDev",
        "metadata.db",
        "synced",
    ]


def test_a_store_on_dockers_disk_loses_what_was_not_yet_written_too(
    make_server: MakeServer,
) -> None:
    server = make_server(docker_disk_mib=200, store_on_docker_disk=True)
    store = "/var/lib/smartcity"
    server.run(["sh", "-c", f"echo a > {store}/synced; sync; echo b > {store}/unsynced"])
    server.power_cut(lose_unwritten=True)
    server.start()
    assert server.run(["ls", store]).stdout.split() == ["synced"]


def test_a_black_hole_swallows_everything_until_it_is_lifted(make_server: MakeServer) -> None:
    server = make_server(engine=False)
    server.black_hole(True)
    server.black_hole(True)
    assert not greets(server)
    server.black_hole(False)
    assert greets(server, 5)


def test_a_pulled_cable_is_seen_by_the_server(make_server: MakeServer) -> None:
    server = make_server(engine=False)
    server.link(False)
    assert server.run(["cat", "/sys/class/net/eth0/carrier"]).stdout == "0\n"
    server.link(True)
    assert greets(server, 5)


def test_a_slow_link_is_slow(make_server: MakeServer) -> None:
    server = make_server(engine=False)
    server.rate(2_000_000)
    begin = time.monotonic()
    received = _bytes_from(server, 500_000)
    seconds = time.monotonic() - begin
    assert received == 500_000
    assert 1.5 < seconds < 10  # 4 Mbit over 2 Mbit/s
    server.rate(None)
    begin = time.monotonic()
    _bytes_from(server, 500_000)
    assert time.monotonic() - begin < 1.5


def test_a_small_disk_fills_and_is_freed(make_server: MakeServer) -> None:
    server = make_server(engine=False, store_disk_mib=16)
    server.fill_disk("/var/lib/smartcity")
    write = ["sh", "-c", "head -c 100000 /dev/zero > /var/lib/smartcity/x"]
    assert "No space left" in server.run(write).stderr
    server.free_disk("/var/lib/smartcity")
    assert server.run(write).returncode == 0


def test_the_disk_of_this_machine_is_never_filled(make_server: MakeServer) -> None:
    server = make_server(engine=False)
    for folder in ("/var/lib", "/"):
        with pytest.raises(LabError, match="own disk"):
            server.fill_disk(folder)


@pytest.mark.parametrize("kill", [False, True])
def test_an_engine_stops_and_starts_again(make_server: MakeServer, kill: bool) -> None:
    server = make_server()
    server.stop_engine(kill=kill)
    assert server.run(["docker", "version"]).returncode != 0
    server.start_engine()
    assert server.run(["docker", "version"]).returncode == 0


def test_servers_reach_each_other_and_nothing_else(make_server: MakeServer) -> None:
    one, other = make_server(engine=False), make_server(engine=False)
    assert (
        one.run(["busybox", "nc", "-w", "2", other.address, "22"], stdin=b"\n").stdout[:4] == "SSH-"
    )
    assert "default" not in one.run(["ip", "route"]).stdout


def test_closing_leaves_nothing_behind_even_after_a_killed_run(lab: Lab, tmp_path: Path) -> None:
    """Another process starts a lab and is killed; closing the same prefix here removes it all."""
    code = (
        "import os, signal\n"
        "from smartcity_pkg.lab.lab import Lab\n"
        "lab = Lab('sctk').up(); s = lab.server('left')\n"
        "s.run(['sh', '-c', 'sleep 1000 >/dev/null 2>&1 &'])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    mounts = Path("/proc/self/mountinfo").read_text()
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert "sctk-left" in namespaces()
    processes = _processes_in("sctk-left")
    assert len(processes) >= 4
    Lab("sctk").close()
    Lab("sctk").close()
    assert not [n for n in namespaces() if n.startswith("sctk")]
    assert not [n for _i, n in socket.if_nameindex() if n.startswith("sctk")]
    assert not cgroups.group_names("sctk")
    assert not [pid for pid in processes if _running(pid)]
    assert not (lab.home / "run" / "sctk").exists()
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_two_labs_stand_side_by_side(lab: Lab, shared_server: Server) -> None:
    with Lab("sctm") as other:
        server = other.up().server("neighbour", engine=False)
        assert other.operator_address != lab.operator_address
        assert greets(server)
        assert greets(shared_server)
        with pytest.raises(LabError, match="sctm"):
            Lab("sctm").up()
    assert greets(shared_server)


@pytest.mark.parametrize("prefix", ["", "Sc", "1a", "much-too-long", "a b"])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(LabError, match="prefix"):
        Lab(prefix)


def _bytes_from(server: Server, count: int) -> int:
    """How many bytes arrive when the server sends `count` over plain TCP."""
    serve = f"busybox nc -l -p 9000 -e head -c {count} /dev/zero >/dev/null 2>&1 &"
    server.run(["sh", "-c", serve])
    deadline = time.monotonic() + 10
    while True:
        try:
            link = socket.create_connection((server.address, 9000), 2)
            break
        except OSError:
            assert time.monotonic() < deadline
    with link:
        received = 0
        while chunk := link.recv(65536):
            received += len(chunk)
    return received


def _processes_in(namespace: str) -> list[int]:
    listed = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True
    )
    return [int(word) for word in listed.stdout.split()]


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
