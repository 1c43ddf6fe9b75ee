"""How full a server's disks become: one sample a night, and what they foretell.

The nightly script (`schedule`) writes the samples, because moments that come by themselves say more
than those at which somebody installs, each of which itself fills the disk. Foretelling is pure; a
server without the timer has no samples, and no forecast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from smartcity_pkg.hosts.facts import FileSystem, ServerFacts
from smartcity_pkg.hosts.host import script
from smartcity_pkg.install.place import Place

FILE = "disk-usage"
KEEP_LINES = 400  # more than a year of nights
_DAY_S = 86_400
_WINDOW_DAYS = 60
_FEW_DAYS, _FEW_SAMPLES = 7, 6
_FAR_DAYS = 3650.0

_READ = """# read how full the disks were
if [ -f "$1" ]; then cat "$1"; fi
"""


@dataclass(frozen=True)
class Sample:
    """What was free at one moment (Unix seconds, the server's clock), in bytes by place."""

    at_s: int
    free_bytes: dict[str, int]


@dataclass(frozen=True)
class Disk:
    """One file system: `place` is `store` or `engine`, or both joined where they share it.

    `full_in_days` is when it will be full at the pace of the last weeks: None where that is not
    known yet, or where it does not fill.
    """

    place: str
    free_bytes: int
    total_bytes: int
    full_in_days: float | None = None


def read(place: Place) -> tuple[Sample, ...]:
    """The samples that the server has, the oldest first."""
    return parse(place.host.run(script(_READ, str(place.store.root / FILE))).text)


def parse(text: str) -> tuple[Sample, ...]:
    """Samples from their lines: `seconds place=bytes …`; a torn or foreign line is passed by."""
    found = []
    for line in text.splitlines():
        words = line.split()
        pairs = [word.partition("=") for word in words[1:]]
        numbers = [words[0] if words else "", *(value for _place, _equals, value in pairs)]
        if pairs and all(number.isascii() and number.isdigit() for number in numbers):
            found.append(Sample(int(words[0]), {p: int(v) for p, _equals, v in pairs}))
    return tuple(sorted(found, key=lambda sample: sample.at_s))


def disks(facts: ServerFacts, samples: Iterable[Sample]) -> tuple[Disk, ...]:
    """The server's file systems now, and when each will be full."""
    known = list(samples)
    places: list[tuple[str, FileSystem]] = [("store", facts.store_disk)]
    if facts.engine_disk is not None:
        places.append(("engine", facts.engine_disk))
    if len({disk.device for _name, disk in places}) < len(places):
        places = [("store+engine", facts.store_disk)]
    return tuple(
        Disk(
            name,
            disk.free_bytes,
            disk.total_bytes,
            full_in_days(known, name.partition("+")[0], disk.free_bytes, facts.clock_s),
        )
        for name, disk in places
    )


def full_in_days(
    samples: Iterable[Sample], place: str, free_bytes: int, now_s: int
) -> float | None:
    """In how many days `free_bytes` will be used up, at the pace of the last 60 days.

    The pace is the median of the slopes between all pairs of samples (Theil 1950, Sen 1968): the
    jumps that installations make weigh no more than other nights. None with less than a week of
    samples, where the disk does not fill, and beyond ten years.
    """
    points = [
        (sample.at_s, sample.free_bytes[place])
        for sample in samples
        if place in sample.free_bytes and now_s - _WINDOW_DAYS * _DAY_S <= sample.at_s <= now_s
    ]
    if len(points) < _FEW_SAMPLES or points[-1][0] - points[0][0] < _FEW_DAYS * _DAY_S:
        return None
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in combinations(points, 2) if t > s]
    pace = -median(slopes) if slopes else 0.0  # bytes a second
    days = free_bytes / pace / _DAY_S if pace > 0 else _FAR_DAYS
    return days if days < _FAR_DAYS else None
