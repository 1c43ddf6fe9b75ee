"""Incoming letters and their dispositions in the database. Knows nothing of requests or pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layanan import db
from layanan.answers import PAGE_SIZE
from layanan.db import Row
from layanan.uploads import Upload

COLOURS = {"masuk": "merah", "didisposisikan": "kuning", "selesai": "hijau"}


def register(fields: Mapping[str, Any], scan: Upload | None) -> Row:
    """Stores a letter under the next agenda number of its year; `id` and `agenda`."""
    with db.transaction():
        counter = db.insert(
            "INSERT INTO agenda (year, last) VALUES (%s, 1)"
            " ON CONFLICT (year) DO UPDATE SET last = agenda.last + 1 RETURNING year, last",
            (fields["received_on"].year,),
        )
        return db.insert(
            "INSERT INTO letters (agenda, number, sender, subject, letter_date, received_on,"
            " urgency, scan, scan_type) VALUES (%(agenda)s, %(number)s, %(sender)s, %(subject)s,"
            " %(letter_date)s, %(received_on)s, %(urgency)s, %(scan)s, %(scan_type)s)"
            " RETURNING id, agenda",
            {
                **fields,
                "agenda": f"{counter['last']:04d}/{counter['year']}",
                "scan": scan.name if scan else None,
                "scan_type": scan.media_type if scan else None,
            },
        )


def find(number: int) -> Row | None:
    """One letter, its `colour` and its `dispositions`, oldest first."""
    row = db.fetch_one("SELECT * FROM letters WHERE id = %s", (number,))
    if row:
        row["colour"] = COLOURS[row["status"]]
        row["dispositions"] = db.fetch_all(
            "SELECT id, unit, person, instruction, due_on, given_by, created_at, follow_up, done_at"
            " FROM dispositions WHERE letter_id = %s ORDER BY id",
            (number,),
        )
    return row


def listed(status: str, text: str, page: int) -> list[Row]:
    """One page of letters, newest first, and one more when there is a next page."""
    rows = db.fetch_all(
        "SELECT id, agenda, number, sender, subject, urgency, received_on, status FROM letters"
        " WHERE (%(status)s = '' OR status = %(status)s) AND (%(text)s = ''"
        " OR strpos(lower(concat_ws(' ', agenda, number, sender, subject)), lower(%(text)s)) > 0)"
        " ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s",
        {
            "status": status,
            "text": text,
            "limit": PAGE_SIZE + 1,
            "offset": (page - 1) * PAGE_SIZE,
        },
    )
    for row in rows:
        row["colour"] = COLOURS[row["status"]]
    return rows


def dispose(letter: int, fields: Mapping[str, Any], officer: str) -> int:
    """Passes a letter to a unit; the disposition's id."""
    with db.transaction():
        row = db.insert(
            "INSERT INTO dispositions (letter_id, unit, person, instruction, due_on, given_by)"
            " VALUES (%(letter)s, %(unit)s, %(person)s, %(instruction)s, %(due_on)s, %(officer)s)"
            " RETURNING id",
            {**fields, "letter": letter, "officer": officer},
        )
        db.execute("UPDATE letters SET status = 'didisposisikan' WHERE id = %s", (letter,))
    return int(row["id"])


def follow_up(letter: int, disposition: int, text: str) -> bool:
    """Notes what the unit did; False when that disposition is not open."""
    return bool(
        db.execute(
            "UPDATE dispositions SET follow_up = %s, done_at = now()"
            " WHERE id = %s AND letter_id = %s AND done_at IS NULL",
            (text, disposition, letter),
        )
    )


def close(letter: int) -> bool:
    """Marks a letter as done; False while a disposition is open."""
    return bool(
        db.execute(
            "UPDATE letters SET status = 'selesai' WHERE id = %(id)s AND NOT EXISTS"
            " (SELECT FROM dispositions WHERE letter_id = %(id)s AND done_at IS NULL)",
            {"id": letter},
        )
    )
