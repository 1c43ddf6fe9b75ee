"""The hooks `backup`, `restore` and `verify` of a service app, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.apps import journeys
from tests.apps.servers import OFFICER_PASSWORD, AppServer, Postgres


@pytest.fixture(scope="module")
def laksa(start_app: Callable[..., AppServer], pg_bin: Path) -> AppServer:
    server = start_app("laksa", max_upload_mib=1)
    server.environment["PATH"] = f"{pg_bin}{os.pathsep}{os.environ['PATH']}"
    return server


def hook(app: AppServer, name: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a hook as smartcity does: bytes in, bytes out."""
    return subprocess.run(
        [sys.executable, "-m", "app", name],
        input=given, env=app.environment, cwd="/", capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def rows(
    postgres: Postgres, schema: str = "public", app: str = "laksa"
) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of an app, and the places of its sequences."""
    name = app.replace("-", "_")
    target = f"host=127.0.0.1 port={postgres.port} dbname={name} user={name}"
    with psycopg.connect(target, password=postgres.password(app)) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,)
        ).fetchall()
        found = {
            name: connection.execute(f"TABLE {schema}.{name} ORDER BY 1").fetchall()
            for (name,) in tables
        }
        found["sequences"] = connection.execute(
            "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s ORDER BY 1",
            (schema,),
        ).fetchall()
        return found


def files(app: AppServer) -> dict[str, bytes]:
    folder = Path(app.environment["SMARTCITY_DATA"])
    found = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


@pytest.fixture
def kept(laksa: AppServer) -> bytes:
    """A backup of a LAKSA with complaints, photos and an answer."""
    tickets = [journeys.file_complaint(laksa.base_url) for _number in range(3)]
    officer = journeys.Officer(laksa.base_url, "laksa", OFFICER_PASSWORD)
    journeys.answer_complaint(officer, tickets[0], "diproses", "Petugas menuju lokasi.")
    made = hook(laksa, "backup")
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_restoring_brings_back_every_row_and_file_and_nothing_else(
    laksa: AppServer, postgres: Postgres, kept: bytes
) -> None:
    before = (rows(postgres), files(laksa))
    assert len(before[0]["complaints"]) >= 3
    journeys.file_complaint(laksa.base_url)
    assert (rows(postgres), files(laksa)) != before
    for _time in range(2):  # it may be called again
        restored = hook(laksa, "restore", kept)
        assert restored.returncode == 0, restored.stderr
        assert (rows(postgres), files(laksa)) == before
    again = hook(laksa, "backup").stdout
    assert hook(laksa, "restore", again).returncode == 0
    assert (rows(postgres), files(laksa)) == before
    assert journeys.file_complaint(laksa.base_url)


def _permits(app: AppServer) -> None:
    number = journeys.apply_for_permit(app.base_url)
    officer = journeys.Officer(app.base_url, app.app, OFFICER_PASSWORD)
    journeys.decide_permit(officer, number, "disetujui", "Berkas lengkap.")


def _jobs(app: AppServer) -> None:
    officer = journeys.Officer(app.base_url, app.app, OFFICER_PASSWORD)
    vacancy = journeys.publish_vacancy(officer)
    journeys.apply_for_job(app.base_url, vacancy, journeys.register_seeker(app.base_url))


def _letters(app: AppServer) -> None:
    officer = journeys.Officer(app.base_url, app.app, OFFICER_PASSWORD)
    journeys.dispose_letter(officer, journeys.register_letter(officer))


_PERMITS = [{"code": "reklame", "name": "Izin reklame", "documents": "KTP"},
            {"code": "lain", "name": "Izin lain", "documents": "KTP"}]  # fmt: skip
OTHERS: dict[str, tuple[Callable[[AppServer], None], dict[str, object]]] = {
    "perizinan": (_permits, {"permit_types": _PERMITS, "max_upload_mib": 1}),
    "siap-kerja": (_jobs, {}),
    "e-surat": (_letters, {}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_service_app_gets_its_data_back(
    start_app: Callable[..., AppServer], postgres: Postgres, pg_bin: Path, name: str
) -> None:
    use, settings = OTHERS[name]
    app = start_app(name, **settings)
    app.environment["PATH"] = f"{pg_bin}{os.pathsep}{os.environ['PATH']}"
    use(app)
    made = hook(app, "backup")
    assert made.returncode == 0, made.stderr
    assert hook(app, "verify", made.stdout).returncode == 0
    before = (rows(postgres, app=name), files(app))
    assert sum(map(len, before[0].values())) > 2, "there is something to lose"
    assert before[1], "files too"
    use(app)
    assert (rows(postgres, app=name), files(app)) != before
    restored = hook(app, "restore", made.stdout)
    assert restored.returncode == 0, restored.stderr
    assert (rows(postgres, app=name), files(app)) == before
    use(app)
    cut = made.stdout[: made.stdout.index(b"files/")]
    for what in ("verify", "restore"):
        assert hook(app, what, cut).returncode == 1


def _blocks(kept: bytes) -> int:
    """The bytes of a tar without the zeros that end it."""
    return -(-len(kept.rstrip(b"\0")) // 512) * 512


def damaged(kept: bytes) -> dict[str, bytes]:
    archive = kept.index(b"PGDMP")
    files_at = kept.index(b"files/")
    return {
        "cut in the database": kept[: files_at // 2],
        "cut in a file": kept[: files_at + 600],
        "cut before the first file": kept[:files_at],
        "cut in the mark of its end": kept.rstrip(b"\0").ljust(_blocks(kept) + 512, b"\0"),
        "no archive of pg_dump": kept[:archive] + b"XXXXX" + kept[archive + 5 :],
        "empty": b"",
        "no backup": b"something else" * 1000,
    }


def test_a_damaged_backup_is_refused_and_the_data_stay(
    laksa: AppServer, postgres: Postgres, kept: bytes
) -> None:
    journeys.file_complaint(laksa.base_url)
    before = (rows(postgres), files(laksa))
    assert hook(laksa, "verify", kept).returncode == 0
    for name, stream in damaged(kept).items():
        for what in ("verify", "restore"):
            done = hook(laksa, what, stream)
            assert done.returncode == 1, (name, what)
            assert b"failed: " in done.stderr
        assert (rows(postgres), files(laksa)) == before, name
    assert hook(laksa, "restore", kept).returncode == 0


def test_a_restore_that_was_killed_is_undone_by_the_next_migration(
    laksa: AppServer, postgres: Postgres, kept: bytes
) -> None:
    before = rows(postgres)
    with subprocess.Popen(
        [sys.executable, "-m", "app", "restore"],
        stdin=subprocess.PIPE, env=laksa.environment, cwd="/",
    ) as process:  # fmt: skip
        assert process.stdin
        process.stdin.write(kept[: len(kept) // 2])
        process.stdin.flush()
        target = f"host=127.0.0.1 port={postgres.port} dbname=laksa user=laksa"
        with psycopg.connect(target, password=postgres.password("laksa"), autocommit=True) as seen:
            while not seen.execute("SELECT to_regclass('before_restore.complaints')").fetchone()[0]:  # type: ignore[index]
                assert process.poll() is None
        process.kill()
    assert laksa.command("migrate").returncode == 0
    assert rows(postgres) == before


def test_the_password_is_in_no_argument_and_no_output(
    laksa: AppServer, postgres: Postgres, kept: bytes
) -> None:
    secret = postgres.password("laksa").encode()
    refused = hook(laksa, "restore", kept[: len(kept) // 3])
    assert secret not in kept
    assert secret not in refused.stderr + refused.stdout
