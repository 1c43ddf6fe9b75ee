"""Which commit a catalogue's files come from, as git says; absent where they are in no checkout.

The commit is a statement for people (provenance); what was packed is identified by digests.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Checkout:
    """A git commit, "" where there is none; `dirty` where files differ from it or are not in it."""

    commit: str = ""
    dirty: bool = False


def checkout_of(folder: Path) -> Checkout:
    """The checkout that `folder` belongs to. Without git, or outside of a checkout: an empty one.

    Only what lies in `folder` decides whether it is dirty.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None or not _COMMIT.fullmatch(commit.strip()):
        return Checkout()
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", ".")
    ignored = _git(folder, "ls-files", "--", ".")
    if changed is None or not ignored:
        return Checkout()  # git knows nothing of these files: a folder inside somebody's checkout
    return Checkout(commit.strip(), bool(changed.strip()))


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails or is not installed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            # A checkout may name a program to run (fsmonitor); reading must start none.
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words],
            capture_output=True,
            check=False,
            env=environment,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
