"""What really goes over a connection, counted and paced; deciding is left to others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from smartcity_pkg.hosts.host import DEFAULT_TIMEOUT_S, Completed, Host, HostAround, as_bytes
from smartcity_pkg.ship.pace import Pace


class Meter:
    """Bytes given to connections, by any thread: input of commands, and the commands themselves."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._lock = threading.Lock()

    def count(self, size_bytes: int) -> None:
        """So many more were given."""
        with self._lock:
            self.sent_bytes += size_bytes

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, each counted when it is handed over."""
        for chunk in chunks:
            self.count(len(chunk))
            yield chunk


class MeteredHost(HostAround):
    """A host like the one inside, counted by `meter`, whose input leaves at `pace`."""

    def __init__(self, inside: Host, meter: Meter, pace: Pace) -> None:
        super().__init__(inside)
        self._meter = meter
        self._pace = pace

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        """Run inside, and count."""
        words = sum(len(as_bytes(argument)) for argument in argv)
        self._pace.take(words)
        self._meter.count(words)
        chunks = (stdin,) if isinstance(stdin, bytes) else stdin
        paced = self._meter.counted(self._pace.through(chunks))
        return self.inside.run(argv, stdin=paced, timeout_s=timeout_s, check=check)
