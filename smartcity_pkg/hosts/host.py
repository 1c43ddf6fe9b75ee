"""What smartcity asks of one machine: run a command, move bytes, open a port.

The contract (tests/contracts/host.py runs it on every implementation):

- An argv is a list; quoting happens once, inside the implementation. No command inherits the
  caller's standard input.
- Every call ends within its `timeout_s`, or when the link is found dead (within 15 s); both output
  streams are always drained.
- A lost link raises UnreachableError. The status of a command that ran then is *unknown*: it is
  never reported as success nor as failure.
- Commands run as root: where the login is another user, through `sudo -n`; their environment says
  LC_ALL=C.
- Over SSH a command is killed there soon after its `timeout_s`, even when its client is dead.
- Paths on a host are POSIX strings.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from smartcity_pkg.core.errors import DiskFullError, RemoteCommandError
from smartcity_pkg.core.i18n import _

DEFAULT_TIMEOUT_S = 60.0
DISK_FULL_STATUS = 28  # ENOSPC: how our own scripts say that they looked and found no room


@dataclass(frozen=True)
class Completed:
    """A command that ended: its status and what it wrote."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 0."""
        return self.status == 0

    @property
    def text(self) -> str:
        """Standard output as text, undecodable bytes replaced, without the last newline."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class Host(Protocol):
    """One machine; see the module's docstring for the contract."""

    @property
    def name(self) -> str:
        """What messages call this machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        """Run `argv`, feed it `stdin`, wait for its end.

        An iterable `stdin` is streamed without being held in memory. With `check`, a status other
        than 0 raises RemoteCommandError (DiskFullError where the file system is full) that holds
        the last lines of its standard error. Raises UnreachableError when the link is lost.
        """

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A stream to a TCP port as this machine sees it; raises RemoteCommandError if refused.

        Over SSH the result is a channel: it has `recv`, `sendall`, `settimeout`, `makefile`,
        `close`.
        """

    def close(self) -> None:
        """End the connection; may be called twice."""


class HostAround:
    """A host that hands everything to the one inside; for those that do one thing differently."""

    def __init__(self, inside: Host) -> None:
        self.inside = inside

    @property
    def name(self) -> str:
        """The name of the host inside."""
        return self.inside.name

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        """Run inside."""
        return self.inside.run(argv, stdin=stdin, timeout_s=timeout_s, check=check)

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A stream of the host inside."""
        return self.inside.connect(address, port, timeout_s)

    def close(self) -> None:
        """Close the host inside."""
        self.inside.close()


def as_bytes(text: str) -> bytes:
    """A word of a command as the machine gets it: UTF-8, and PEP 383's bytes that are not."""
    return text.encode("utf-8", "surrogateescape")


def script(text: str, *arguments: str) -> tuple[str, ...]:
    """The argv that runs a POSIX shell script with `$1`, `$2`, … set to `arguments`.

    A first line that is a comment names the script in error messages.
    """
    return ("sh", "-euc", text, "sh", *arguments)


def shown(argv: Sequence[str]) -> str:
    """What messages call a command, at most 120 characters."""
    if tuple(argv[:2]) == ("sh", "-euc"):
        first = argv[2].strip().splitlines()[0]
        return (first.removeprefix("# ") if first.startswith("# ") else first)[:120]
    return " ".join(argv)[:120]


def refused(host: str, done: Completed) -> RemoteCommandError:
    """The error for a command that ended badly: what ran, where, and its last words.

    DiskFullError where one of our scripts (`script`) ended with DISK_FULL_STATUS.
    """
    if done.argv[:2] == ("sh", "-euc") and done.status == DISK_FULL_STATUS:
        return DiskFullError(
            _("{host}: the disk is full (during “{command}”)").format(
                host=host, command=shown(done.argv)
            ),
            _("make room on the server, then run the same command again: it goes on where it was"),
        )
    last = b"\n".join(done.stderr.strip().splitlines()[-5:]).decode(errors="replace")
    return RemoteCommandError(
        _("{host}: “{command}” ended with status {status}: {last}").format(
            host=host, command=shown(done.argv), status=done.status, last=last or "-"
        )
    )


def too_slow(host: str, argv: Sequence[str], timeout_s: float) -> RemoteCommandError:
    """The error for a command that did not end within its time."""
    return RemoteCommandError(
        _("{host}: “{command}” did not end within {seconds:.0f} s").format(
            host=host, command=shown(argv), seconds=timeout_s
        ),
        _("see whether the server is overloaded (uptime, df -h), then run the same command again"),
    )
