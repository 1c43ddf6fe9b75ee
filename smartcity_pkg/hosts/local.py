"""This very machine as a `Host`: commands through subprocess, as root."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence

from smartcity_pkg.core.errors import LoginError, RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts import streams
from smartcity_pkg.hosts.host import DEFAULT_TIMEOUT_S, Completed, as_bytes, refused, too_slow


class LocalHost:
    """This machine; see `hosts.host` for the contract.

    Where the process is not root, commands go through `sudo -n`; LoginError if that asks for a
    password.
    """

    def __init__(self, name: str = "localhost") -> None:
        self._name = name
        self._prefix: tuple[str, ...] = ()
        if os.geteuid() != 0:
            self._prefix = ("sudo", "-n", "--", "env", "LC_ALL=C")
            self._probe()

    @property
    def name(self) -> str:
        """What messages call this machine."""
        return self._name

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        """Run `argv` in its own process group, which is killed at `timeout_s`."""
        try:
            process = subprocess.Popen(
                [as_bytes(word) for word in (*self._prefix, *argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            # A shell answers these two ways (POSIX, 2.8.2), and so does every remote host.
            status = 127 if isinstance(error, FileNotFoundError) else 126
            return self._judged(Completed(tuple(argv), status, b"", str(error).encode()), check)
        expired = threading.Event()

        def give_up() -> None:
            expired.set()
            self._kill(process)

        timer = threading.Timer(timeout_s, give_up)
        timer.daemon = True
        timer.start()
        with process:
            try:
                stdout, stderr = _converse(process, stdin, expired, give_up)
                status = process.wait()
            except BaseException:
                expired.set()
                self._kill(process)
                raise
            finally:
                timer.cancel()
        if expired.is_set():
            raise too_slow(self._name, argv, timeout_s)
        # A command that a signal ended has 128 + its number, as a shell and as sshd say it.
        status = 128 - status if status < 0 else status
        return self._judged(Completed(tuple(argv), status, stdout, stderr), check)

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A TCP connection from this machine."""
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError as error:
            raise RemoteCommandError(
                _("{host}: nothing answers at {address} port {port}: {why}").format(
                    host=self._name, address=address, port=port, why=error
                ),
                _("see whether the service runs there: docker ps"),
            ) from error

    def close(self) -> None:
        """Nothing to end."""

    def _judged(self, done: Completed, check: bool) -> Completed:
        if check and not done.ok:
            raise refused(self._name, done)
        return done

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:  # sudo runs as root, and only root may end it
            subprocess.run(("sudo", "-n", "kill", "-KILL", "--", f"-{process.pid}"), check=False)

    def _probe(self) -> None:
        if not self.run(("true",), check=False).ok:
            raise LoginError(
                _("{host}: this needs root, and sudo asks for a password or is missing").format(
                    host=self._name
                ),
                _("run the same command as root: sudo smartcity …"),
            )


def _converse(
    process: subprocess.Popen[bytes],
    stdin: bytes | Iterable[bytes],
    expired: threading.Event,
    abort: Callable[[], object],
) -> tuple[bytes, bytes]:
    """Talk to the process until its outputs end, or until `expired`: a grandchild that left the
    process group may hold them open for ever."""
    assert process.stdin and process.stdout and process.stderr
    into, out, err = process.stdin, process.stdout.fileno(), process.stderr.fileno()
    os.set_blocking(into.fileno(), False)

    def ready(read: list[int], write: list[int]) -> bool:
        while not expired.is_set():
            if any(select.select(read, write, [], 0.5)):
                return True
        return False

    def write(piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            if not ready([], [into.fileno()]):
                raise BrokenPipeError
            view = view[os.write(into.fileno(), view) :]

    def read_from(descriptor: int) -> Callable[[int], bytes]:
        return lambda size: os.read(descriptor, size) if ready([descriptor], []) else b""

    return streams.converse(
        stdin,
        write=write,
        end_input=into.close,
        read_stdout=read_from(out),
        read_stderr=read_from(err),
        abort=abort,
    )
