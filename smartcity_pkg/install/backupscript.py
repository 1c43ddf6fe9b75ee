"""The shell that makes a backup on the server: the same for a command of ours and for the timer.

The server runs nothing of ours, so this is POSIX shell with coreutils; it writes beside, hashes
what the hook writes and what the disk gives back, lets the app's own hook read it, and only then
gives it its name. What a backup's folder holds is `backups`'.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from smartcity_pkg.hosts.host import DISK_FULL_STATUS, script
from smartcity_pkg.install import usage

HOOK_FAILED, NOT_READ_BACK, NOT_VERIFIED = 70, 71, 72

# take ROOT APP VERSION RELEASE WHY TOWARD WRITE VERIFY: the last two are command lines, VERIFY may
# be empty. Prints the backup's name. Statuses are the constants above, or ENOSPC's number.
TAKE = f"""
give_up() {{
  tail -n 5 "$new/said" >&2 || true
  status=$1
  set -- $(stat -f -c '%a %S' .)
  if [ $(($1 * $2)) -lt 4194304 ]; then status={DISK_FULL_STATUS}; fi
  rm -rf "$new"
  return "$status"
}}
take() {{
  app=$2 version=$3 release=$4 why=$5 toward=$6 write=$7 verify=$8
  umask 077
  mkdir -p "$1/backups" && cd "$1/backups" || return 1
  for old in .new.*; do
    if [ -d "$old" ] && ! kill -0 "${{old##*.}}" 2>/dev/null; then rm -rf "$old"; fi
  done
  new=.new.$$
  rm -rf "$new"
  mkdir "$new" && mkfifo "$new/pipe" || return {DISK_FULL_STATUS}
  : >"$new/said" && : >"$new/pending" || give_up 1 || return
  stamp=$(date -u +%Y%m%dT%H%M%SZ) began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  sha256sum <"$new/pipe" >"$new/sum" &
  whole=yes
  {{ eval "$write" </dev/null 2>"$new/said" && rm "$new/pending"; }} |
    tee "$new/pipe" >"$new/data" || whole=no
  wait $! || whole=no
  if [ "$whole" = no ] || [ -e "$new/pending" ] || [ ! -s "$new/data" ]; then
    give_up {HOOK_FAILED} || return
  fi
  sync "$new/data" || give_up {NOT_READ_BACK} || return
  # Forget what memory holds of it: what is read next comes from the disk.
  dd if="$new/data" iflag=nocache count=0 2>/dev/null || true
  sum=$(sha256sum <"$new/data")
  [ "$sum" = "$(cat "$new/sum")" ] || give_up {NOT_READ_BACK} || return
  if [ "$verify" ]; then
    eval "$verify" <"$new/data" >/dev/null 2>"$new/said" || give_up {NOT_VERIFIED} || return
  fi
  {{
    printf '{{"schema_version":1,"app":"%s","version":"%s",' "$app" "$version"
    printf '"release":"%s","why":"%s","toward":"%s",' "$release" "$why" "$toward"
    printf '"began":"%s","ended":"%s",' "$began" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    printf '"size_bytes":%s,' "$(($(wc -c <"$new/data")))"
    printf '"sha256":"%s","verified":%s}}\\n' "${{sum%% *}}" "$([ "$verify" ] && echo true ||
      echo false)"
  }} >"$new/manifest.json" || give_up 1 || return
  rm -f "$new/pipe" "$new/sum" "$new/said"
  sync "$new/manifest.json" "$new" || give_up 1 || return
  number=1
  while [ -e "$stamp-$app-$number" ]; do number=$((number + 1)); done
  mv "$new" "$stamp-$app-$number"
  sync .
  echo "$stamp-$app-$number"
}}
"""


@dataclass(frozen=True)
class Taking:
    """One backup to make. `write` and `verify` are argvs of the server; `verify` may be empty."""

    app: str
    version: str
    release: str
    why: str
    toward: str
    write: tuple[str, ...]
    verify: tuple[str, ...]

    def arguments(self, root: str) -> tuple[str, ...]:
        """What `take` is called with, in the store below `root`."""
        told = (self.app, self.version, self.release, self.why, self.toward)
        return (root, *told, shlex.join(self.write), shlex.join(self.verify))


def take(root: str, taking: Taking) -> tuple[str, ...]:
    """The argv that makes one backup and prints its name."""
    return script(f'# back up an app\n{TAKE}\ntake "$@"\n', *taking.arguments(root))


# $1 how many backups of the timer to keep of each app. An installation has the right of way: it
# makes its own backups. Only the timer's own backups are removed, and only after a good one.
_NIGHTLY = """#!/bin/sh
# Written by smartcity at every installation; made anew then. Backs up every app of this server.
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
keep=${{1:-14}} failed=0
{take}
lock={root}/lock
boot=$(cat /proc/sys/kernel/random/boot_id)
if [ -d "$lock" ] && [ "$(cat "$lock/boot" 2>/dev/null)" = "$boot" ]; then
  age=$(($(cut -d. -f1 /proc/uptime) - $(cat "$lock/lease" 2>/dev/null || echo 0)))
  if [ "$age" -lt {lease} ]; then echo "an installation is at work; no backup now" >&2; exit 75; fi
fi
prune() {{
  cd {root}/backups || return
  grep -l '"app":"'"$1"'"' -- */manifest.json | xargs -r grep -l '"why":"schedule"' -- |
    sort -r | tail -n +"$((keep + 1))" | while read -r old; do rm -rf "${{old%/*}}"; done
}}
one() {{ if (take "$@"); then prune "$2"; else echo "backup of $2 failed: $?" >&2; failed=1; fi; }}
{apps}
# How full the disks are tonight, for the forecast of `smartcity status`.
free() {{ set -- $(stat -f -c '%a %S' "$1"); echo $(($1 * $2)); }}
sample() {{
  engine=$(docker info --format '{{{{.DockerRootDir}}}}' 2>/dev/null) || engine=
  line="$(date +%s) store=$(free {root})" || return
  if [ -d "$engine" ]; then line="$line engine=$(free "$engine")" || return; fi
  {{ tail -n {samples} {root}/{usage} 2>/dev/null; echo "$line"; }} >{root}/{usage}.new &&
    mv {root}/{usage}.new {root}/{usage}
}}
sample || true
exit "$failed"
"""


def nightly(root: str, takings: Iterable[Taking], *, lease_s: int) -> str:
    """The script that the timer runs: every app in turn, one failure does not keep the others.

    Afterwards it notes how full the disks are (`usage`).
    """
    lines = [shlex.join(("one", *taking.arguments(root))) for taking in takings]
    return _NIGHTLY.format(
        take=TAKE,
        root=shlex.quote(root),
        lease=lease_s,
        apps="\n".join(lines) or ":",
        usage=usage.FILE,
        samples=usage.KEEP_LINES - 1,
    )
