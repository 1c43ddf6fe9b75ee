"""The app's own database on the shared PostgreSQL: connecting, and queries of one request.

A request opens its connection at its first query and closes it at its end. That costs a few
milliseconds and nothing is left to go stale when PostgreSQL restarts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from flask import current_app, g
from psycopg.rows import DictRow, dict_row

from layanan.config import Config

Row = DictRow
Parameters = Mapping[str, Any] | Sequence[Any]
Connection = psycopg.Connection[DictRow]


def connect(config: Config, wait_s: float = 0) -> Connection:
    """An autocommit connection; tries again for `wait_s` seconds, then psycopg.OperationalError."""
    name = config.service.name.replace("-", "_")
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return psycopg.connect(
                host=os.environ.get("SMARTCITY_DB_HOST", "postgres"),
                port=os.environ.get("SMARTCITY_DB_PORT", "5432"),
                dbname=name,
                user=name,
                password=config.secret("db_password"),
                connect_timeout=3,
                application_name=config.service.name,
                options="-c statement_timeout=15s -c lock_timeout=5s -c timezone=UTC",
                row_factory=dict_row,
                autocommit=True,
            )
        except psycopg.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.3)


def _request_connection() -> Connection:
    if "db" not in g:
        g.db = connect(current_app.extensions["layanan"], wait_s=2)
    connection: Connection = g.db
    return connection


def close_request_connection(_error: BaseException | None = None) -> None:
    """Closes what this request opened; Flask calls it at the end of every request."""
    if connection := g.pop("db", None):
        connection.close()


def fetch_all(query: LiteralString, parameters: Parameters = ()) -> list[Row]:
    """All rows of a query."""
    return _request_connection().execute(query, parameters).fetchall()


def fetch_one(query: LiteralString, parameters: Parameters = ()) -> Row | None:
    """The first row of a query, or None."""
    return _request_connection().execute(query, parameters).fetchone()


def insert(query: LiteralString, parameters: Parameters = ()) -> Row:
    """The row that an INSERT or UPDATE … RETURNING gives back."""
    row = fetch_one(query, parameters)
    assert row is not None, "the statement must return a row"
    return row


def execute(query: LiteralString, parameters: Parameters = ()) -> int:
    """Runs a statement; how many rows it touched."""
    return _request_connection().execute(query, parameters).rowcount


@contextmanager
def transaction() -> Iterator[None]:
    """All or nothing for the statements inside."""
    with _request_connection().transaction():
        yield
