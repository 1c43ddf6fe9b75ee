"""One installation at a time on a server: a lock with a lease that its owner keeps renewing.

A client that died stops renewing, and after `LEASE_S` anybody may take the lock over; one that
lives cannot be robbed. Ages are measured by the server's uptime and its boot's ID, so neither a
wrong clock nor a restart of the server leaves a lock behind for ever. What happens under the lock
is `run`'s.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import threading
import uuid
from dataclasses import dataclass
from types import TracebackType

from smartcity_pkg.core.errors import LockedError, SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.hosts.host import Host, refused, script
from smartcity_pkg.hosts.store import StorePaths

LEASE_S = 120
RENEW_S = 20
_HELD, _LOST = 75, 76

# The guard makes look-and-take one act; the kernel frees it with the process.
_GUARD = """
lock=$1 token=$2
mkdir -p "${lock%/*}"
exec 9>"$lock.guard"
if command -v flock >/dev/null; then flock -w 10 9; fi
uptime() { cut -d. -f1 /proc/uptime; }
"""
# $3 the lease in seconds. A lock that a crash left unfinished has no lease, and counts as expired.
_TAKE = f"""# take the installation lock
{_GUARD}
boot=$(cat /proc/sys/kernel/random/boot_id)
if [ -d "$lock" ] && [ "$(cat "$lock/boot" 2>/dev/null)" = "$boot" ]; then
  age=$(( $(uptime) - $(cat "$lock/lease" 2>/dev/null || echo -999999) ))
  if [ "$age" -lt "$3" ]; then echo "$age"; cat "$lock/owner"; exit {_HELD}; fi
fi
rm -rf "$lock"; mkdir "$lock"
{{ printf '{{"since":"%s",' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; cat; }} > "$lock/owner"
echo "$token" > "$lock/token"; echo "$boot" > "$lock/boot"; uptime > "$lock/lease"
"""
_RENEW = f"""# renew the installation lock
{_GUARD}
[ "$(cat "$lock/token" 2>/dev/null)" = "$token" ] || exit {_LOST}
uptime > "$lock/lease.new"; mv "$lock/lease.new" "$lock/lease"
"""
_RELEASE = f"""# release the installation lock
{_GUARD}
if [ "$(cat "$lock/token" 2>/dev/null)" = "$token" ]; then rm -rf "$lock"; fi
"""
_LOOK = """# look at the installation lock
if [ -e "$1/owner" ]; then
  echo $(( $(cut -d. -f1 /proc/uptime) - $(cat "$1/lease" 2>/dev/null || echo 0) ))
  cat "$1/owner"
fi
"""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, since when (the server's clock, UTC), and when it was last renewed."""

    owner: str
    pid: int
    since: str
    age_s: int

    @property
    def alive(self) -> bool:
        """Whether the lease still holds; the lock of a dead one may be taken over."""
        return self.age_s < LEASE_S


def this_process() -> str:
    """Who we are, for people: `user@machine`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class Lock:
    """Held from `with` to its end; LockedError where somebody else holds it."""

    def __init__(self, host: Host, store: StorePaths, *, owner: str | None = None) -> None:
        self._host = host
        self._path = str(store.lock)
        self._owner = owner or this_process()
        self._token = uuid.uuid4().hex
        self._ended = threading.Event()
        self._lost = False
        self._renewing: threading.Thread | None = None

    def __enter__(self) -> Lock:
        line = json.dumps({"owner": self._owner, "pid": os.getpid()})
        done = self._host.run(
            script(_TAKE, self._path, self._token, str(LEASE_S)),
            stdin=f"{line[1:]}\n".encode(),
            check=False,
        )
        if done.status == _HELD:
            raise self._locked(_holder(done.text))
        if not done.ok:
            raise refused(self._host.name, done)
        self._renewing = threading.Thread(
            target=self._keep_renewing, name="lock lease", daemon=True
        )
        self._renewing.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        try:
            self._host.run(script(_RELEASE, self._path, self._token))
        except SmartCityError:
            # The lease ends by itself; what went wrong before matters more than this.
            if error is None:
                raise

    def check(self) -> None:
        """LockedError if the lock was taken over meanwhile: stop without touching anything."""
        if self._lost:
            raise LockedError(
                _("{host}: the lock of this installation was taken over").format(
                    host=self._host.name
                ),
                _("see who works there now: smartcity status; then run the command again"),
            )

    def renew(self) -> None:
        """Renew the lease now; a thread does it every `RENEW_S` seconds."""
        done = self._host.run(script(_RENEW, self._path, self._token), check=False)
        self._lost = self._lost or done.status == _LOST

    def _keep_renewing(self) -> None:
        while not self._lost and not self._ended.wait(RENEW_S):
            # The main thread meets a dead link by itself.
            with contextlib.suppress(SmartCityError):
                self.renew()

    def _locked(self, holder: Holder | None) -> LockedError:
        if holder is None:
            return LockedError(_("{host}: the lock is held").format(host=self._host.name))
        return LockedError(
            _("{host}: {owner} (process {pid}) has been working here since {since}").format(
                host=self._host.name, owner=holder.owner, pid=holder.pid, since=holder.since
            ),
            _("wait for it to end; if it died, its lock ends by itself within {left}").format(
                left=seconds_text(max(1, LEASE_S - holder.age_s))
            ),
        )


def read_holder(host: Host, store: StorePaths) -> Holder | None:
    """Who holds the lock now, dead or alive."""
    return _holder(host.run(script(_LOOK, str(store.lock)), check=False).text)


def _holder(text: str) -> Holder | None:
    age, _newline, line = text.partition("\n")
    try:
        found = json.loads(line)
        return Holder(found["owner"], int(found["pid"]), found["since"], int(age))
    except (ValueError, KeyError, TypeError):
        return None
