"""smartcity's folder on a server: where things are, and how content gets there whole.

The rule of `store/blobs/sha256/`: a file named H holds bytes whose sha256 is H. Nothing gets such a
name before the server itself has computed the sum and synced the file; bytes on their way live in
`store/parts/`. What to send, and how it is encoded on the wire, is decided in `ship`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts import storescripts as scripts
from smartcity_pkg.hosts.host import Completed, Host, refused, script
from smartcity_pkg.hosts.storescripts import Encoding

DEFAULT_ROOT = "/var/lib/smartcity"
RECEIPTS_FILE = "receipts.json"

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


class Store:
    """The store on one host. Every operation may be repeated; DiskFullError where room lacks."""

    def __init__(self, host: Host, paths: StorePaths | None = None) -> None:
        self.host = host
        self.paths = paths or StorePaths()

    def prepare(self) -> None:
        """Make the folders, readable by root alone, and sweep what dead scripts left."""
        paths = self.paths
        folders = (paths.parts, paths.blobs, paths.offers, paths.releases)
        self._run(script(scripts.PREPARE, str(paths.root), *map(str, folders)))

    def present(self, digests: Collection[str]) -> frozenset[str]:
        """Those of `digests` that have a file of their name (its content is not read again)."""
        done = self._run(script(scripts.PRESENT, str(self.paths.blobs)), stdin=_lines(digests))
        return frozenset(f"sha256:{name}" for name in done.text.split())

    def damaged(self, digests: Mapping[str, int]) -> frozenset[str]:
        """Those of `digests` (with their sizes in bytes) that are missing or have other content."""
        done = self._run(
            script(scripts.SUMS, str(self.paths.blobs)),
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
                scripts.put_small_script(like=ranges is not None),
                *(str(self.paths.parts), str(self.paths.blobs), ranges or ""),
            ),
            stdin=archive,
            timeout_s=_link_time_s(len(archive)),
            accept=(scripts.DAMAGED_STATUS,),
        )
        return done.ok

    def part_state(self, part: str) -> PartState:
        """How much of `part` has arrived; the server reads it all to compute the digest."""
        done = self._run(script(scripts.PART_STATE, str(self.paths.part(part))), timeout_s=3600)
        fields = done.text.split()
        if len(fields) < 2:
            return PartState(0, digest.of_bytes(b""))
        return PartState(int(fields[0]), f"sha256:{fields[1]}")

    def append(self, part: str, offset: int, chunks: Iterable[bytes], size_bytes: int) -> None:
        """Write `chunks` (`size_bytes` in all, roughly) into `part` from byte `offset` on.

        Stops cleanly at any cut: what has arrived stays, in place.
        """
        self._run(
            script(scripts.APPEND, str(self.paths.part(part)), str(offset)),
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
                scripts.finish_script(encoding),
                *(str(self.paths.part(part)), wire, digest.hex_of(content)),
                *(str(self.paths.blobs), digest.hex_of(old)),
            ),
            timeout_s=_disk_time_s(3 * size_bytes),
            accept=(scripts.DAMAGED_STATUS, scripts.ABSENT_STATUS),
        )
        return done.ok

    def write_offer(self, release_name: str, data: bytes) -> None:
        """Say that all of a release is here; called last."""
        self.write(self.paths.offer(release_name), data, _("the offer of the release"))

    def write(self, path: PurePosixPath, data: bytes, what: str) -> None:
        """Put a small file at `path`, whole or not at all; `what` names it in messages."""
        done = self._run(
            script(
                scripts.PUBLISH,
                str(self.paths.parts),
                path.name,
                str(path.parent),
                digest.hex_of(digest.of_bytes(data)),
            ),
            stdin=data,
            timeout_s=_link_time_s(len(data)),
            accept=(scripts.DAMAGED_STATUS,),
        )
        if not done.ok:
            raise self._garbled(what)

    def read(self, path: PurePosixPath) -> bytes | None:
        """The content of a small file; None where there is none."""
        done = self._run(script(scripts.READ, str(path)), accept=(scripts.ABSENT_STATUS,))
        return done.stdout if done.ok else None

    def remove(self, digests: Collection[str]) -> None:
        """Delete content; what is not there is passed over."""
        self._run(script(scripts.REMOVE, str(self.paths.blobs)), stdin=_lines(digests))

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
