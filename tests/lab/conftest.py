"""Fixtures of the lab's own tests: servers that end with a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

CATALOGUE = Path(__file__).parents[2] / "bundles"


@pytest.fixture
def make_server(lab: Lab) -> Iterator[Callable[..., Server]]:
    """`Lab.server` without its name."""
    made: list[Server] = []

    def make(*, engine: bool = True, **disks: Any) -> Server:
        made.append(lab.server(f"lab-{len(made)}", engine=engine, **disks))
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture(scope="session")
def shared_server(lab: Lab) -> Server:
    """One server with an engine for the tests that leave it as they found it."""
    return lab.server("lab-shared")


@pytest.fixture(scope="session")
def catalogue() -> Path:
    return CATALOGUE
