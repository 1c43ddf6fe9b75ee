"""PostgreSQL once for all tests of the apps, and each app once for its module."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.apps.servers import AppServer, Postgres, postgres_bin

APPS = ["laksa", "perizinan", "siap-kerja", "e-surat"]


@pytest.fixture(scope="session")
def pg_bin() -> Path:
    """Where the PostgreSQL programs are. Without them: a skip, in CI a failure."""
    if found := postgres_bin():
        return found
    reason = "no PostgreSQL in /usr/lib/postgresql (Debian package postgresql)"
    if os.environ.get("SMARTCITY_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A short path (Unix sockets have a limit) that another user may enter."""
    path = Path(tempfile.mkdtemp(prefix="sc-apps-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(home: Path, pg_bin: Path) -> Iterator[Postgres]:
    """A running PostgreSQL with a database for every app."""
    (home / "pg").mkdir()
    server = Postgres(home / "pg", pg_bin, APPS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def start_app(home: Path, postgres: Postgres) -> Iterator[Callable[..., AppServer]]:
    """Gives an app that is migrated and running; the same one to everybody who asks."""
    running: dict[str, AppServer] = {}

    def start(app: str, **settings: object) -> AppServer:
        if app not in running:
            server = AppServer(app, home, postgres, settings)
            done = server.command("migrate")
            assert done.returncode == 0, done.stdout + done.stderr
            server.start()
            running[app] = server
        return running[app]

    yield start
    for server in running.values():
        server.stop()
