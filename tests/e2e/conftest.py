"""A build engine with all images, and an empty workspace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from workspace import ROOT, Workspace, worker

from smartcity_pkg.lab import exercise, images
from smartcity_pkg.lab.engine import BUILDER
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server


@pytest.fixture(scope="session")
def builder(lab: Lab) -> Iterator[Server]:
    """An engine that has every image of the catalogue."""
    server = lab.server(f"{BUILDER}{worker()}", keep_docker=True)
    host = f"unix://{server.docker_socket}"
    images.build_base_images(host, ROOT / "bundles")
    images.build_app_images(host, ROOT / "bundles")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def workspace(builder: Server, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An empty workspace with its own copy of the catalogue and a signing key."""
    folder = tmp_path_factory.mktemp("workspace")
    exercise.copy_catalogue(ROOT / "bundles", folder / "bundles")
    space = Workspace(folder, f"unix://{builder.docker_socket}")
    space.smartcity("key", "new", "--no-password")
    return space
