"""A sign of life every few seconds inside an SSH session; what the session is for, others know.

Behind a jump host the socket's timers watch only the way to the jump host: a server that went
silent behind it looks like one that has nothing to say.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Protocol

_PULSE_S = 3.0
_SILENCE_S = 12.0


class Session(Protocol):
    """What of an SSH session is needed to keep watch over it."""

    def is_active(self) -> bool:
        """Whether it lives, as far as it knows."""

    def global_request(self, kind: str) -> object:
        """Ask the server something and wait for its answer (RFC 4254, 4)."""

    def close(self) -> None:
        """End it; every wait inside it ends too."""


class Watched:
    """A stream that remembers when something was last heard on it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._heard = time.monotonic()

    def __getattr__(self, name: str) -> Any:
        """All but `recv` is the stream's own."""
        return getattr(self._stream, name)

    def recv(self, size: int) -> bytes:
        """What arrives next."""
        data: bytes = self._stream.recv(size)
        self._heard = time.monotonic()
        return data

    def watch(self, session: Session) -> None:
        """Ask `session` for a sign of life every 3 s; close it when nothing was heard for 12 s.

        Asking blocks when the way is stuck, so that another thread must look at the clock.
        """

        def ask() -> None:
            # An SSH server answers an unknown request too (with a failure), so any will do.
            while session.is_active():
                with contextlib.suppress(Exception):
                    session.global_request("keepalive@openssh.com")
                time.sleep(_PULSE_S)

        def look() -> None:
            while session.is_active():
                time.sleep(1.0)
                if time.monotonic() - self._heard > _SILENCE_S:
                    with contextlib.suppress(Exception):  # the goodbye cannot be sent either
                        session.close()

        for work in (ask, look):
            threading.Thread(target=work, daemon=True).start()
