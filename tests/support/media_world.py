"""A bundle that is large enough for parts, and what can happen to a disk that it lies on."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle_world import Keys, layer, make_keys, packed, write_layout

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.inventory import Inventory, receipt_file
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.pack import Packed
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core.progress import Progress, no_progress
from smartcity_pkg.ship.media.check import MediaCheck, check, readable_tar
from smartcity_pkg.ship.media.copy import CopyReport, copy_to_disk
from smartcity_pkg.ship.media.index import choose
from smartcity_pkg.ship.media.shape import Shape

REGION = "32.15"
PART_BYTES = 100_000


_COPYING = """
import sys
from pathlib import Path
from smartcity_pkg.bundle.keys import load_trusted
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.ship.media.copy import copy_to_disk
from smartcity_pkg.ship.media.shape import Shape
bundle, key, disk = map(Path, sys.argv[1:])
contents = verify(bundle, load_trusted([key]))
with open_bundle(bundle) as opened:
    copy_to_disk(opened, contents, disk, Shape(64 << 10, 2))
"""


@dataclass
class MediaWorld:
    """One bundle in both forms, and the keys that it is trusted by."""

    keys: Keys
    folder: Packed
    tar: Packed

    @classmethod
    def make(cls, root: Path, seed: int = 1, size_bytes: int = 1_000_000) -> MediaWorld:
        """Layers of bytes that do not compress."""
        noise = random.Random(seed).randbytes
        images = {
            "contoh/satu:1": [layer({"a": noise(size_bytes)}), layer({"b": noise(3000)})],
            "contoh/dua:1": [layer({"c": noise(40_000)})],
        }
        source = layout_source(write_layout(root / "layout", images))
        keys = make_keys(root)
        made = [
            packed(source, list(images), keys, root / name, cache=root / "cache")
            for name in ("bundle", "bundle.tar")
        ]
        return cls(keys, *made)

    @property
    def release(self) -> str:
        """The release's name."""
        return self.folder.contents.release.name

    def copy(self, disk: Path, shape: Shape, progress: Progress = no_progress) -> CopyReport:
        """Copy the directory's form onto a disk."""
        with open_bundle(self.folder.path) as bundle:
            return copy_to_disk(bundle, self.folder.contents, disk, shape, progress)

    def copying(self, disk: Path) -> subprocess.Popen[bytes]:
        """The same in a process of its own, in small parts with 2 of parity."""
        words = [self.folder.path, self.folder.path.parent / "release.pub", disk]
        return subprocess.Popen([sys.executable, "-c", _COPYING, *words])

    def look(self, disk: Path) -> MediaCheck:
        """Every part of the release on the disk, read."""
        return check(choose(disk, REGION, None))

    def read(self, found: MediaCheck) -> bytes:
        """The whole tar out of the parts, which must be the release, verified."""
        with readable_tar(found) as tar:
            assert verify(tar, self.keys.trusted).release.name == self.release
            return b"".join(part.path.read_bytes() for part in tar.parts)


def parts_of(disk: Path) -> list[Path]:
    """Every part of the release on the disk, in order, without parity."""
    return sorted(disk.glob("smartcity-*/*.tar.[0-9]*"))


def overwrite(path: Path, data: bytes) -> None:
    """Give a file other content; fusefat cannot shorten one in place."""
    path.unlink()
    path.write_bytes(data)


def flip(path: Path, at: int = 77) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    overwrite(path, data)


def cut(path: Path) -> None:
    """Lose the second half of a file."""
    overwrite(path, path.read_bytes()[: path.stat().st_size // 2])


Harm = Callable[[list[Path]], None]
"""What happens to the parts of a disk."""


def write_receipt(
    disk: Path,
    key: SigningKey,
    serial: int = 1,
    diff_ids: Iterable[str] = (),
    server: str = "balai-kota",
) -> Path:
    """A receipt of `server` with these layers, signed by `key`."""
    inventory = Inventory(
        region=REGION,
        pemda="Kabupaten Karawang",
        server=server,
        release=f"{serial}-0123456789ab",
        serial=serial,
        diff_ids=tuple(sorted(diff_ids)),
        images=(),
        documents=(),
        taken_at="2026-01-15T02:09:51Z",
        smartcity="0.1.0",
        public_key=ecdsa.line_of_pem(key.public_pem),
    )
    path = disk / receipt_file(REGION, server)
    path.write_bytes(inventory.envelope.signed_by(key).to_json())
    return path
