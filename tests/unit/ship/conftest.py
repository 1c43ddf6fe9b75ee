"""Disks that a release is copied to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(params=["folder", "fat32"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder, and a real FAT32 file system."""
    if request.param == "folder":
        (tmp_path / "stick").mkdir()
        yield tmp_path / "stick"
        return
    yield request.getfixturevalue("fat")
