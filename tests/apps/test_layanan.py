"""What the service apps share, seen from outside: health, migrations, logs, failures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.apps import journeys
from tests.apps.journeys import Browser
from tests.apps.servers import BUNDLES, AppServer, Postgres, wait_until


@pytest.fixture
def own_postgres(home: Path, pg_bin: Path) -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(dir=home))
    server = Postgres(folder, pg_bin, ["laksa"])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_laksa(tmp_path: Path, own_postgres: Postgres) -> Iterator[AppServer]:
    server = AppServer("laksa", tmp_path, own_postgres, {})
    yield server
    server.stop()


def test_health_waits_for_migrations_and_follows_the_database(
    own_laksa: AppServer, own_postgres: Postgres
) -> None:
    own_laksa.start()
    status, facts = own_laksa.health()
    assert (status, facts["reason"]) == (503, "migrations")
    first, second = own_laksa.command("migrate"), own_laksa.command("migrate")
    assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(first.stdout)["applied"] == ["0001_complaints.sql"]
    assert json.loads(second.stdout)["applied"] == []
    status, facts = own_laksa.health()
    version = (BUNDLES / "laksa" / "app" / "VERSION").read_text().strip()
    assert (status, facts) == (200, {"app": "laksa", "version": version, "status": "ok"})

    ticket = journeys.file_complaint(own_laksa.base_url)
    own_postgres.stop()
    assert own_laksa.health()[0] == 503
    answer = Browser(own_laksa.base_url).get(f"/laksa/tiket/{ticket}")
    assert answer.status == 503 and answer.headers["retry-after"] == "5"
    own_postgres.start()
    wait_until(lambda: own_laksa.health()[0] == 200, "healthy after PostgreSQL's restart")
    assert journeys.read_status(own_laksa.base_url, ticket)["status"] == "baru"


def test_old_code_is_healthy_on_a_newer_schema(
    own_laksa: AppServer, own_postgres: Postgres
) -> None:
    assert own_laksa.command("migrate").returncode == 0
    with psycopg.connect(
        host="127.0.0.1",
        port=own_postgres.port,
        user="laksa",
        dbname="laksa",
        password=own_postgres.password("laksa"),
    ) as db:
        db.execute("ALTER TABLE complaints ADD COLUMN district text NOT NULL DEFAULT ''")
        db.execute("INSERT INTO schema_migrations (number, name) VALUES (2, '0002_later.sql')")
    own_laksa.start()
    assert own_laksa.health()[0] == 200
    assert own_laksa.command("migrate").returncode == 0
    journeys.file_complaint(own_laksa.base_url)


def test_migrate_with_a_wrong_password_fails_and_does_not_print_it(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    laksa = AppServer("laksa", tmp_path, own_postgres, {})
    (tmp_path / "laksa-secrets" / "db_password").write_text("sandi-yang-salah")
    laksa.environment["SMARTCITY_DB_WAIT_S"] = "0.5"
    done = laksa.command("migrate")
    assert done.returncode == 1
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["level"] == "error" and "password authentication failed" in line["reason"]
    assert "sandi-yang-salah" not in done.stdout + done.stderr


def test_logs_are_json_lines_with_the_request_id_and_without_personal_data(
    start_app: Callable[..., AppServer],
) -> None:
    laksa = start_app("laksa", max_upload_mib=1)
    headers = {"X-Request-ID": "permintaan-12345"}
    answer = Browser(laksa.base_url).post(
        "/laksa/lapor?nama=RahasiaWarga", {"name": "RahasiaWarga"}, headers=headers
    )
    assert answer.headers["x-request-id"] == "permintaan-12345"
    lines = [json.loads(line) for line in laksa.log_path.read_text().splitlines()]
    mine = [line for line in lines if line.get("request_id") == "permintaan-12345"]
    assert [(line["method"], line["path"], line["status"]) for line in mine] == [
        ("POST", "/laksa/lapor", 422)
    ]
    assert "RahasiaWarga" not in laksa.log_path.read_text()


def test_an_app_without_its_rendered_file_uses_its_defaults(
    own_laksa: AppServer, tmp_path: Path
) -> None:
    (tmp_path / "laksa.json").unlink()
    assert own_laksa.command("migrate").returncode == 0
    own_laksa.start()
    page = Browser(own_laksa.base_url).get("/laksa/lapor").text
    assert "Penerangan jalan" in page


def test_an_app_without_session_key_refuses_to_start_and_says_why(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    laksa = AppServer("laksa", tmp_path, own_postgres, {})
    (tmp_path / "laksa-secrets" / "session_key").unlink()
    with pytest.raises(AssertionError):
        laksa.start()
    assert "the secret session_key is missing" in laksa.log_path.read_text()
