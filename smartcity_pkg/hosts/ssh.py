"""A machine behind SSH as a `Host`, through paramiko; `hosts.hostkeys` says which key is right.

A dead link is noticed within 15 s in every state: by the socket's own timers (`hosts.dial`), and
behind a jump host, where those watch only the way to the jump host, by `hosts.pulse`.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import paramiko

from smartcity_pkg.core.errors import LoginError, RemoteCommandError, UnreachableError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts import hostkeys, streams
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.dial import CONNECT_TIMEOUT_S, dial, no_answer
from smartcity_pkg.hosts.flow import Flow
from smartcity_pkg.hosts.host import (
    DEFAULT_TIMEOUT_S,
    Completed,
    as_bytes,
    refused,
    shown,
    too_slow,
)
from smartcity_pkg.hosts.loginkeys import login_keys
from smartcity_pkg.hosts.pulse import Watched

_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_HANDSHAKE_TIMEOUT_S = 12.0
_REMOTE_GRACE_S = 10
_LONGEST_TRIP_S = 1.0
_GOODBYE_S = 1.0  # paramiko closes channels a moment before it calls the transport inactive
_GONE = (paramiko.SSHException, EOFError, OSError)  # what a session that ended may raise
_FORBIDDEN = 1  # RFC 4254, 5.1: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED

# What goes wrong is raised as our errors; paramiko's log would only repeat it on the screen.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def connect(
    address: SshAddress, *, name: str, known_hosts: Path | None = None, compress: bool = False
) -> SshHost:
    """Log in to `address`, through its jump host if it has one.

    `known_hosts` defaults to ~/.ssh/known_hosts. `compress` (RFC 4253, 6.2) is for sessions of many
    commands and answers: it makes bulk slow. Raises UnreachableError, HostKeyError where the host
    key is unknown or another one, LoginError where the login or sudo is refused.
    """
    known = known_hosts or Path.home() / ".ssh/known_hosts"
    opened: list[paramiko.Transport] = []
    try:
        stream: socket.socket | Watched
        if jump := address.jump_address:
            jump_name = _("{name}, jump host").format(name=name)
            way = dial(jump.host, jump.port, jump_name)
            gate = _login(way, jump, jump_name, known, opened, compress=False)
            stream = Watched(_through(gate, address, jump_name))
        else:
            stream = dial(address.host, address.port, name)
        transport = _login(stream, address, name, known, opened, compress=compress)
        if isinstance(stream, Watched):
            stream.watch(transport)
        host = SshHost(name, opened[::-1], as_root=address.user == "root")
        if address.user != "root":
            host.check_sudo(address)
    except BaseException:
        for transport in opened[::-1]:
            _hang_up(transport)
        raise
    return host


class SshHost:
    """A machine that `connect` logged in to; see `hosts.host` for the contract.

    Several threads may run commands at once: each has a channel of its own.
    """

    def __init__(self, name: str, transports: Sequence[paramiko.Transport], as_root: bool) -> None:
        self._name = name
        self._transports = tuple(transports)
        self._transport = transports[0]
        self._sudo = () if as_root else ("sudo", "-n", "--")
        self._trip_s = _LONGEST_TRIP_S
        self._reports_often = "OpenSSH" in transports[0].remote_version

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
        """Run `argv` through the login shell, quoted for POSIX shells."""
        limit = ("timeout", "-k", "5", str(int(timeout_s) + _REMOTE_GRACE_S))
        line = shlex.join((*self._sudo, "env", "LC_ALL=C", *limit, *argv))
        expired = threading.Event()
        began = time.monotonic()
        try:
            with self._translated():
                channel = self._transport.open_session(timeout=_HANDSHAKE_TIMEOUT_S)
        except paramiko.ChannelException as error:
            raise RemoteCommandError(
                _("{name}: the SSH server opens no further session").format(name=self._name),
                _("raise MaxSessions in /etc/ssh/sshd_config there to 10 or more, reload sshd"),
            ) from error

        self._trip_s = min(self._trip_s, time.monotonic() - began)

        def give_up() -> None:
            expired.set()
            _hang_up(channel)
            channel.event.set()  # wakes exec_command, should the server never answer it

        timer = threading.Timer(timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            with self._translated(expired):
                # Without `exit`, the shell would become the command, and a command that a signal
                # ended would have no status: "unknown" where it is known.
                channel.exec_command(as_bytes(f"{line}; exit $?"))
            stdout, stderr = streams.converse(
                stdin,
                write=self._writer(channel),
                end_input=channel.shutdown_write,
                read_stdout=channel.recv,
                read_stderr=channel.recv_stderr,
                abort=lambda: _hang_up(channel),
                gone=_GONE,
            )
            status = -1 if expired.is_set() else self._status(channel)
        finally:
            timer.cancel()
            _hang_up(channel)
        if expired.is_set() and self._transport.is_active():
            raise too_slow(self._name, argv, timeout_s)
        if status == -1:
            raise self._unknown_end(argv)
        done = Completed(tuple(argv), status, stdout, stderr)
        if check and not done.ok:
            raise refused(self._name, done)
        return done

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A channel to a TCP port as the server sees it (RFC 4254, 7.2, "direct-tcpip")."""
        try:
            with self._translated():
                channel = self._transport.open_channel(
                    "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout_s
                )
        except paramiko.ChannelException as error:
            raise _not_forwarded(error, self._name, address, port) from error
        return cast(socket.socket, channel)

    def close(self) -> None:
        """End the session, and the jump host's after it."""
        for transport in self._transports:
            _hang_up(transport)

    def check_sudo(self, address: SshAddress) -> None:
        """LoginError unless commands really run as root."""
        done = self.run(("id", "-u"), check=False)
        if done.ok and done.text == "0":
            return
        raise LoginError(
            _("{name}: the user {user} may not become root without a password").format(
                name=self._name, user=address.user
            ),
            _(
                "log in as root, or let an administrator install sudo there and run: "
                "echo '{user} ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/smartcity"
            ).format(user=address.user),
        )

    def _writer(self, channel: paramiko.Channel) -> Callable[[bytes], object]:
        return Flow(channel, self._trip_s).write if self._reports_often else channel.sendall

    def _status(self, channel: paramiko.Channel) -> int:
        while not channel.status_event.wait(1.0) and self._transport.is_active():
            pass
        return channel.exit_status

    @contextlib.contextmanager
    def _translated(self, expired: threading.Event | None = None) -> Iterator[None]:
        """What paramiko raises where a session ends, its socket's errors with them, as ours."""
        try:
            yield
        except paramiko.ChannelException:
            raise
        except _GONE as error:
            if expired is None or not expired.is_set():
                raise self._lost() from error

    def _unknown_end(self, argv: Sequence[str]) -> UnreachableError:
        """Why a command has no status: the link is gone, or its shell on the server is."""
        self._transport.join(_GOODBYE_S)
        if not self._transport.is_active():
            return self._lost()
        return UnreachableError(
            _(
                "{name}: the shell of “{command}” was killed on the server; "
                "what ran there may go on"
            ).format(name=self._name, command=shown(argv)),
            _(
                "see whether the server is restarting or lacks memory (dmesg there tells), then "
                "run the same command again: it goes on where it was"
            ),
        )

    def _lost(self) -> UnreachableError:
        return UnreachableError(
            _("{name}: the link to the server was lost; what ran there may go on").format(
                name=self._name
            ),
            _("check the link, then run the same command again: it goes on where it was"),
        )


def _hang_up(open_thing: paramiko.Channel | paramiko.Transport) -> None:
    """Close what may be dead already, which paramiko answers with an exception."""
    with contextlib.suppress(*_GONE):
        open_thing.close()


def _through(gate: paramiko.Transport, address: SshAddress, name: str) -> paramiko.Channel:
    """A channel from the jump host to the server's port."""
    try:
        return gate.open_channel(
            "direct-tcpip",
            (address.host, address.port),
            ("127.0.0.1", 0),
            timeout=CONNECT_TIMEOUT_S,
        )
    except paramiko.ChannelException as error:
        cause = _not_forwarded(error, name, address.host, address.port)
        raise UnreachableError(cause.message, cause.hint) from error
    except _GONE as error:
        raise UnreachableError(
            _("{name}: no way on to {host} port {port}").format(
                name=name, host=address.host, port=address.port
            ),
            _("check that the server is on, and the link between it and the jump host"),
        ) from error


def _not_forwarded(
    error: paramiko.ChannelException, name: str, address: str, port: int
) -> RemoteCommandError:
    if error.code == _FORBIDDEN:
        return RemoteCommandError(
            _("{name}: the SSH server forbids connections to {address} port {port}").format(
                name=name, address=address, port=port
            ),
            _("set “AllowTcpForwarding yes” in /etc/ssh/sshd_config there, and reload sshd"),
        )
    return RemoteCommandError(
        _("{name}: nothing answers at {address} port {port}, seen from there").format(
            name=name, address=address, port=port
        ),
        _("see whether the service runs there: docker ps"),
    )


def _login(
    stream: socket.socket | Watched,
    address: SshAddress,
    name: str,
    known_hosts: Path,
    opened: list[paramiko.Transport],
    *,
    compress: bool,
) -> paramiko.Transport:
    """Handshake, host key, then the keys; `opened` gets the transport first."""
    if address.host_key:
        expected = hostkeys.pinned(address.host_key, _("the profile"))
    else:
        text = known_hosts.read_text(errors="replace") if known_hosts.is_file() else ""
        expected = hostkeys.known(text, address.host, address.port, str(known_hosts))
    transport = _handshake(stream, name, opened, [k.type for k in expected.keys], compress)
    key = transport.get_remote_server_key()
    shown = hostkeys.HostKey(key.get_name(), key.asbytes())
    hostkeys.judge(shown, expected, name, address.host, address.port)
    _authenticate(transport, address, name)
    return transport


def _handshake(
    stream: socket.socket | Watched,
    name: str,
    opened: list[paramiko.Transport],
    key_types: list[str],
    compress: bool,
) -> paramiko.Transport:
    try:
        transport = paramiko.Transport(cast(socket.socket, stream))
        opened.append(transport)
        transport.banner_timeout = transport.handshake_timeout = _HANDSHAKE_TIMEOUT_S
        transport.auth_timeout = _HANDSHAKE_TIMEOUT_S
        transport.use_compression(compress)
        options = transport.get_security_options()
        options.ciphers = _CIPHERS
        # The server has several keys and shows the first type that we name.
        first = [t for k in key_types for t in _signatures(k) if t in options.key_types]
        options.key_types = tuple(dict.fromkeys((*first, *options.key_types)))
        transport.start_client(timeout=_HANDSHAKE_TIMEOUT_S)
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise LoginError(
            _("{name}: the SSH server offers only methods that are no longer safe ({why})").format(
                name=name, why=error
            ),
            _(
                "update the SSH server there (OpenSSH 6.7 or newer), or remove old lists of "
                "KexAlgorithms, Ciphers and HostKeyAlgorithms from /etc/ssh/sshd_config"
            ),
        ) from error
    except _GONE as error:
        raise no_answer(name) from error
    if not transport.initial_kex_done:
        raise no_answer(name)
    return transport


def _signatures(key_type: str) -> tuple[str, ...]:
    """The signature algorithms of a key type; RSA's own name stands for SHA-1 (RFC 8332)."""
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


def _authenticate(transport: paramiko.Transport, address: SshAddress, name: str) -> None:
    """Offer each key until one is taken; LoginError names those that were tried."""
    tried: list[str] = []
    notes: list[str] = []
    for label, key in login_keys(address, notes):
        tried.append(label)
        try:
            transport.auth_publickey(address.user, key)
        except paramiko.BadAuthenticationType:
            notes.append(_("the server takes no keys (PubkeyAuthentication no)"))
            break
        except _GONE as error:
            if transport.is_active():
                continue
            if len(tried) > 2:  # sshd hangs up after MaxAuthTries, by default 6
                notes.append(_("the server hung up after so many keys: name one as key_file"))
                break
            raise UnreachableError(
                _("{name}: the link was lost while logging in").format(name=name),
                _("check the link, then try again"),
            ) from error
        if transport.is_authenticated():
            return
    raise LoginError(
        _("{name}: {host} does not let {user} in; keys tried: {keys}").format(
            name=name,
            host=f"{address.host}:{address.port}",
            user=address.user,
            keys=", ".join(tried) or _("none"),
        ),
        "\n".join(
            (
                *notes,
                _(
                    "check the user's name in the profile, and that the public key stands in that "
                    "user's ~/.ssh/authorized_keys on the server (ssh-copy-id puts it there)"
                ),
            )
        ),
    )
