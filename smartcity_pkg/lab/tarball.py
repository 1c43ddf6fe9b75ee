"""Tar archives of Debian trees, the same bytes for the same tree, to be added to images.

Only for trees that this machine's package tools made; nothing here reads archives.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _

# What only a running system has there. Device nodes are the container engine's business.
_LEFT_OUT = frozenset(
    {
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "boot",
        "var/cache/apt",
        "var/lib/apt/lists",
        "root/.cache",
    }
)
_OPAQUE = "trusted.overlay.opaque"


def write_tree_tar(
    tree: Path, below: Sequence[Path], target: Path, *, made_after_s: float, epoch_s: int
) -> str:
    """Write `tree`, which stands on the trees `below`, to `target`; gives the archive's SHA-256.

    Files that packages brought keep their times, because Python compares them with its compiled
    files; what was written after `made_after_s` (by scripts of the packages) gets `epoch_s`.
    The folders in `_LEFT_OUT` are there, but empty.
    """
    with (
        target.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in _walk(tree, tree):
            info = archive.gettarinfo(str(path), str(path.relative_to(tree)))
            if info is None:  # a socket
                continue
            _refuse_what_tar_cannot_say(path, info, [b / path.relative_to(tree) for b in below])
            info.uname = info.gname = ""
            # Whole seconds: fractions would need an extended header for every file.
            info.mtime = epoch_s if info.isdir() or info.mtime >= made_after_s else int(info.mtime)
            if info.isreg():
                with path.open("rb") as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)
    with target.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _walk(tree: Path, folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        path = Path(entry.path)
        yield path
        if entry.is_dir(follow_symlinks=False) and str(path.relative_to(tree)) not in _LEFT_OUT:
            yield from _walk(tree, path)


def _refuse_what_tar_cannot_say(path: Path, info: tarfile.TarInfo, below: list[Path]) -> None:
    """A layer that removes something of the trees below has no place in a plain archive."""
    names = set() if stat.S_ISLNK(info.mode) else set(os.listxattr(path))
    lost = [name for name in names if name == "security.capability"]
    # The kernel marks every new folder as opaque; that hides something only where something is.
    if _OPAQUE in names and any(folder.exists() for folder in below):
        lost.append(_OPAQUE)
    if info.ischr() and os.major(path.lstat().st_rdev) == 0:
        lost.append("whiteout")
    if lost:
        raise LabError(
            _("{path} cannot be kept in an image layer ({why})").format(
                path=path, why=", ".join(lost)
            ),
            _("Packages of an image may add and change files of the image below, not remove them."),
        )
