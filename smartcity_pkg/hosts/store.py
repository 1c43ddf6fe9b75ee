"""smartcity's folder on a server: where things are, and how content gets there whole.

The rule of `store/blobs/sha256/`: a file named H holds bytes whose sha256 is H. Nothing gets such a
name before the server itself has computed the sum and synced the file; bytes on their way live in
`store/parts/`. What to send, and how it is encoded on the wire, is decided in `ship`.

The scripts need a POSIX shell, coreutils and tar. They are silent until they end, so that none
loses a step to SIGPIPE when the client dies, and each may be run again after any interruption.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts import patchform
from smartcity_pkg.hosts.host import DISK_FULL_STATUS, Completed, Host, refused, script

DEFAULT_ROOT = "/var/lib/smartcity"
RECEIPTS_FILE = "receipts.json"
Encoding = Literal["zstd", "gzip", "none", "patch"]

_DAMAGED_STATUS = 65  # EX_DATAERR of sysexits.h: the bytes are not those that were promised
_ABSENT_STATUS = 66  # EX_NOINPUT
_SLOWEST_DISK = 4 << 20  # bytes a second that a server's disk is trusted to do at least
SLOWEST_LINK = 4 << 10  # bytes a second that a link is trusted to do


class StorePaths:
    """The names inside the store; design.md draws the tree."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.root = PurePosixPath(root)
        self.blobs = self.root / "store/blobs/sha256"
        self.parts = self.root / "store/parts"
        self.offers = self.root / "store/releases"
        self.releases = self.root / "releases"
        self.current = self.root / "current"
        self.previous = self.root / "previous"
        self.secrets = self.root / "secrets"
        self.journal = self.root / "journal.jsonl"
        self.watermark = self.root / "watermark.json"
        self.lock = self.root / "lock"

    def blob(self, digest: str) -> PurePosixPath:
        """Where the content with `digest` rests."""
        return self.blobs / digest.removeprefix("sha256:")

    def part(self, digest: str) -> PurePosixPath:
        """Where the wire encoding with `digest` grows."""
        return self.parts / (digest.removeprefix("sha256:") + ".part")

    def offer(self, release_name: str) -> PurePosixPath:
        """The JSON file that says a release is wholly in the store, with its signatures."""
        return self.offers / f"{release_name}.json"

    def ship_receipt(self, release_name: str) -> PurePosixPath:
        """The receipt of the check that came before shipping."""
        return self.offers / f"{release_name}.receipt"

    def receipts(self, release_name: str) -> PurePosixPath:
        """The receipts of an installed release."""
        return self.release(release_name) / RECEIPTS_FILE

    def release(self, release_name: str) -> PurePosixPath:
        """An installed release's Compose files and configuration."""
        return self.releases / release_name


@dataclass(frozen=True)
class PartState:
    """What a server holds of a blob on its way: size in bytes, and the digest of these bytes."""

    size_bytes: int
    digest: str


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
_PREPARE = f"""# prepare the store
{LOST}
root=$1; shift
mkdir -p "$@" || lost / 1
chmod 700 "$root"
for old in "$1"/*.new.*; do
  if [ -e "$old" ] && ! kill -0 "${{old##*.}}" 2>/dev/null; then rm -rf "$old"; fi
done
"""

_PRESENT = """# list what the store holds
cd "$1" 2>/dev/null || exit 0
while read -r name; do if [ -f "$name" ]; then echo "$name"; fi; done
"""

_SUMS = """# check the store's content
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


def _put_small(like: bool) -> str:
    unpack = _UNPACK_LIKE if like else 'unpack() { tar -xf - -C "$new"; }'
    return f"""# store small blobs
{LOST}{unpack}
parts=$1 blobs=$2 ranges=$3 new=$1/small.new.$$ like=$1/like.new.$$
shift 3
mkdir "$new" || lost "$parts" 1
unpack 2>/dev/null || {{ rm -f "$like"; lost "$parts" {_DAMAGED_STATUS}; }}
rm -f "$like"
cd "$new"
for name in *; do
  case $name in
    *.zstd) zstd -q -d -c <"$name" >"${{name%.*}}" ;;
    *.gzip) gzip -d -c <"$name" >"${{name%.*}}" ;;
    *) continue ;;
  esac 2>/dev/null || lost "$parts" {_DAMAGED_STATUS}
  rm -f "$name"
done
for name in *; do echo "$name  $name"; done >../sums.new.$$ || lost "$parts" 1
if sha256sum -c ../sums.new.$$ >/dev/null 2>&1; then rm -f ../sums.new.$$
else rm -f ../sums.new.$$; lost "$parts" {_DAMAGED_STATUS}; fi
sync -- * && mv -f -- * "$blobs/" || lost "$parts" 1
sync "$blobs"
cd /
rmdir "$new"
"""


_PART_STATE = """# look at a partial blob
[ -f "$1" ] || { echo 0; exit 0; }
size=$(wc -c <"$1")
echo "$size"
head -c "$size" "$1" | sha256sum
"""

# No iflag=fullblock: what a pipe holds is written at once, so that a dead link loses nothing of it.
_APPEND = f"""# receive a blob
{LOST}
dd of="$1" oflag=seek_bytes seek="$2" conv=notrunc bs=256K 2>/dev/null \
  || lost "${{1%/*}}" 1
"""

_DECODE: dict[Encoding, str] = {
    "zstd": 'zstd -q -d -c <"$part" >"$new/layer"',
    "gzip": 'gzip -d -c <"$part" >"$new/layer"',
    # A copy: a stopped writer of the part that wakes up late must not reach the final name.
    "none": 'cat <"$part" >"$new/layer"',
    "patch": "rebuild",
}


def _finish(encoding: Encoding) -> str:
    return f"""# check a blob and give it its name
{LOST}{patchform.APPLY if encoding == "patch" else ""}
part=$1 parts=${{1%/*}} wire=$2 want=$3 blobs=$4 base=$4/$5
[ -f "$part" ] || exit {_ABSENT_STATUS}
if [ "$wire" != - ]; then
  sum=$(sha256sum <"$part")
  [ "${{sum%% *}}" = "$wire" ] || exit {_DAMAGED_STATUS}
fi
new=$parts/$want.new.$$
mkdir "$new" || lost "$parts" 1
{{ {_DECODE[encoding]}; }} 2>/dev/null || lost "$parts" {_DAMAGED_STATUS}
sum=$(sha256sum <"$new/layer")
[ "${{sum%% *}}" = "$want" ] || lost "$parts" {_DAMAGED_STATUS}
sync "$new/layer" && mv -f "$new/layer" "$blobs/$want" || lost "$parts" 1
sync "$blobs"
rm -rf "$part" "$new"
"""


_PUBLISH = f"""# write a file of the store
{LOST}
new=$1/$2.new.$$
cat >"$new" || lost "$1" 1
sum=$(sha256sum <"$new")
[ "${{sum%% *}}" = "$4" ] || lost "$1" {_DAMAGED_STATUS}
sync "$new" && mv -f "$new" "$3/$2" || lost "$1" 1
sync "$3"
"""

_READ = f"""# read a file of the store
[ -f "$1" ] || exit {_ABSENT_STATUS}
cat "$1"
"""

_REMOVE = """# remove content from the store
cd "$1" 2>/dev/null || exit 0
while read -r name; do rm -f "./$name"; done
sync .
"""


class Store:
    """The store on one host. Every operation may be repeated; DiskFullError where room lacks."""

    def __init__(self, host: Host, paths: StorePaths | None = None) -> None:
        self.host = host
        self.paths = paths or StorePaths()

    def prepare(self) -> None:
        """Make the folders, readable by root alone, and sweep what dead scripts left."""
        paths = self.paths
        folders = (paths.parts, paths.blobs, paths.offers, paths.releases)
        self._run(script(_PREPARE, str(paths.root), *map(str, folders)))

    def present(self, digests: Collection[str]) -> frozenset[str]:
        """Those of `digests` that have a file of their name (its content is not read again)."""
        done = self._run(script(_PRESENT, str(self.paths.blobs)), stdin=_lines(digests))
        return frozenset(f"sha256:{name}" for name in done.text.split())

    def damaged(self, digests: Mapping[str, int]) -> frozenset[str]:
        """Those of `digests` (with their sizes in bytes) that are missing or have other content."""
        done = self._run(
            script(_SUMS, str(self.paths.blobs)),
            stdin=_lines(digests),
            timeout_s=_disk_time_s(sum(digests.values())),
        )
        pairs = (line.split() for line in done.text.splitlines())
        sound = {f"sha256:{name}" for actual, name in pairs if actual == name}
        return frozenset(digests) - sound

    def put_small(self, items: Mapping[str, bytes]) -> None:
        """Store blobs, digest to content, in one round trip; all are held in memory."""
        self.put_encoded({name: ("none", content) for name, content in items.items()})

    def put_encoded(self, items: Mapping[str, tuple[Encoding, bytes]]) -> None:
        """As `put_small`, for content that is opened there: its digest to its encoded bytes."""
        named = {
            digest.hex_of(name) + ("" if encoding == "none" else f".{encoding}"): content
            for name, (encoding, content) in items.items()
        }
        if named and not self._put_small(_tar(named)):
            raise self._garbled(_("small files"))

    def put_small_like(self, packed: bytes, ranges: Sequence[tuple[int, int]]) -> bool:
        """Store blobs from an `archive_of` them that was compressed with a dictionary (zstd).

        That is the content of the store's files, in the order of their names, whose numbers
        (from 1) are in `ranges` (first and last). False where the store no longer has what was
        thought, or the disk lies: nothing has changed then.
        """
        return self._put_small(packed, " ".join(f"{first}-{last}" for first, last in ranges))

    def _put_small(self, archive: bytes, ranges: str | None = None) -> bool:
        done = self._run(
            script(
                _put_small(like=ranges is not None),
                *(str(self.paths.parts), str(self.paths.blobs), ranges or ""),
            ),
            stdin=archive,
            timeout_s=_link_time_s(len(archive)),
            accept=(_DAMAGED_STATUS,),
        )
        return done.ok

    def part_state(self, part: str) -> PartState:
        """How much of `part` has arrived; the server reads it all to compute the digest."""
        done = self._run(script(_PART_STATE, str(self.paths.part(part))), timeout_s=3600)
        fields = done.text.split()
        if len(fields) < 2:
            return PartState(0, digest.of_bytes(b""))
        return PartState(int(fields[0]), f"sha256:{fields[1]}")

    def append(self, part: str, offset: int, chunks: Iterable[bytes], size_bytes: int) -> None:
        """Write `chunks` (`size_bytes` in all, roughly) into `part` from byte `offset` on.

        Stops cleanly at any cut: what has arrived stays, in place.
        """
        self._run(
            script(_APPEND, str(self.paths.part(part)), str(offset)),
            stdin=chunks,
            timeout_s=_link_time_s(size_bytes),
        )

    def discard(self, part: str) -> None:
        """Forget what has arrived of `part`."""
        self._run(("rm", "-f", str(self.paths.part(part))))

    def finish(
        self,
        part: str,
        *,
        wire_digest: str | None,
        content: str,
        size_bytes: int,
        encoding: Encoding,
        old: str = "",
    ) -> bool:
        """Check `part`, decode it to the `content` digest's bytes, and give them their name.

        `wire_digest` is that of the encoded bytes, if known; `size_bytes` the decoded size; `old`
        the stored layer that a patch is applied to. False where the bytes are not those promised,
        or are no longer there: nothing has changed then.
        """
        wire = digest.hex_of(wire_digest) if wire_digest else "-"
        done = self._run(
            script(
                _finish(encoding),
                *(str(self.paths.part(part)), wire, digest.hex_of(content)),
                *(str(self.paths.blobs), digest.hex_of(old)),
            ),
            timeout_s=_disk_time_s(3 * size_bytes),
            accept=(_DAMAGED_STATUS, _ABSENT_STATUS),
        )
        return done.ok

    def write_offer(self, release_name: str, data: bytes) -> None:
        """Say that all of a release is here; called last."""
        self.write(self.paths.offer(release_name), data, _("the offer of the release"))

    def write(self, path: PurePosixPath, data: bytes, what: str) -> None:
        """Put a small file at `path`, whole or not at all; `what` names it in messages."""
        done = self._run(
            script(
                _PUBLISH,
                str(self.paths.parts),
                path.name,
                str(path.parent),
                digest.hex_of(digest.of_bytes(data)),
            ),
            stdin=data,
            timeout_s=_link_time_s(len(data)),
            accept=(_DAMAGED_STATUS,),
        )
        if not done.ok:
            raise self._garbled(what)

    def read(self, path: PurePosixPath) -> bytes | None:
        """The content of a small file; None where there is none."""
        done = self._run(script(_READ, str(path)), accept=(_ABSENT_STATUS,))
        return done.stdout if done.ok else None

    def remove(self, digests: Collection[str]) -> None:
        """Delete content; what is not there is passed over."""
        self._run(script(_REMOVE, str(self.paths.blobs)), stdin=_lines(digests))

    def _run(
        self,
        argv: tuple[str, ...],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = 120.0,
        accept: tuple[int, ...] = (),
    ) -> Completed:
        done = self.host.run(argv, stdin=stdin, timeout_s=timeout_s, check=False)
        if not done.ok and done.status not in accept:
            raise refused(self.host.name, done)
        return done

    def _garbled(self, what: str) -> RemoteCommandError:
        return RemoteCommandError(
            _("{host}: {what}: what the disk holds is not what was sent").format(
                host=self.host.name, what=what
            ),
            _("check the server's disk and memory (dmesg, smartctl), then try again"),
        )


def _lines(digests: Iterable[str]) -> bytes:
    return "".join(f"{digest.hex_of(d)}\n" for d in sorted(digests)).encode()


def archive_of(items: Mapping[str, bytes]) -> bytes:
    """A tar of blobs, digest to content, for `put_small_like`."""
    return _tar({digest.hex_of(name): content for name, content in items.items()})


def _tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _disk_time_s(size_bytes: int) -> float:
    return 120 + size_bytes / _SLOWEST_DISK


def _link_time_s(size_bytes: int) -> float:
    """Long on purpose: a dead link is noticed by other means within 15 s."""
    return 120 + size_bytes / SLOWEST_LINK
