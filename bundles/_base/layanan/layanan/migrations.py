"""Schema changes: numbered SQL files, applied once each, in order, by one process at a time.

A schema only ever gains what old code can ignore, so the release before keeps working on it:
files that are newer than the code are no error. Contract: may run any number of times.
"""

from __future__ import annotations

import re
from pathlib import Path

from layanan.db import Connection

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 7_421_965  # any fixed number: advisory locks are per database, and this one is ours


def files(folder: Path) -> list[tuple[int, Path]]:
    """The migrations of `folder` in order; a misnamed file is an error."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if not match:
            raise ValueError(f"{path.name}: a migration is called like 0001_first.sql")
        found.append((int(match[1]), path))
    return found


def applied(connection: Connection) -> set[int]:
    """The numbers of the migrations that the database has."""
    row = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL AS known")
    if not (known := row.fetchone()) or not known["known"]:
        return set()
    return {r["number"] for r in connection.execute("SELECT number FROM schema_migrations")}


def pending(connection: Connection, folder: Path) -> list[Path]:
    """The files of `folder` that the database lacks."""
    done = applied(connection)
    return [path for number, path in files(folder) if number not in done]


def migrate(connection: Connection, folder: Path) -> list[str]:
    """Applies what is pending and gives the file names; each file is one transaction."""
    connection.execute("SET lock_timeout = 0")
    connection.execute("SET statement_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " number integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        names = []
        for path in pending(connection, folder):
            with connection.transaction():
                connection.execute(path.read_text().encode())
                connection.execute(
                    "INSERT INTO schema_migrations (number, name) VALUES (%s, %s)",
                    (int(path.name[:4]), path.name),
                )
            names.append(path.name)
        return names
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
