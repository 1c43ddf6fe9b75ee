"""What is likely wrong with a server, in plain words: pure rules over what was collected.

The most likely cause comes first: what makes other things fail stands before what merely fails.
Collecting is `doctor`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, number_text, seconds_text
from smartcity_pkg.hosts.facts import FileSystem, ServerFacts, make_room
from smartcity_pkg.hosts.surroundings import Surroundings
from smartcity_pkg.install.interrupted import Interrupted
from smartcity_pkg.install.journal import Chain
from smartcity_pkg.install.probe import Answer

_FULL_BYTES, _FULL_SHARE = 200 * 10**6, 0.01
_FEW_INODES = 1_000
_CLOCK_S = 300
_CRASHES = 3
# The kernel's line (mm/oom_kill.c, since 5.0): whose memory it was, and what was killed.
_KILLED = re.compile(r"oom-kill:.*task_memcg=([^,]*),task=([^,]+)")
_ENGINE_TASKS = ("dockerd", "containerd")


@dataclass(frozen=True)
class Evidence:
    """All that was found out about one server. `kernel` are the last lines of its kernel's log."""

    facts: ServerFacts
    around: Surroundings
    clock_s: float
    kernel: str = ""
    projects: frozenset[str] = frozenset()
    interrupted: Interrupted | None = None
    open_secrets: tuple[str, ...] = ()
    chain: Chain | None = None
    answers: tuple[Answer, ...] = ()
    files_intact: bool = True


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong, and the cure; both translated."""

    id: str
    text: str
    hint: str


def causes(evidence: Evidence) -> tuple[Cause, ...]:
    """What is likely wrong, the likeliest root first; empty where nothing was found."""
    return tuple(cause for rule in _RULES for cause in rule(evidence))


def _disks(e: Evidence) -> Iterator[Cause]:
    places: list[tuple[str, FileSystem | None]] = [
        (_("Docker's disk"), e.facts.engine_disk),
        (_("the store's disk"), e.facts.store_disk),
        (_("the temporary folder's disk"), e.around.temporary_disk),
    ]
    seen = set()
    for name, disk in places:
        if disk is None or disk.device in seen:
            continue
        seen.add(disk.device)
        if disk.free_bytes < max(_FULL_BYTES, _FULL_SHARE * disk.total_bytes):
            yield Cause(
                "disk-full",
                _("{name} is full: {free} of {total} are free").format(
                    name=name,
                    free=bytes_text(disk.free_bytes),
                    total=bytes_text(disk.total_bytes),
                ),
                make_room(),
            )
    for key, found in e.around.inodes.items():
        if found.total and found.free < _FEW_INODES:
            yield Cause(
                "inodes",
                _("the file system of {name} takes only {free} more files").format(
                    name=key, free=number_text(found.free)
                ),
                _("remove many small files there; see: df -i"),
            )


def _engine(e: Evidence) -> Iterator[Cause]:
    if e.facts.engine is None:
        yield Cause(
            "engine-down",
            _("Docker is installed, but its daemon does not answer")
            if e.facts.docker_installed
            else _("there is no Docker on the server"),
            _("start it: systemctl start docker; journalctl -u docker says why it stopped"),
        )


def _memory(e: Evidence) -> Iterator[Cause]:
    killed = sorted({c.name for c in e.around.containers if c.out_of_memory})
    ids = [c.id for c in e.around.containers if c.id and c.project in e.projects]
    killed += sorted(
        {
            task
            for group, task in _KILLED.findall(e.kernel)
            if task in _ENGINE_TASKS or any(i in group for i in ids)
        }
    )
    if killed:
        yield Cause(
            "out-of-memory",
            _("memory ran out, and the kernel killed: {names}").format(names=", ".join(killed)),
            _("stop what is not needed, add memory, or choose fewer apps: smartcity select"),
        )


def _containers(e: Evidence) -> Iterator[Cause]:
    for c in e.around.containers:
        if c.project not in e.projects:
            continue
        if c.status == "restarting" or c.restart_count >= _CRASHES:
            yield Cause(
                "crash-loop",
                _("{name} crashes again and again ({count} times)").format(
                    name=c.name, count=c.restart_count
                ),
                _("its log says why: smartcity logs; going back: smartcity rollback"),
            )
        elif c.status != "running":
            yield Cause(
                "stopped",
                _("{name} does not run ({status})").format(name=c.name, status=c.status),
                _("start what is installed: smartcity install"),
            )
        elif c.health == "unhealthy":
            yield Cause(
                "unhealthy",
                _("{name} runs, and says that it is not well").format(name=c.name),
                _("its log says why: smartcity logs; going back: smartcity rollback"),
            )


def _clock(e: Evidence) -> Iterator[Cause]:
    off_s = abs(e.facts.clock_s - e.clock_s)
    if off_s > _CLOCK_S:
        yield Cause(
            "clock",
            _("the server's clock differs from ours by {off}").format(off=seconds_text(off_s)),
            _("set it there: timedatectl set-ntp true"),
        )


def _installation(e: Evidence) -> Iterator[Cause]:
    if e.interrupted is not None:
        yield Cause(
            "interrupted",
            _("the installation of {release} was interrupted (by {who}, at “{step}”)").format(
                release=e.interrupted.release, who=e.interrupted.by, step=e.interrupted.step
            ),
            _("finish it: smartcity install --resume; or undo it: smartcity install --abort"),
        )
    for source in e.open_secrets:
        yield Cause(
            "secret-interrupted",
            _("the change of the secret {secret} was interrupted").format(secret=source),
            _("do it once more: smartcity secret rotate, or secret set"),
        )
    if not e.files_intact:
        yield Cause(
            "files-changed",
            _("files of the release were changed on the server"),
            _("put them right: smartcity install"),
        )
    if e.chain is not None and e.chain.broken:
        yield Cause(
            "journal-altered",
            _("the journal was altered at line {line}").format(line=e.chain.broken),
            _("see: smartcity history; ask who has root there"),
        )


def _routes(e: Evidence) -> Iterator[Cause]:
    bad = [str(a) for a in e.answers if not a.good]
    if bad:
        yield Cause(
            "no-answer",
            _("citizens get no good answer from: {routes}").format(routes="; ".join(bad)),
            _("mend what stands above first; else see the log of the gateway: smartcity logs"),
        )


_RULES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    *(_disks, _engine, _memory, _containers, _clock, _installation, _routes),
)
