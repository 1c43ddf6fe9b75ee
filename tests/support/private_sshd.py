"""A real OpenSSH server of one's own on a loopback port, with its own users and keys.

It runs in a mount namespace with its own /etc/passwd, /etc/shadow and /etc/sudoers, so that nothing
of this machine changes. Needs root and Debian's openssh-server (and sudo for the users).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartcity_pkg.hosts.address import SshAddress

SUDOER, PLAIN_USER = "teknisi", "tamu"
_START = """
for file in passwd shadow group sudoers; do mount --bind "$1/etc/$file" "/etc/$file"; done
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -f "$1/sshd_config" -E "$1/sshd.log"
"""


def wait_until(condition, timeout_s: float = 10.0, what: str = "condition") -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)


def need_sshd() -> None:
    """Skip without an SSH server to run; in CI that is a failure."""
    missing = [p for p in ("/usr/sbin/sshd", "/usr/bin/sudo") if not Path(p).exists()]
    if missing or os.geteuid() != 0:
        reason = f"needs root and {missing or 'nothing else'}"
        if os.environ.get("SMARTCITY_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


class PrivateSshd:
    """`address` logs in as root with `key_file`; `options` are lines for sshd_config."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.key_file = folder / "login_key"
        for name, kind in (
            ("host_ed25519", "ed25519"),
            ("host_rsa", "rsa"),
            ("login_key", "ed25519"),
        ):
            make_key(folder / name, kind)
        (folder / "authorized_keys").write_text(self.key_file.with_suffix(".pub").read_text())
        self._write_etc()
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_ed25519.pub").read_text().split()[:2])

    @property
    def address(self) -> SshAddress:
        return SshAddress(
            host="127.0.0.1",
            port=self.port,
            user="root",
            host_key=self.host_key,
            key_file=str(self.key_file),
        )

    def start(self) -> None:
        (self.folder / "sshd_config").write_text(
            "\n".join(
                (
                    *self._options,
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {self.folder}/host_ed25519",
                    f"HostKey {self.folder}/host_rsa",
                    f"PidFile {self.folder}/sshd.pid",
                    f"AuthorizedKeysFile {self.folder}/authorized_keys",
                    "PermitRootLogin prohibit-password",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "StrictModes no",
                    "UsePAM no",
                    "MaxSessions 40",
                    "",
                )
            )
        )
        self._process = subprocess.Popen(
            ("unshare", "-m", "--propagation", "private", "sh", "-euc", _START, "sh", self.folder)
        )
        wait_until(self._answers, what="sshd answers")

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 1) as s,
        ):
            return s.recv(4) == b"SSH-"
        assert self._process is not None
        assert self._process.poll() is None, "sshd ended: " + self.log()
        return False

    def log(self) -> str:
        path = self.folder / "sshd.log"
        return path.read_text() if path.exists() else ""

    def sessions(self) -> list[int]:
        """The process ids of the connections that it serves."""
        assert self._process is not None
        return _children(self._process.pid)

    def cut(self) -> None:
        """End every connection from the server's side; what runs in them goes on."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self.cut()
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _write_etc(self) -> None:
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        for file in ("passwd", "shadow", "group"):
            shutil.copy2(f"/etc/{file}", etc / file)
        for uid, user in ((64001, SUDOER), (64002, PLAIN_USER)):
            with (etc / "passwd").open("a") as passwd, (etc / "shadow").open("a") as shadow:
                passwd.write(f"{user}:x:{uid}:65534::/:/bin/sh\n")
                shadow.write(f"{user}:*:19000:0:99999:7:::\n")
        (etc / "sudoers").write_text(f"root ALL=(ALL) ALL\n{SUDOER} ALL=(root) NOPASSWD: ALL\n")
        (etc / "sudoers").chmod(0o440)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> None:
    argv = ("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path))
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def running(*options: str) -> Iterator[PrivateSshd]:
    """A server for a while. Not under pytest's folders: sshd reads keys as the user who logs in."""
    need_sshd()
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        server = PrivateSshd(Path(folder), *options)
        try:
            yield server
        finally:
            server.stop()
