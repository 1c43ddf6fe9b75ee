"""Fixtures that several suites share: the lab, and what a missing part means."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import console
import pytest
from fat_disk import fat_disk, lacking
from hypothesis import settings
from workspace import worker

from smartcity_pkg.lab.lab import Lab, available
from smartcity_pkg.lab.programs import Readers

# In a shell's background SIGINT is ignored, and programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# How long one example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def missing(reason: str) -> None:
    """A part that a test needs is not here: a failure in CI, a plain skip elsewhere."""
    if os.environ.get("SMARTCITY_CI"):
        pytest.fail(f"CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Practice servers, removed at the end; what an earlier, killed run left is removed first."""
    if reason := available():
        missing(reason)
    # Side by side on one machine, each run and each of its workers needs a prefix of its own.
    with Lab(os.environ.get("SMARTCITY_LAB_PREFIX", "st") + worker()) as lab:
        lab.up()
        yield lab


@pytest.fixture(scope="session")
def portable_python() -> None:
    """Practice servers can run this Python."""
    if reason := console.lacking():
        missing(reason)


@pytest.fixture
def fat(tmp_path: Path) -> Iterator[Path]:
    """A real FAT32 file system, mounted."""
    if reason := lacking():
        missing(reason)
    with fat_disk(tmp_path) as mounted:
        yield mounted


@pytest.fixture(scope="session")
def cosign() -> list[str]:
    """The words that run cosign: this machine's, else that of Debian 13, out of its package."""
    if found := shutil.which("cosign"):
        return [found]
    if reason := available():
        missing(reason)
    return Readers().argv("cosign")
