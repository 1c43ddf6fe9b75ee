"""A bundle whose images really run, and what went into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundle_world import Keys
from install_world import Image

from smartcity_pkg.bundle.contents import BundleContents


@dataclass(frozen=True)
class Made:
    """A bundle in both forms, and what went into it."""

    folder: Path
    tar: Path
    keys: Keys
    public_key: Path
    contents: BundleContents
    images: list[Image]
