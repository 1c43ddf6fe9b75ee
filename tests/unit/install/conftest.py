"""This machine as the server, with a store in a temporary folder; no engine is needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from install_world import SERVER, World

from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.place import Place


@pytest.fixture
def host() -> Host:
    if os.geteuid() != 0:
        pytest.skip("commands on a host run as root")
    return LocalHost("here")


@pytest.fixture
def store(tmp_path: Path) -> StorePaths:
    return StorePaths(str(tmp_path / "smartcity"))


@pytest.fixture
def place(host: Host, store: StorePaths) -> Place:
    return Place(host, SERVER, store, ComposeEngine(host, store))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Real signed bundles whose images are never started: anything may stand for busybox."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "busybox").write_bytes(b"not a program")
    return World.make(folder, folder / "busybox")
