"""How fast the link to a host is: bytes there, bytes back, and the shortest command's time.

Bounded in bytes and in seconds, so that a slow link is not kept busy; random bytes, so that no
compression on the way flatters it. Nothing is written on the host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smartcity_pkg.hosts.host import Host, script

MAX_BYTES = 8 << 20
ENOUGH_S = 3.0
_CHUNK = 64 << 10
_TRIES = 5
_FIRST_BYTES = 256 << 10
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class LinkSpeed:
    """What was measured: Mbit/s each way over so many bytes, and a command's time in ms."""

    upload_mbps: float
    download_mbps: float
    round_trip_ms: float
    uploaded_bytes: int
    downloaded_bytes: int


def measure_link(
    host: Host,
    *,
    max_bytes: int = MAX_BYTES,
    enough_s: float = ENOUGH_S,
    clock: Callable[[], float] = time.monotonic,
) -> LinkSpeed:
    """Measure the link to `host` with at most `max_bytes`, and about `enough_s` seconds, each way.

    A command's own time is taken off each transfer. Raises what `Host.run` raises.
    """
    trip_s = min(_seconds(host, ["true"], clock) for _ in range(_TRIES))
    sent, up_s = _upload(host, max_bytes, enough_s, clock)
    got, down_s = _download(host, max_bytes, enough_s, trip_s, clock)
    return LinkSpeed(
        upload_mbps=_mbps(sent, up_s - trip_s),
        download_mbps=_mbps(got, down_s - trip_s),
        round_trip_ms=round(trip_s * 1000, 1),
        uploaded_bytes=sent,
        downloaded_bytes=got,
    )


def _seconds(host: Host, argv: list[str], clock: Callable[[], float]) -> float:
    began = clock()
    host.run(argv)
    return clock() - began


def _upload(
    host: Host, max_bytes: int, enough_s: float, clock: Callable[[], float]
) -> tuple[int, float]:
    """Bytes that arrived, and the seconds until the host had read the last of them."""
    began = clock()

    def chunks() -> Iterator[bytes]:
        sent = 0
        while sent < max_bytes and clock() - began < enough_s:
            size = min(_CHUNK, max_bytes - sent)
            sent += size
            yield os.urandom(size)

    done = host.run(["wc", "-c"], stdin=chunks(), timeout_s=_TIMEOUT_S)
    return int(done.text), clock() - began


def _download(
    host: Host, max_bytes: int, enough_s: float, trip_s: float, clock: Callable[[], float]
) -> tuple[int, float]:
    """Bytes that came, and their seconds: a small piece says how large the real one may be."""
    size = min(_FIRST_BYTES, max_bytes)
    while True:
        began = clock()
        blocks = max(1, size // _CHUNK)
        read = script('# read random bytes\ndd if=/dev/urandom bs=65536 count="$1" 2>/dev/null',
                      str(blocks))  # fmt: skip
        got = len(host.run(read, timeout_s=_TIMEOUT_S).stdout)
        took_s = clock() - began
        fair = int(got * enough_s / max(took_s - trip_s, 0.001))
        if took_s > enough_s / 3 or size >= max_bytes or fair <= 2 * size:
            return got, took_s
        size = min(fair, max_bytes)


def _mbps(size_bytes: int, seconds: float) -> float:
    """Mbit/s to three figures; a link faster than the clock tells is as fast as it can tell."""
    value = size_bytes * 8 / 1e6 / max(seconds, 0.001)
    return float(f"{value:.3g}")
