"""Asks a public route for its health, through the server's own entrance: one small HTTP request.

HTTP/1.1 over whatever `Host.connect` gives (RFC 9112). Only the status line is read, so an endless
or slow answer costs nothing. What an answer means is judged in `health` and `outage`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import Host

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_MAX_BYTES = 4096
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Route:
    """A public health path of an app, and the port of the entrance."""

    app: str
    path: str
    port: int


@dataclass(frozen=True)
class Answer:
    """What a route said: the HTTP status, or 0 and why there was none."""

    route: Route
    status: int
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether the app answers that it is well."""
        return self.status == 200

    @property
    def busy(self) -> bool:
        """Whether the entrance asks to come again later, which says nothing about the app."""
        return self.status == _TOO_MANY_REQUESTS

    def __str__(self) -> str:
        said = _("status {status}").format(status=self.status) if self.status else self.why
        return f"{self.route.path}: {said}"


def ask(host: Host, route: Route, timeout_s: float = 5.0) -> Answer:
    """Ask once; the answer says what went wrong. Raises UnreachableError if the link is lost."""
    deadline = time.monotonic() + timeout_s
    try:
        stream = host.connect("127.0.0.1", route.port, timeout_s)
    except RemoteCommandError as error:
        return Answer(route, 0, error.message)
    try:
        stream.settimeout(timeout_s)
        stream.sendall(
            f"GET {route.path} HTTP/1.1\r\nHost: localhost\r\n"
            "User-Agent: smartcity\r\nConnection: close\r\n\r\n".encode()
        )
        received = b""
        while b"\n" not in received and len(received) < _MAX_BYTES:
            stream.settimeout(max(0.01, deadline - time.monotonic()))
            chunk = stream.recv(_MAX_BYTES)
            if not chunk:
                break
            received += chunk
    except (OSError, EOFError) as error:
        return Answer(route, 0, _("no answer ({why})").format(why=error or type(error).__name__))
    finally:
        stream.close()
    match = _STATUS_LINE.match(received)
    if match is None:
        return Answer(route, 0, _("no answer") if not received else _("not an HTTP answer"))
    return Answer(route, int(match[1]))
