"""How long citizens are without LAKSA in an upgrade: smartcity's, beside plain Docker Compose.

The same images, files and server. Plain Compose is `docker compose up -d` with everything loaded
and the database migrated before; it does not look whether the app is well, so after a bad upgrade
somebody has to see it and go back by hand, here after `ACTS_S`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fault_clients import gaps
from fault_releases import ILL, NEW, OLD, REGION
from fault_site import FaultSite

ACTS_S = 40.0
_SETTLES_S = 2.0
_ANSWERS_S = 60.0
OURS, PLAIN = "smartcity install", "docker compose up -d"


@dataclass(frozen=True)
class Outage:
    """Seconds without an answer in one upgrade; `took_s` until the command ended."""

    tool: str
    upgrade: str
    seconds: float
    took_s: float


@dataclass(frozen=True)
class Course:
    """An upgrade's journal, as text, and how long it took."""

    entries: tuple[str, ...]
    took_s: float


def measure(site: FaultSite) -> tuple[list[Outage], Course, Course]:
    """Outages of each, and the course of a good upgrade and of one that goes back."""
    good, upgrade = _ours(site, NEW, (0,))
    assert site.smartcity("rollback", REGION).code == 0
    plain = _plain(site, NEW)
    _plain(site, OLD)
    bad, going_back = _ours(site, ILL, (13,))
    failed = _plain(site, ILL)
    return [good, plain, bad, failed], upgrade, going_back


def _ours(site: FaultSite, kind: str, codes: tuple[int, ...]) -> tuple[Outage, Course]:
    site.reset()
    began_s = time.monotonic()
    site.start_install(kind)
    client = site.clients.pop()
    _out, errors = client.communicate(timeout=600)
    assert client.returncode in codes, errors
    took_s = time.monotonic() - began_s
    return _outage(site, OURS, kind, began_s, took_s), Course(site.entries(), took_s)


def _plain(site: FaultSite, kind: str) -> Outage:
    began_s = time.monotonic()
    site.compose_up(kind)
    took_s = time.monotonic() - began_s
    if kind == ILL:
        time.sleep(max(0.0, ACTS_S - took_s))
        site.compose_up(OLD)
    _wait_for(site, OLD if kind == ILL else kind)
    return _outage(site, PLAIN, kind, began_s, took_s)


def _wait_for(site: FaultSite, kind: str) -> None:
    deadline_s = time.monotonic() + _ANSWERS_S
    while site.watcher.now() != site.made[kind].version:
        assert time.monotonic() < deadline_s, f"{kind} does not answer"


def _outage(site: FaultSite, tool: str, kind: str, began_s: float, took_s: float) -> Outage:
    time.sleep(_SETTLES_S)
    dark = gaps(site.watcher.seen, began_s, time.monotonic())
    return Outage(tool, kind, sum(dark), took_s)
