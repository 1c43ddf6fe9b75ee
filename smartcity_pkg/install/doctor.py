"""Collects a server's diagnostics, with every secret taken out before anything leaves it.

The values of all files below `secrets/` are looked for on the server itself, also as JSON, URLs and
base64 write them, and in what looks like a secret's variable the value goes whoever put it there.
What follows from the evidence is `diagnosis`'s.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import RemoteCommandError, UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import refused, script
from smartcity_pkg.hosts.surroundings import gather_all
from smartcity_pkg.install import installed
from smartcity_pkg.install.apply import public_routes
from smartcity_pkg.install.diagnosis import Cause, Evidence, causes
from smartcity_pkg.install.health import ask_all
from smartcity_pkg.install.interrupted import interrupted
from smartcity_pkg.install.journal import entries_of, read_whole, unfinished, verify_chain
from smartcity_pkg.install.place import Place

_NO_AWK = 69
_TIMEOUT_S = 300.0
KERNEL_FILE = "kernel.txt"

# Literal, not by patterns: a secret may hold any character. The longest values go first, since one
# may hold another. Values shorter than 4 characters would take every word apart; they stay.
_REDACT = r"""
function keep(v) { if (length(v) >= 4 && !(v in seen)) { seen[v] = 1; value[++n] = v } }
function add(v,   w, x, i, c) {
  keep(v)
  w = x = ""
  for (i = 1; i <= length(v); i++) {
    c = substr(v, i, 1)
    if (c == "\\" || c == "\"") { w = w "\\" c; x = x "\\" c }
    else {
      w = w c
      x = x (c == "<" || c == ">" || c == "&" ? sprintf("\\u%04x", code[c]) : c)
    }
  }
  keep(w); keep(x)
  w = ""
  for (i = 1; i <= length(v); i++) {
    c = substr(v, i, 1)
    w = w (c ~ /[A-Za-z0-9_.~-]/ ? c : sprintf("%%%02X", code[c]))
  }
  keep(w)
}
BEGIN {
  for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i
  while ((getline line < list) > 0) add(line)
  for (i = 2; i <= n; i++) {
    v = value[i]
    for (j = i - 1; j > 0 && length(value[j]) < length(v); j--) value[j + 1] = value[j]
    value[j + 1] = v
  }
}
{
  for (i = 1; i <= n; i++) {
    out = ""; rest = $0
    while ((p = index(rest, value[i])) > 0) {
      out = out substr(rest, 1, p - 1) "[secret removed]"
      rest = substr(rest, p + length(value[i]))
    }
    $0 = out rest
  }
  out = ""; rest = $0
  while (match(rest, /"[A-Za-z0-9_]*(PASSWORD|PASSWD|SECRET|TOKEN|_KEY)[A-Za-z0-9_]*=/)) {
    out = out substr(rest, 1, RSTART + RLENGTH - 1) "[removed]"
    rest = substr(rest, RSTART + RLENGTH)
    sub(/^([^"\\]|\\.)*/, "", rest)
  }
  print out rest
}
"""
# $1 the root, $2 the awk program, $3 lines of each log. In memory (/run) where there is one: the
# disk may be what is wrong. The values' list is never among the files that are packed.
_COLLECT = f"""# collect diagnostics
umask 077
command -v awk >/dev/null 2>&1 || exit {_NO_AWK}
root=$1 program=$2 lines=$3
work=$(mktemp -d -p /run smartcity-doctor.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/raw" "$work/out"
cd "$work/raw"
note() {{
  name=$1; shift
  {{ echo "$ $*"; timeout 30 "$@" 2>&1 || echo "(status $?)"; }} >>"$name"
}}
for what in 'uname -a' uptime date 'cat /proc/meminfo' 'df -P' 'df -Pi' mount; do
  note machine.txt $what
done
note {KERNEL_FILE} sh -c 'dmesg | tail -n 400'
note docker.txt docker version
note docker.txt docker info
note docker.txt docker ps --all
note docker.txt docker system df
note docker.txt sh -c 'journalctl --no-pager -u docker -n 200'
note store.txt ls -lnR "$root/store" "$root/releases"
note store.txt ls -ln "$root" "$root/lock"
note store.txt sh -c 'cat "$1"/lock/owner "$1"/watermark.json' sh "$root"
tail -n 5000 "$root/journal.jsonl" >journal.jsonl 2>/dev/null || true
ids=$(timeout 30 docker ps --all --quiet 2>/dev/null || true)
for id in $ids; do
  said=$(timeout 30 docker inspect -f '{{{{.Name}}}} {{{{index .Config.Labels \
"com.docker.compose.project.config_files"}}}}' "$id" 2>/dev/null) || continue
  case ${{said#* }} in "$root"/releases/*) ;; *) continue ;; esac
  name=${{said%% *}}; name=${{name#/}}
  timeout 30 docker inspect "$id" >"inspect-$name.json" 2>&1 || true
  timeout 60 docker logs --timestamps --tail "$lines" "$id" >"log-$name.txt" 2>&1 || true
done
if [ -d "$root/secrets" ]; then
  find "$root/secrets" -type f | while read -r file; do
    cat "$file"; echo
    base64 -w 0 <"$file"; echo
  done >"$work/values"
else : >"$work/values"; fi
for file in *; do awk -v list="$work/values" "$program" "$file" >"../out/$file"; done
cd "$work/out"
tar -cf - -- * | gzip -c
"""


@dataclass(frozen=True)
class Diagnosis:
    """What is likely wrong with one server, and its diagnostics as a gzipped tar, redacted."""

    server: str
    release: str
    causes: tuple[Cause, ...]
    archive: bytes


def diagnose(
    place: Place, *, log_lines: int = 300, clock: Callable[[], float] = time.time
) -> Diagnosis:
    """Collect and judge; nothing is changed there, and a dead engine is no hindrance.

    RemoteCommandError where the server has no awk, without which nothing could be redacted.
    """
    facts, around = gather_all(place.host, place.store)
    now_s = clock()
    done = place.host.run(
        script(_COLLECT, str(place.store.root), _REDACT, str(log_lines)),
        timeout_s=_TIMEOUT_S,
        check=False,
    )
    if done.status == _NO_AWK:
        raise RemoteCommandError(
            _("{host}: without awk there, secrets could not be taken out").format(
                host=place.host.name
            ),
            _("install it there: apt-get install mawk"),
        )
    if not done.ok:
        raise refused(place.host.name, done)
    found = installed.look(place)
    journal = read_whole(place.host, place.store)
    entries = entries_of(journal)
    release = _current(place, found)
    evidence = Evidence(
        facts=facts,
        around=around,
        clock_s=now_s,
        kernel=_member(done.stdout, KERNEL_FILE),
        projects=frozenset(a.project for a in release.on_server(place.server))
        if release
        else frozenset(),
        interrupted=interrupted(entries, found.current),
        open_secrets=tuple(sorted(unfinished(entries, "secret"))),
        chain=verify_chain(journal),
        answers=ask_all(place.host, public_routes(place, release)) if release else (),
        files_intact=installed.files_intact(place, release) if release else not found.current,
    )
    return Diagnosis(place.server, found.current, causes(evidence), done.stdout)


def packed(diagnoses: Iterable[Diagnosis], summary: str) -> bytes:
    """One tar.gz: the summary, and each server's files in a folder of its name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as whole:
        _put(whole, "summary.txt", summary.encode())
        for diagnosis in diagnoses:
            for name, data in _members(diagnosis.archive):
                _put(whole, f"{diagnosis.server}/{name}", data)
    return stream.getvalue()


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The plain files of what a server packed; nothing is written to this machine's disk."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as found:
        for member in found:
            stream = found.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield PurePosixPath(member.name).name, stream.read()


def _member(archive: bytes, name: str) -> str:
    return dict(_members(archive)).get(name, b"").decode(errors="replace")


def _current(place: Place, found: installed.Installed) -> Release | None:
    """The release that runs; None where there is none, or it is damaged."""
    try:
        return installed.read_release(place, found.current) if found.current else None
    except UntrustedBundleError:
        return None
