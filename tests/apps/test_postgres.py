"""The postgres app's entrypoint with real PostgreSQL programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.apps.servers import Postgres


@pytest.fixture
def server(pg_bin: Path) -> Iterator[Postgres]:
    home = Path(tempfile.mkdtemp(prefix="sc-pg-"))
    postgres = Postgres(home, pg_bin, ["laksa", "siap-kerja"])
    yield postgres
    postgres.stop()
    shutil.rmtree(home)


def _connect(
    server: Postgres, app: str, *, database: str | None = None, password: str | None = None
) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=app.replace("-", "_"),
        dbname=database or app.replace("-", "_"),
        password=password or server.password(app),
        connect_timeout=5,
        autocommit=True,
    )


def test_every_app_has_its_own_database_and_no_other(server: Postgres) -> None:
    server.start()
    with _connect(server, "siap-kerja") as db:
        db.execute("CREATE TABLE mine (x int)")
        row = db.execute(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert row == (False,)
        assert db.execute("SHOW data_checksums").fetchone() == ("on",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("SELECT pg_read_file('/etc/passwd')")
    for other in ("laksa", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            _connect(server, "siap-kerja", database=other)
    with pytest.raises(psycopg.OperationalError, match=r"rejects|no pg_hba"):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres")
    with pytest.raises(psycopg.OperationalError, match="password"):
        _connect(server, "laksa", password="salah")


def test_restarting_keeps_data_and_takes_new_passwords_and_apps(server: Postgres) -> None:
    server.start()
    with _connect(server, "laksa") as db:
        db.execute("CREATE TABLE kept AS SELECT 42 AS x")
    assert server.stop() == 0
    server.set_password("laksa", "baru'; DROP TABLE kept; --\\")
    server.set_apps(["laksa", "siap-kerja", "e-surat"])
    server.start()
    with _connect(server, "laksa") as db:
        assert db.execute("SELECT x FROM kept").fetchone() == (42,)
    with _connect(server, "e-surat"):
        pass


def test_passwords_are_never_printed(server: Postgres) -> None:
    server.set_password("laksa", "rahasia-sekali-1")
    server.start()
    server.stop()
    server.start()
    assert "provisioned" in server.log()
    assert "rahasia-sekali-1" not in server.log()


def test_a_missing_secret_is_named_and_nothing_runs_half_provisioned(server: Postgres) -> None:
    secret = server.home / "secrets" / "laksa_db_password"
    secret.unlink()
    server.start(ready=False)
    assert server.wait() == 1
    assert "laksa_db_password" in server.log() and "provisioning failed" in server.log()
    secret.write_text("  \n")
    secret.chmod(0o644)
    server.start(ready=False)
    assert server.wait() == 1
    assert "the password file of laksa is empty" in server.log()
    server.set_password("laksa", "ada-lagi")
    server.start()


def test_sigterm_is_a_fast_and_clean_shutdown_with_open_connections(server: Postgres) -> None:
    server.start()
    with _connect(server, "laksa"):
        assert server.stop() == 0
    assert "received fast shutdown request" in server.log()
    assert "database system is shut down" in server.log()


def test_a_half_made_cluster_is_made_anew(server: Postgres) -> None:
    server.start()
    server.stop()
    (cluster,) = (server.home / "data").iterdir()
    half = cluster.rename(cluster.with_name(cluster.name + ".part"))
    (half / "PG_VERSION").unlink()
    server.start()
    with _connect(server, "laksa") as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
