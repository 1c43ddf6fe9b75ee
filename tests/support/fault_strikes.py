"""What can happen to an installation: each fault as an act, and how it ends by itself or by hand.

`hit` does the harm while a client installs; `mend` is what the world does later without smartcity
(the link is back, somebody freed the disk, set the clock). When it strikes is `fault_trial`'s.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fault_releases import NEW, OLD
from fault_site import STORE, FaultSite

_RESTART_S = 2.0  # as systemd's docker.service waits
_TMP_MIB = 8
_CLOCK = "/usr/local/bin/date"
_OTHER_YEAR = "#!/bin/sh\nexec /usr/bin/date -d '1 year ago' \"$@\"\n"


def _nothing(site: FaultSite) -> None:
    """It ended by itself."""


@dataclass(frozen=True)
class Strike:
    """A fault. `on` says on which kind of site it can happen; `cuts_off`: citizens too."""

    name: str
    hit: Callable[[FaultSite], object]
    mend: Callable[[FaultSite], object] = _nothing
    on: Literal["any", "one disk", "own disks"] = "any"
    cuts_off: bool = False


# -- killed with -9 -------------------------------------------------------------------------------


def _client(site: FaultSite) -> None:
    site.clients[0].kill()


def _descendants(site: FaultSite) -> tuple[list[str], list[str]]:
    """The SSH sessions on the server, and all processes that they have started."""
    children, sessions = defaultdict(list), []
    for line in site.sh("ps -eo pid=,ppid=,args=").splitlines():
        pid, parent, words = line.split(None, 2)
        children[parent].append(pid)
        if words.startswith("sshd-session:"):
            sessions.append(pid)
    found, waiting = list[str](), list(sessions)
    while waiting:
        more = [pid for pid in children[waiting.pop()] if pid not in sessions]
        found += more
        waiting += more
    return sessions, found


def _kill(site: FaultSite, pids: list[str]) -> None:
    if pids:
        site.server.run(["sh", "-c", 'kill -KILL "$@"', "sh", *pids])


def _sessions(site: FaultSite) -> None:
    sessions, commands = _descendants(site)
    _kill(site, [*commands, *sessions])


def _commands(site: FaultSite) -> None:
    """Wait for one that runs, up to a second: between two there is nothing to kill."""
    deadline_s = time.monotonic() + 1
    while site.clients[0].poll() is None and time.monotonic() < deadline_s:
        _found, commands = _descendants(site)
        if commands:
            _kill(site, commands)
            return


def _engine(site: FaultSite) -> None:
    site.server.stop_engine(kill=True)
    time.sleep(_RESTART_S)
    site.server.start_engine()


def _machine(site: FaultSite) -> None:
    site.server.power_cut()
    site.server.start()


CLIENT = Strike("client", _client)
SESSIONS = Strike("its sessions on the server", _sessions)
COMMAND = Strike("its command on the server", _commands)
ENGINE = Strike("dockerd", _engine)
# A store in memory does not outlive its server.
MACHINE = Strike("the whole server", _machine, on="one disk")


def _power(site: FaultSite) -> None:
    site.server.power_cut(lose_unwritten=True)
    site.server.start()


POWER = Strike("power loss, unsynced pages gone", _power, on="one disk")


# -- the link -------------------------------------------------------------------------------------

BLACK_HOLE = Strike(
    "silent black hole",
    lambda site: site.server.black_hole(True),
    lambda site: site.server.black_hole(False),
    cuts_off=True,
)
CUT_LINK = Strike(
    "cut link",
    lambda site: site.server.link(False),
    lambda site: site.server.link(True),
    cuts_off=True,
)


# -- the disks ------------------------------------------------------------------------------------


def _disk(name: str, folder: str) -> Strike:
    return Strike(
        f"disk full: {name}",
        lambda site: site.server.fill_disk(folder),
        lambda site: site.server.free_disk(folder),
        on="own disks",
    )


def _fill_tmp(site: FaultSite) -> None:
    site.sh(f"mount -o remount,size={_TMP_MIB}m /tmp")
    site.server.fill_disk("/tmp")


def _free_tmp(site: FaultSite) -> None:
    site.server.free_disk("/tmp")
    site.sh("mount -o remount,size=50% /tmp")


ENGINE_FULL = _disk("engine", "/var/lib/docker")
STORE_FULL = _disk("store", STORE)
TMP_FULL = Strike("disk full: temporary", _fill_tmp, _free_tmp)


# -- clock, content, people -----------------------------------------------------------------------


def _wrong_clock(site: FaultSite) -> None:
    path = site.server.path(_CLOCK)
    path.write_text(_OTHER_YEAR)
    path.chmod(0o755)


def _right_clock(site: FaultSite) -> None:
    site.server.path(_CLOCK).unlink(missing_ok=True)


def _flip_blob(site: FaultSite) -> None:
    """One bit of the largest layer that only the new release has, as a bad disk does."""
    old = set(site.made[OLD].layers)
    blobs = site.server.path(f"{STORE}/store/blobs/sha256")
    new = [layer.removeprefix("sha256:") for layer in site.made[NEW].layers if layer not in old]
    largest = max((blobs / name for name in new), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


def _second(site: FaultSite) -> None:
    site.start_install(NEW)


WRONG_CLOCK = Strike("clock wrong by a year", _wrong_clock, _right_clock)
CORRUPT_BLOB = Strike("corrupt store blob", _flip_blob)
SECOND = Strike("a second installer", _second)
NO_FAULT = Strike("none", _nothing)
