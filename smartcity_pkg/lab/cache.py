"""The lab's folder on this machine: where it is, its locks, and what was built by which recipe.

A built thing is a folder whose name ends in the digest of its recipe. It is made under another
name and renamed when whole, so a folder that has the name can be used. What is built, and how, is
for `debian` and `images` to say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _, os_text

_BUILT = ("debian13-*", "engine-20.10-*", "layers/*-*", "archives/*-*", "contexts/*")
_UNUSED_S = 14 * 24 * 3600


def lab_home() -> Path:
    """`$SMARTCITY_LAB_HOME`, else `smartcity/lab` in the user's cache folder."""
    chosen = os.environ.get("SMARTCITY_LAB_HOME")
    if chosen:
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "smartcity" / "lab"


def recipe_digest(recipe: object) -> str:
    """A short name for a recipe: twelve hex digits of the SHA-256 of its JSON."""
    canonical = json.dumps(recipe, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def source_date_epoch() -> int:
    """The time that everything made here carries, in seconds: SOURCE_DATE_EPOCH or 2025-01-01."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", "1735689600"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; waits for whoever holds it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(path: Path) -> int | None:
    """Take the lock file `path` and give its descriptor to close later; None when it is held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def share_lock(path: Path) -> int:
    """Hold `path` together with others, against `try_lock`; gives the descriptor to close later."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def built(folder: Path, recipe: object, make: Callable[[Path], None]) -> Path:
    """The folder `folder`-DIGEST made by `recipe`; `make` fills an empty one if there is none."""
    wanted = folder.with_name(f"{folder.name}-{recipe_digest(recipe)}")
    with locked(folder.with_name(f".{folder.name}.lock")):  # another process may be making it
        if not wanted.is_dir():
            part = folder.with_name(f".{folder.name}.part")
            remove_tree(part)
            part.mkdir(parents=True)
            try:
                make(part)
            except BaseException:
                remove_tree(part)
                raise
            part.rename(wanted)
    os.utime(wanted)  # for `remove_unused`
    return wanted


def remove_unused(home: Path) -> None:
    """Remove what was built and not asked for in two weeks, unless a lab is up somewhere.

    Servers stand on built trees, so none may be removed below a running one.
    """
    lock = try_lock(in_use(home))
    if lock is None:
        return
    try:
        for pattern in _BUILT:
            for folder in home.glob(pattern):
                if time.time() - folder.stat().st_mtime > _UNUSED_S:
                    remove_tree(folder)
    finally:
        os.close(lock)


def in_use(home: Path) -> Path:
    """The lock that every lab and every server shares while it is up."""
    return home / ".in-use.lock"


def remove_tree(path: Path) -> None:
    """Remove `path` and everything below it; it may already be gone."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LabError(
            _("cannot remove {path}: {reason}").format(path=path, reason=os_text(error))
        ) from error
