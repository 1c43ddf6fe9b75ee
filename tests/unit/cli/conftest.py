"""A workspace with a key, a plan and a release, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workspace import ROOT, Workspace

from smartcity_pkg.lab import unbased

REGION = "32.15"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of all apps that can be packed, though not run."""
    layout = tmp_path_factory.mktemp("images") / "layout"
    unbased.write_layout(ROOT / "bundles", layout)
    return layout


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A workspace with a key, a plan and a release."""
    space = Workspace(tmp_path_factory.mktemp("template"))
    space.environment["SMARTCITY_CACHE"] = str(space.folder / "cache")
    space.smartcity("key", "new", "--no-password")
    space.smartcity("select", REGION)
    space.smartcity("pack", REGION, "--images", f"oci:{images}")
    return space.folder


@pytest.fixture
def space(_template: Path, tmp_path: Path) -> Workspace:
    """A copy of that workspace, to be changed."""
    folder = tmp_path / "kominfo"
    shutil.copytree(_template, folder)
    return Workspace(folder, environment={"SMARTCITY_CACHE": str(folder / "cache")})
