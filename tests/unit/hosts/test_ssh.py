"""SshHost against a real OpenSSH server: who is let in, what is believed, what a cut looks like."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_sshd import PLAIN_USER, PrivateSshd, make_key, running, wait_until

from smartcity_pkg.core.errors import (
    HostKeyError,
    LoginError,
    RemoteCommandError,
    UnreachableError,
)
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress

DEAD_LINK_S = 15


@pytest.fixture(scope="module")
def sshd() -> Iterator[PrivateSshd]:
    with running() as server:
        yield server


@pytest.fixture
def known_hosts(sshd: PrivateSshd, tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    return path


def unpinned(sshd: PrivateSshd) -> SshAddress:
    return dataclasses.replace(sshd.address, host_key=None)


def accepted(sshd: PrivateSshd, address: SshAddress, known_hosts: Path | None = None) -> bool:
    host = ssh.connect(address, name="pemda", known_hosts=known_hosts)
    try:
        return host.run(("true",)).ok
    finally:
        host.close()


def test_the_types_of_both_server_keys_can_be_pinned(sshd: PrivateSshd) -> None:
    for name in ("host_ed25519", "host_rsa"):
        line = (sshd.folder / f"{name}.pub").read_text()
        assert accepted(sshd, dataclasses.replace(sshd.address, host_key=line))


def test_known_hosts_decides_where_nothing_is_pinned(sshd: PrivateSshd, known_hosts: Path) -> None:
    assert accepted(sshd, unpinned(sshd), known_hosts)


def test_a_known_rsa_key_is_asked_for(sshd: PrivateSshd, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{sshd.port} {(sshd.folder / 'host_rsa.pub').read_text()}\n")
    assert accepted(sshd, unpinned(sshd), path)


def test_an_unknown_host_key_is_never_accepted(sshd: PrivateSshd, tmp_path: Path) -> None:
    with pytest.raises(HostKeyError) as caught:
        ssh.connect(unpinned(sshd), name="pemda", known_hosts=tmp_path / "absent")
    fingerprint = subprocess.run(
        ("ssh-keygen", "-lf", sshd.folder / "host_ed25519.pub"), capture_output=True, check=True
    ).stdout.split()[1]
    assert fingerprint.decode() in caught.value.message
    assert sshd.host_key in caught.value.hint


@pytest.mark.parametrize("where", ["pinned", "known_hosts"])
def test_a_changed_host_key_is_refused_before_login(
    sshd: PrivateSshd, tmp_path: Path, where: str
) -> None:
    make_key(tmp_path / "old")
    old = " ".join((tmp_path / "old.pub").read_text().split()[:2])
    path = tmp_path / "known_hosts"
    path.write_text(f"[127.0.0.1]:{sshd.port} {old}\n")
    address = dataclasses.replace(sshd.address, host_key=old if where == "pinned" else None)
    before = sshd.log().count("Accepted")
    with pytest.raises(HostKeyError, match="changed"):
        ssh.connect(address, name="pemda", known_hosts=path)
    assert sshd.log().count("Accepted") == before


def test_a_wrong_user_is_named_with_the_key_and_what_to_do(sshd: PrivateSshd) -> None:
    with pytest.raises(LoginError) as caught:
        ssh.connect(dataclasses.replace(sshd.address, user="siapa"), name="pemda")
    assert "siapa" in caught.value.message
    assert str(sshd.key_file) in caught.value.message
    assert "authorized_keys" in caught.value.hint
    assert not caught.value.transient


def test_a_strange_key_is_refused(sshd: PrivateSshd, tmp_path: Path) -> None:
    make_key(tmp_path / "strange")
    address = dataclasses.replace(sshd.address, key_file=str(tmp_path / "strange"))
    with pytest.raises(LoginError, match="strange"):
        ssh.connect(address, name="pemda")


@pytest.mark.parametrize("content", [None, "no key at all"])
def test_a_key_file_that_cannot_be_read_is_named(
    sshd: PrivateSshd, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "broken_key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LoginError) as caught:
        ssh.connect(dataclasses.replace(sshd.address, key_file=str(path)), name="pemda")
    assert str(path) in caught.value.hint


class TestLockedKey:
    @pytest.fixture
    def locked(self, sshd: PrivateSshd, tmp_path: Path) -> Path:
        path = tmp_path / "locked"
        path.write_bytes(sshd.key_file.read_bytes())
        path.chmod(0o600)
        argv = ("ssh-keygen", "-p", "-q", "-N", "sandi123", "-P", "", "-f", str(path))
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        return path

    def test_without_an_agent_the_cure_is_said(self, sshd: PrivateSshd, locked: Path) -> None:
        with pytest.raises(LoginError) as caught:
            ssh.connect(dataclasses.replace(sshd.address, key_file=str(locked)), name="pemda")
        assert f"ssh-add {locked}" in caught.value.hint

    def test_with_an_agent_it_works(
        self, sshd: PrivateSshd, locked: Path, tmp_path: Path, agent: str
    ) -> None:
        subprocess.run(("ssh-add", "-q", sshd.key_file), check=True, env=os.environ)
        assert accepted(sshd, dataclasses.replace(sshd.address, key_file=str(locked)))

    @pytest.fixture
    def agent(self, tmp_path: Path) -> Iterator[str]:
        path = str(tmp_path / "agent.sock")
        process = subprocess.Popen(("ssh-agent", "-D", "-a", path), stdout=subprocess.DEVNULL)
        wait_until(lambda: Path(path).exists(), what="ssh-agent")
        before = os.environ.get("SSH_AUTH_SOCK")
        os.environ["SSH_AUTH_SOCK"] = path
        yield path
        process.terminate()
        process.wait()
        del os.environ["SSH_AUTH_SOCK"]
        if before is not None:
            os.environ["SSH_AUTH_SOCK"] = before


def test_a_user_without_sudo_is_told_the_cure(sshd: PrivateSshd) -> None:
    with pytest.raises(LoginError) as caught:
        ssh.connect(dataclasses.replace(sshd.address, user=PLAIN_USER), name="pemda")
    assert PLAIN_USER in caught.value.message
    assert "NOPASSWD" in caught.value.hint


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(UnreachableError, match=str(port)):
            ssh.connect(SshAddress("127.0.0.1", port), name="pemda")


def test_a_name_without_address_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"tidak-ada\.invalid"):
        ssh.connect(SshAddress("tidak-ada.invalid"), name="pemda")


def test_a_port_where_nothing_speaks_ssh_is_noticed_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="no SSH server answers"):
            ssh.connect(SshAddress("127.0.0.1", mute.getsockname()[1]), name="pemda")
        assert time.monotonic() - start < DEAD_LINK_S


def test_a_server_with_sha1_only_is_called_too_old(tmp_path: Path) -> None:
    with (
        running("KexAlgorithms diffie-hellman-group14-sha1") as old,
        pytest.raises(LoginError, match="no longer safe"),
    ):
        ssh.connect(old.address, name="pemda")


def test_a_command_whose_session_died_has_an_unknown_outcome(
    sshd: PrivateSshd, tmp_path: Path
) -> None:
    host = ssh.connect(sshd.address, name="pemda")
    begun = tmp_path / "begun"

    def cut() -> None:
        wait_until(begun.exists, what="command begun")
        sshd.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="link to the server was lost"):
        host.run(("sh", "-c", f"touch {begun}; sleep 60"), check=False)
    assert time.monotonic() - start < DEAD_LINK_S
    cutter.join()
    with pytest.raises(UnreachableError):
        host.run(("true",))
    host.close()


def test_a_cut_while_sending_is_unreachable(sshd: PrivateSshd) -> None:
    host = ssh.connect(sshd.address, name="pemda")
    chunk = bytes(1 << 20)

    def endless() -> Iterator[bytes]:
        yield chunk
        sshd.cut()
        while True:
            yield chunk

    with pytest.raises(UnreachableError):
        host.run(("sh", "-c", "cat >/dev/null"), stdin=endless())
    host.close()


def test_a_link_reset_while_a_command_begins_is_unreachable(sshd: PrivateSshd) -> None:
    """The question never arrives, and the answer is the way's RST (a firewall that forgot)."""
    with Way(sshd.port) as way:
        host = ssh.connect(dataclasses.replace(sshd.address, port=way.port), name="pemda")
        way.swallow.set()
        timer = threading.Timer(0.3, way.reset)
        timer.start()
        with pytest.raises(UnreachableError, match="lost"):
            host.run(("true",))
        timer.join()
        host.close()


class Way:
    """A TCP way to a local port, which can swallow what the client says, and reset it.

    `carried_bytes` went over it, both ways.
    """

    def __init__(self, to_port: int) -> None:
        self.swallow = threading.Event()
        self.carried_bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._server = socket.create_connection(("127.0.0.1", to_port))
        threading.Thread(target=self._carry, daemon=True).start()

    def __enter__(self) -> Way:
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.close()
        self._listener.close()

    def _carry(self) -> None:
        self._client, _peer = self._listener.accept()
        ends = (self._client, self._server)
        for source, target in (ends, ends[::-1]):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.carried_bytes += len(data)  # two pumps: near enough
                if source is self._server or not self.swallow.is_set():
                    target.sendall(data)

    def reset(self) -> None:
        """End the client's connection with RST (SO_LINGER 0)."""
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.shutdown(socket.SHUT_RD)  # wakes the pump, which holds the descriptor open
        self._client.close()


def test_a_shell_killed_on_the_server_is_unknown_not_failed(sshd: PrivateSshd) -> None:
    host = ssh.connect(sshd.address, name="pemda")
    shell = "kill -KILL $(ps -o ppid= $(ps -o ppid= $$))"
    with pytest.raises(UnreachableError, match="shell of “sh -c kill"):
        host.run(("sh", "-c", shell), check=False)
    assert host.run(("true",)).ok  # the link is as it was
    host.close()


def test_the_remote_command_does_not_outlive_its_timeout(sshd: PrivateSshd, tmp_path: Path) -> None:
    """Its client may be dead: the server itself ends it, some seconds later."""
    host = ssh.connect(sshd.address, name="pemda")
    pid_file = tmp_path / "pid"
    with pytest.raises(RemoteCommandError):
        host.run(("sh", "-c", f"echo $$ >{pid_file}; exec sleep 100"), timeout_s=0.5)
    pid = int(pid_file.read_text())
    wait_until(lambda: not alive(pid), timeout_s=20, what="remote command ended")
    host.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_forwarding_refused_says_the_cure() -> None:
    with running("AllowTcpForwarding no") as closed:
        host = ssh.connect(closed.address, name="pemda")
        with pytest.raises(RemoteCommandError) as caught:
            host.connect("127.0.0.1", 80)
        assert "AllowTcpForwarding" in caught.value.hint
        host.close()


def test_a_server_that_opens_no_further_session_says_the_cure(tmp_path: Path) -> None:
    with running("MaxSessions 1") as narrow:
        host = ssh.connect(narrow.address, name="pemda")
        begun = tmp_path / "begun"
        first = threading.Thread(
            target=host.run, args=(("sh", "-c", f"touch {begun}; cat"),), kwargs={"stdin": held()}
        )
        first.start()
        wait_until(begun.exists, what="first session open")
        with pytest.raises(RemoteCommandError) as caught:
            host.run(("true",))
        assert "MaxSessions" in caught.value.hint
        _RELEASE.set()
        first.join()
        host.close()


_RELEASE = threading.Event()


def held() -> Iterator[bytes]:
    yield b"open"
    _RELEASE.wait(30)


class TestJumpHost:
    @pytest.fixture
    def gate(self) -> Iterator[PrivateSshd]:
        with running() as server:
            yield server

    @pytest.fixture
    def known_gate(self, gate: PrivateSshd, tmp_path: Path) -> Path:
        path = tmp_path / "known_hosts"
        path.write_text(f"[127.0.0.1]:{gate.port} {gate.host_key}\n")
        return path

    def through(self, sshd: PrivateSshd, gate: PrivateSshd) -> SshAddress:
        with (gate.folder / "authorized_keys").open("a") as keys:
            keys.write(sshd.key_file.with_suffix(".pub").read_text())
        return dataclasses.replace(sshd.address, jump=f"root@127.0.0.1:{gate.port}")

    def test_the_server_is_reached_through_it(
        self, sshd: PrivateSshd, gate: PrivateSshd, known_gate: Path
    ) -> None:
        assert accepted(sshd, self.through(sshd, gate), known_gate)

    def test_its_host_key_is_checked_too(
        self, sshd: PrivateSshd, gate: PrivateSshd, tmp_path: Path
    ) -> None:
        with pytest.raises(HostKeyError, match="jump"):
            ssh.connect(self.through(sshd, gate), name="pemda", known_hosts=tmp_path / "absent")

    def test_a_server_gone_silent_behind_it_is_noticed(
        self, sshd: PrivateSshd, gate: PrivateSshd, known_gate: Path
    ) -> None:
        """The jump host answers on; the server's own process is stopped, as in a black hole."""
        before = set(sshd.sessions())
        host = ssh.connect(self.through(sshd, gate), name="pemda", known_hosts=known_gate)
        (session,) = set(sshd.sessions()) - before
        os.kill(session, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(UnreachableError):
            host.run(("sleep", "60"), timeout_s=60)
        assert time.monotonic() - start < DEAD_LINK_S
        os.kill(session, signal.SIGCONT)
        host.close()

    def test_a_cut_of_the_jump_host_is_noticed(
        self, sshd: PrivateSshd, gate: PrivateSshd, known_gate: Path
    ) -> None:
        host = ssh.connect(self.through(sshd, gate), name="pemda", known_hosts=known_gate)
        gate.cut()
        with pytest.raises(UnreachableError):
            host.run(("sleep", "60"), timeout_s=60)
        host.close()


def test_a_compressed_session_says_the_same_in_fewer_bytes(sshd: PrivateSshd) -> None:
    text = b"baris yang sama\n" * 200_000
    cost = []
    for compress in (False, True):
        with Way(sshd.port) as way:
            address = dataclasses.replace(sshd.address, port=way.port)
            host = ssh.connect(address, name="pemda", compress=compress)
            assert host.run(("cat",), stdin=text).stdout == text
            host.close()
            cost.append(way.carried_bytes)
    assert cost[1] < cost[0] / 5


def test_a_server_that_does_not_compress_is_spoken_to_plainly(tmp_path: Path) -> None:
    with running("Compression no") as server:
        host = ssh.connect(server.address, name="pemda", compress=True)
        assert host.run(("echo", "ya")).text == "ya"
        host.close()
