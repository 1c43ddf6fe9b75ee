"""Permit applications in the database. Knows nothing of requests or pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layanan import db
from layanan.answers import PAGE_SIZE
from layanan.db import Row
from layanan.numbers import new_number
from layanan.uploads import Upload

COLOURS = {"diajukan": "kuning", "disetujui": "hijau", "ditolak": "merah"}
DECISIONS = {"disetujui": "Setujui", "ditolak": "Tolak"}


def apply(fields: Mapping[str, Any], documents: list[Upload]) -> str:
    """Stores an application with its documents; its number."""
    number = new_number("IZN")
    with db.transaction():
        row = db.insert(
            "INSERT INTO applications"
            " (number, permit_type, permit_name, name, contact, address, description)"
            " VALUES (%(number)s, %(permit_type)s, %(permit_name)s, %(name)s, %(contact)s,"
            " %(address)s, %(description)s) RETURNING id",
            {**fields, "number": number},
        )
        for document in documents:
            db.execute(
                "INSERT INTO documents (application_id, stored_name, media_type, size_bytes)"
                " VALUES (%s, %s, %s, %s)",
                (row["id"], document.name, document.media_type, document.size_bytes),
            )
    return number


def find(number: str) -> Row | None:
    """The application with that number, its `colour` and its `documents`."""
    row = db.fetch_one("SELECT * FROM applications WHERE number = %s", (number,))
    if row:
        row["colour"] = COLOURS[row["status"]]
        row["documents"] = db.fetch_all(
            "SELECT id, stored_name, media_type, size_bytes FROM documents"
            " WHERE application_id = %s ORDER BY id",
            (row["id"],),
        )
    return row


def listed(status: str, permit_type: str, page: int) -> list[Row]:
    """One page, newest first, and one more when there is a next page."""
    rows = db.fetch_all(
        "SELECT number, permit_name, name, status, created_at FROM applications"
        " WHERE (%(status)s = '' OR status = %(status)s)"
        " AND (%(type)s = '' OR permit_type = %(type)s)"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s",
        {
            "status": status,
            "type": permit_type,
            "limit": PAGE_SIZE + 1,
            "offset": (page - 1) * PAGE_SIZE,
        },
    )
    for row in rows:
        row["colour"] = COLOURS[row["status"]]
    return rows


def decide(number: str, decision: str, reason: str, officer: str) -> bool:
    """Decides once; False when somebody has decided before."""
    return bool(
        db.execute(
            "UPDATE applications SET status = %s, reason = %s, decided_by = %s, decided_at = now()"
            " WHERE number = %s AND status = 'diajukan'",
            (decision, reason, officer, number),
        )
    )
