"""Complaints in the database: filing, finding, answering. Knows nothing of requests or pages."""

from __future__ import annotations

from typing import Any

from layanan import db
from layanan.answers import PAGE_SIZE
from layanan.db import Row
from layanan.numbers import new_number
from layanan.uploads import Upload

COLOURS = {"baru": "merah", "diproses": "kuning", "selesai": "hijau"}


def file(fields: dict[str, Any], photo: Upload | None) -> str:
    """Stores a complaint with status "baru"; its ticket number."""
    ticket = new_number("LKS")
    with db.transaction():
        row = db.insert(
            "INSERT INTO complaints (ticket, category, place, latitude, longitude, description,"
            " name, contact, photo, photo_type) VALUES (%(ticket)s, %(category)s, %(place)s,"
            " %(latitude)s, %(longitude)s, %(description)s, %(name)s, %(contact)s, %(photo)s,"
            " %(photo_type)s) RETURNING id",
            {
                **fields,
                "ticket": ticket,
                "photo": photo.name if photo else None,
                "photo_type": photo.media_type if photo else None,
            },
        )
        _add_event(row["id"], "warga", "baru", "")
    return ticket


def find(ticket: str) -> Row | None:
    """The complaint with that number and its `history`, oldest first."""
    row = db.fetch_one("SELECT * FROM complaints WHERE ticket = %s", (ticket,))
    if row:
        row["colour"] = COLOURS[row["status"]]
        row["history"] = db.fetch_all(
            "SELECT at, actor, status, answer FROM events WHERE complaint_id = %s ORDER BY id",
            (row["id"],),
        )
        for event in row["history"]:
            event["colour"] = COLOURS[event["status"]]
    return row


def listed(status: str, category: str, page: int) -> list[Row]:
    """One page of complaints, newest first, and one more when there is a next page."""
    rows = db.fetch_all(
        "SELECT ticket, category, place, status, created_at FROM complaints"
        " WHERE (%(status)s = '' OR status = %(status)s)"
        " AND (%(category)s = '' OR category = %(category)s)"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s",
        {
            "status": status,
            "category": category,
            "limit": PAGE_SIZE + 1,
            "offset": (page - 1) * PAGE_SIZE,
        },
    )
    for row in rows:
        row["colour"] = COLOURS[row["status"]]
    return rows


def counts() -> dict[str, int]:
    """How many complaints there are of each status."""
    rows = db.fetch_all("SELECT status, count(*) AS n FROM complaints GROUP BY status")
    return dict.fromkeys(COLOURS, 0) | {row["status"]: row["n"] for row in rows}


def answer(complaint_id: int, actor: str, status: str, text: str) -> None:
    """Sets the status and writes the answer to the history."""
    with db.transaction():
        db.execute("UPDATE complaints SET status = %s WHERE id = %s", (status, complaint_id))
        _add_event(complaint_id, actor, status, text)


def _add_event(complaint_id: int, actor: str, status: str, text: str) -> None:
    db.execute(
        "INSERT INTO events (complaint_id, actor, status, answer) VALUES (%s, %s, %s, %s)",
        (complaint_id, actor, status, text),
    )
