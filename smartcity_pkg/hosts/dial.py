"""TCP connections that notice a dead link within 15 s; what is spoken over them is `hosts.ssh`'s.

Measured: with the kernel's defaults an SSH session hung for 946 s behind a black hole; with
TCP_USER_TIMEOUT of 10 s it failed after 10.5 s. Keepalive probes cover the silent wait.
"""

from __future__ import annotations

import socket

from smartcity_pkg.core.errors import UnreachableError
from smartcity_pkg.core.i18n import _

CONNECT_TIMEOUT_S = 10.0
_USER_TIMEOUT_MS = 10_000
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 5),
    (socket.TCP_KEEPINTVL, 3),
    (socket.TCP_KEEPCNT, 2),
)
# Unsent bytes that may wait in the kernel: keeps progress honest on a slow link, and a command's
# own bytes from queueing for seconds behind bulk. It does not limit what is in flight.
_UNSENT_BYTES = 256 << 10


def dial(host: str, port: int, name: str) -> socket.socket:
    """A connection to `host`; UnreachableError says whether the name, the way or the port fails."""
    try:
        stream = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
    except socket.gaierror as error:
        raise UnreachableError(
            _("{name}: no address is known for the name {host}").format(name=name, host=host),
            _("check the spelling in the profile, and this computer's network and DNS"),
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            _("{name}: {host} refuses connections on port {port}").format(
                name=name, host=host, port=port
            ),
            _("see whether the SSH server runs there (systemctl status ssh), and on which port"),
        ) from error
    except OSError as error:
        raise UnreachableError(
            _("{name}: {host} port {port} does not answer ({why})").format(
                name=name, host=host, port=port, why=error
            ),
            _("check that the server is on, and the link, the VPN and the firewall between"),
        ) from error
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        stream.setsockopt(socket.IPPROTO_TCP, option, value)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    return stream


def no_answer(name: str) -> UnreachableError:
    """The error for a port that opens and then says nothing of SSH."""
    return UnreachableError(
        _("{name}: the connection opens, but no SSH server answers on it").format(name=name),
        _("check the port in the profile, and whether sshd there is overloaded or blocks us"),
    )
