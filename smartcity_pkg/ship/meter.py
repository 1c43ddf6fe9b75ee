"""Counting what really goes over a connection: a host that counts; deciding is left to others."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence

from smartcity_pkg.hosts.host import DEFAULT_TIMEOUT_S, Completed, Host, as_bytes


class Meter:
    """Bytes given to connections: input of commands, and the commands themselves."""

    def __init__(self) -> None:
        self.sent_bytes = 0

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, each counted when it is handed over."""
        for chunk in chunks:
            self.sent_bytes += len(chunk)
            yield chunk


class MeteredHost:
    """A host like the one inside, counted by `meter`."""

    def __init__(self, inside: Host, meter: Meter) -> None:
        self._inside = inside
        self._meter = meter

    @property
    def name(self) -> str:
        """The name of the host inside."""
        return self._inside.name

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        """Run inside, and count."""
        self._meter.sent_bytes += sum(len(as_bytes(argument)) for argument in argv)
        chunks = (stdin,) if isinstance(stdin, bytes) else stdin
        return self._inside.run(
            argv, stdin=self._meter.counted(chunks), timeout_s=timeout_s, check=check
        )

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A stream of the host inside; its bytes are not counted."""
        return self._inside.connect(address, port, timeout_s)

    def close(self) -> None:
        """Close the host inside."""
        self._inside.close()
