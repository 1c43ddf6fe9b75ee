"""Disks of practice servers: small ones that fill, and ones that lose what was not yet written.

Only disks that the lab made itself may be filled or cut; never one of this machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.lab.command import run

_FILLER = ".lab-filler"
_LOOP_MAJOR = 7
_EXT4_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN of linux/fs.h, as xfstests' godown uses it
_NO_LOG_FLUSH = 2
_MIB = 1 << 20
_BLOCK = 4096


def make_disk_image(path: Path, size_mib: int) -> None:
    """A sparse file with an ext4 file system of `size_mib` MiB; an existing one is kept."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.truncate(size_mib * _MIB)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", str(part)])
    part.rename(path)


def fill(folder: Path, forbidden: Path, leave_mib: int = 0) -> None:
    """Use up the disk of `folder` up to `leave_mib` MiB; `forbidden` lies on the disk to spare."""
    device = folder.stat().st_dev
    root = Path(*folder.parts[:4])  # /proc/PID/root: the server's overlay lies on our own disk
    if device in (forbidden.stat().st_dev, root.stat().st_dev):
        raise LabError(
            _("{path} is on this machine's own disk and is not filled").format(path=folder),
            _("Start the server with docker_disk_mib or store_disk_mib."),
        )
    descriptor = os.open(folder / _FILLER, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        offset, chunk = os.fstat(descriptor).st_size, 64 * _MIB
        while chunk >= _BLOCK:
            disk = os.fstatvfs(descriptor)
            chunk = min(chunk, disk.f_bavail * disk.f_frsize - leave_mib * _MIB)
            if chunk < _BLOCK:
                return
            try:
                os.posix_fallocate(descriptor, offset, chunk)
                offset += chunk
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                chunk //= 2  # the file system needs some of its free room itself
    finally:
        os.close(descriptor)


def free(folder: Path) -> None:
    """Give the disk of `folder` its room back. Idempotent."""
    (folder / _FILLER).unlink(missing_ok=True)


def lose_unwritten(folder: Path) -> None:
    """Cut the disk of `folder` off from its file system: what is not on it now never gets there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if os.major(os.fstat(descriptor).st_dev) != _LOOP_MAJOR:
            raise LabError(
                _("only a server with a Docker disk of its own can lose unwritten data"),
                _("Start the server with docker_disk_mib."),
            )
        fcntl.ioctl(descriptor, _EXT4_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)
