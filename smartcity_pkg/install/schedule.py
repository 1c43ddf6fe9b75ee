"""Daily backups by the server itself: a shell script below the store, and a systemd timer.

The script is written anew whenever another release becomes current, because each release brings
hooks of its own. Where systemd does not run, the unit files are written all the same, and the
answer says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import script
from smartcity_pkg.install import installed
from smartcity_pkg.install.backups import taking_of
from smartcity_pkg.install.backupscript import nightly
from smartcity_pkg.install.lock import LEASE_S
from smartcity_pkg.install.place import Place

UNITS = "/etc/systemd/system"
UNIT = "smartcity-backup"
_TIME = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")

# $1 the script's path; its text on standard input.
_WRITE = """# write the backup script
umask 077
mkdir -p "${1%/*}"
cat >"$1.new"
sync "$1.new"
mv "$1.new" "$1"
sync "${1%/*}"
"""
# $1 the units' folder, $2 their name, $3 the service, $4 the timer.
_UNITS = """# set up the timer
mkdir -p "$1"
printf '%s' "$3" >"$1/$2.service"
printf '%s' "$4" >"$1/$2.timer"
sync "$1/$2.service" "$1/$2.timer" "$1"
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
  systemctl daemon-reload
  systemctl enable "$2.timer" >&2
  systemctl restart "$2.timer" >&2
  echo runs
fi
"""
_STOP = """# take the timer away
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
  systemctl disable --now "$2.timer" >&2 2>/dev/null || true
fi
rm -f "$1/$2.service" "$1/$2.timer"
sync "$1" 2>/dev/null || true
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then systemctl daemon-reload; fi
"""
_SERVICE = """# Written by smartcity (backup schedule).
[Unit]
Description=Back up the smartcity apps
After=docker.service

[Service]
Type=oneshot
Nice=10
IOSchedulingClass=idle
ExecStart=/bin/sh {script} {keep}
"""
_TIMER = """# Written by smartcity (backup schedule).
[Unit]
Description=Back up the smartcity apps every day

[Timer]
OnCalendar=*-*-* {daily}:00
Persistent=true

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Scheduled:
    """What was set up: `command` is what runs daily; `runs` is false where systemd does not."""

    server: str
    daily: str
    keep: int
    apps: tuple[str, ...]
    command: str
    runs: bool


def script_path(place: Place) -> str:
    """Where the server keeps the script."""
    return str(place.store.root / "backup.sh")


def units(script: str, daily: str, keep: int) -> tuple[str, str]:
    """The texts of the service and the timer that run `script` daily at `daily` (HH:MM)."""
    return _SERVICE.format(script=script, keep=keep), _TIMER.format(daily=daily)


def refresh(place: Place, release: Release) -> tuple[str, ...]:
    """Write the script for the apps of `release` that have a hook; their names."""
    apps = [a for a in release.on_server(place.server) if a.backup is not None]
    takings = [
        taking_of(place, release, a, why="schedule", current=release.name, version=a.version)
        for a in apps
    ]
    text = nightly(str(place.store.root), takings, lease_s=LEASE_S)
    place.host.run(script(_WRITE, script_path(place)), stdin=text.encode())
    return tuple(a.app for a in apps)


def check_time(daily: str) -> None:
    """UsageError unless `daily` is a time of day."""
    if not _TIME.match(daily):
        raise UsageError(
            _("--daily is “{given}”, expected HH:MM").format(given=daily),
            _("for instance: --daily 02:30"),
        )


def schedule(place: Place, daily: str, keep: int) -> Scheduled:
    """Back up daily at `daily` (HH:MM, the server's time), keeping the newest `keep` of each app.

    May be called again with another time. PreflightError where nothing is installed.
    """
    check_time(daily)
    apps = refresh(place, installed.require_current(place))
    service, timer = units(script_path(place), daily, keep)
    done = place.host.run(script(_UNITS, UNITS, UNIT, service, timer))
    command = f"/bin/sh {script_path(place)} {keep}"
    return Scheduled(place.server, daily, keep, apps, command, done.text == "runs")


def unschedule(place: Place) -> None:
    """Take the timer away; the backups stay. May be called again."""
    place.host.run(script(_STOP, UNITS, UNIT))
