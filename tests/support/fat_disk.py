"""A real FAT32 file system on a file, mounted: what most USB sticks are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartcity_pkg.core.units import MIB

SIZE_BYTES = 80 * MIB


def lacking() -> str:
    """What this machine lacks for it; "" if nothing."""
    programs = [p for p in ("mkfs.vfat", "fusefat", "fusermount") if shutil.which(p) is None]
    if programs:
        return f"no {', '.join(programs)}"
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        return "mounting needs root and /dev/fuse"
    return ""


@contextmanager
def fat_disk(folder: Path) -> Iterator[Path]:
    """An empty disk of `SIZE_BYTES`, mounted while the context lasts."""
    image, mount = folder / "stick.img", folder / "stick"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    # FAT32 wants many clusters: on a disk so small they are of 1 KiB.
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "2", image], check=True, capture_output=True)
    subprocess.run(
        ["fusefat", "-o", "rw+", image, mount],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield mount
    finally:
        subprocess.run(["fusermount", "-u", mount], check=True)
