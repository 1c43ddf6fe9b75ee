"""The link is measured within bounds, and what is said agrees with the bytes and the seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import pytest

from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.hosts.linkspeed import measure_link
from smartcity_pkg.hosts.local import LocalHost


class Counting:
    """A real host, and how many bytes went each way."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.up = self.down = 0

    @property
    def name(self) -> str:
        return self._host.name

    def run(self, argv: Sequence[str], *, stdin: bytes | Iterable[bytes] = b"",
            timeout_s: float = 60, check: bool = True) -> Completed:  # fmt: skip
        def counted() -> Iterable[bytes]:
            for chunk in [stdin] if isinstance(stdin, bytes) else stdin:
                self.up += len(chunk)
                yield chunk

        done = self._host.run(argv, stdin=counted(), timeout_s=timeout_s, check=check)
        self.down += len(done.stdout)
        return done

    def connect(self, address: str, port: int, timeout_s: float = 10.0) -> object:
        return self._host.connect(address, port, timeout_s)

    def close(self) -> None:
        self._host.close()


def test_the_link_is_measured_both_ways_and_within_its_bounds() -> None:
    host = Counting(LocalHost())
    speed = measure_link(host, max_bytes=1 << 20)  # type: ignore[arg-type]
    assert speed.uploaded_bytes == 1 << 20
    assert 0 < speed.downloaded_bytes <= 1 << 20
    assert host.up == 1 << 20
    assert host.down <= 2 * (1 << 20)
    assert speed.upload_mbps > 1
    assert speed.download_mbps > 1
    assert 0 < speed.round_trip_ms < 10_000


class _Ticking:
    """A clock that a slow link would show: it goes on by a step at each look."""

    def __init__(self, step_s: float) -> None:
        self.now = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@pytest.mark.timeout(60)
def test_a_slow_link_is_not_kept_busy() -> None:
    began = time.monotonic()
    speed = measure_link(LocalHost(), clock=_Ticking(0.5))
    assert speed.uploaded_bytes <= 6 * (64 << 10), "it stopped when the time was over"
    assert time.monotonic() - began < 30
