"""The real catalogue and templates, a catalogue that a test fills, and a real Docker Compose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from render_world import ROOT, Compose, Small, find_compose

from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue
from smartcity_pkg.render.templates import read_shared_templates


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "bundles")


@pytest.fixture(scope="session")
def shared() -> dict[str, str]:
    return read_shared_templates(ROOT / "templates")


@pytest.fixture
def small(tmp_path: Path, shared: dict[str, str]) -> Small:
    return Small(tmp_path / "bundles", shared)


@pytest.fixture(scope="session")
def compose() -> Compose:
    found = find_compose()
    if found is None:
        reason = "no Docker Compose: neither of the practice servers nor on this machine"
        if os.environ.get("SMARTCITY_CI"):
            pytest.fail(f"CI must have it: {reason}", pytrace=False)
        pytest.skip(reason)
    return found
