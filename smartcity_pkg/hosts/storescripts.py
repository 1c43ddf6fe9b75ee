"""The shell that brings content to its name in a server's store; `hosts.store` runs it.

The scripts need a POSIX shell, coreutils and tar. They are silent until they end, so that none
loses a step to SIGPIPE when the client dies, and each may be run again after any interruption.
"""

from __future__ import annotations

from typing import Literal

from smartcity_pkg.hosts import patchform
from smartcity_pkg.hosts.host import DISK_FULL_STATUS

Encoding = Literal["zstd", "gzip", "none", "patch"]

DAMAGED_STATUS = 65  # EX_DATAERR of sysexits.h: the bytes are not those that were promised
ABSENT_STATUS = 66  # EX_NOINPUT
# `lost` ends a script after a failed write: ENOSPC's number if the file system of $1 has less than
# 4 MiB or no inode left, else $2. Measured instead of read from a message in some language.
LOST = f"""
lost() {{
  status=$2
  set -- $(stat -f -c '%a %S %c %d' "$1")
  if [ $(($1 * $2)) -lt 4194304 ]; then status={DISK_FULL_STATUS}; fi
  if [ "$3" -gt 0 ] && [ "$4" -eq 0 ]; then status={DISK_FULL_STATUS}; fi
  [ -z "$new" ] || rm -rf "$new"
  exit "$status"
}}
umask 077
new=
"""

# Scratch names end in the process id of their script: what a dead one left is swept here.
PREPARE = f"""# prepare the store
{LOST}
root=$1; shift
mkdir -p "$@" || lost / 1
chmod 700 "$root"
for old in "$1"/*.new.*; do
  if [ -e "$old" ] && ! kill -0 "${{old##*.}}" 2>/dev/null; then rm -rf "$old"; fi
done
"""

PRESENT = """# list what the store holds
cd "$1" 2>/dev/null || exit 0
while read -r name; do if [ -f "$name" ]; then echo "$name"; fi; done
"""

SUMS = """# check the store's content
cd "$1" 2>/dev/null || exit 0
while read -r name; do if [ -f "$name" ]; then sha256sum "$name"; fi; done
"""

# The names of the store's files stand in the order of their bytes (LC_ALL=C), as for `facts`.
_UNPACK_LIKE = """
unpack() {
  (
    cd "$blobs"
    set -- *
    at=1
    for range in $ranges; do
      shift $((${range%-*} - at))
      at=${range%-*}
      while [ "$at" -le "${range#*-}" ]; do
        cat "$1" || exit 1
        shift
        at=$((at + 1))
      done
    done
  ) >"$like" || return 1
  if [ -s "$like" ]; then set -- -D "$like"; fi
  zstd -q -d -c "$@" | tar -xf - -C "$new" || return 1
}
"""


def put_small_script(like: bool) -> str:
    """Blobs in one tar, or (`like`) in one that was compressed with what lies in the store."""
    unpack = _UNPACK_LIKE if like else 'unpack() { tar -xf - -C "$new"; }'
    return f"""# store small blobs
{LOST}{unpack}
parts=$1 blobs=$2 ranges=$3 new=$1/small.new.$$ like=$1/like.new.$$
shift 3
mkdir "$new" || lost "$parts" 1
unpack 2>/dev/null || {{ rm -f "$like"; lost "$parts" {DAMAGED_STATUS}; }}
rm -f "$like"
cd "$new"
for name in *; do
  case $name in
    *.zstd) zstd -q -d -c <"$name" >"${{name%.*}}" ;;
    *.gzip) gzip -d -c <"$name" >"${{name%.*}}" ;;
    *) continue ;;
  esac 2>/dev/null || lost "$parts" {DAMAGED_STATUS}
  rm -f "$name"
done
for name in *; do echo "$name  $name"; done >../sums.new.$$ || lost "$parts" 1
if sha256sum -c ../sums.new.$$ >/dev/null 2>&1; then rm -f ../sums.new.$$
else rm -f ../sums.new.$$; lost "$parts" {DAMAGED_STATUS}; fi
sync -- * && mv -f -- * "$blobs/" || lost "$parts" 1
sync "$blobs"
cd /
rmdir "$new"
"""


PART_STATE = """# look at a partial blob
[ -f "$1" ] || { echo 0; exit 0; }
size=$(wc -c <"$1")
echo "$size"
head -c "$size" "$1" | sha256sum
"""

# No iflag=fullblock: what a pipe holds is written at once, so that a dead link loses nothing of it.
APPEND = f"""# receive a blob
{LOST}
dd of="$1" oflag=seek_bytes seek="$2" conv=notrunc bs=256K 2>/dev/null \
  || lost "${{1%/*}}" 1
"""

_DECODE: dict[Encoding, str] = {
    "zstd": 'zstd -q -d -c <"$part"',
    "gzip": 'gzip -d -c <"$part"',
    # A copy: a stopped writer of the part that wakes up late must not reach the final name.
    "none": 'cat <"$part"',
    "patch": "rebuild",
}


def finish_script(encoding: Encoding) -> str:
    """A partial blob in `encoding` becomes the content that it should be, or nothing changes."""
    # Hashed while it is written. A pipe hides what failed in its middle: the sum is another then.
    fail = "|| echo failed"
    read = f'{{ {{ {_DECODE[encoding]} {fail}; }} | {{ tee "$new/layer" {fail}; }} | sha256sum; }}'
    return f"""# check a blob and give it its name
{LOST}{patchform.APPLY if encoding == "patch" else ""}
part=$1 parts=${{1%/*}} wire=$2 want=$3 blobs=$4 base=$4/$5
[ -f "$part" ] || exit {ABSENT_STATUS}
if [ "$wire" != - ]; then
  sum=$(sha256sum <"$part")
  [ "${{sum%% *}}" = "$wire" ] || exit {DAMAGED_STATUS}
fi
new=$parts/$want.new.$$
mkdir "$new" || lost "$parts" 1
sum=$({read} 2>/dev/null)
[ "${{sum%% *}}" = "$want" ] || lost "$parts" {DAMAGED_STATUS}
sync "$new/layer" && mv -f "$new/layer" "$blobs/$want" || lost "$parts" 1
sync "$blobs"
rm -rf "$part" "$new"
"""


PUBLISH = f"""# write a file of the store
{LOST}
new=$1/$2.new.$$
cat >"$new" || lost "$1" 1
sum=$(sha256sum <"$new")
[ "${{sum%% *}}" = "$4" ] || lost "$1" {DAMAGED_STATUS}
sync "$new" && mv -f "$new" "$3/$2" || lost "$1" 1
sync "$3"
"""

READ = f"""# read a file of the store
[ -f "$1" ] || exit {ABSENT_STATUS}
cat "$1"
"""

REMOVE = """# remove content from the store
cd "$1" 2>/dev/null || exit 0
while read -r name; do rm -f "./$name"; done
sync .
"""
