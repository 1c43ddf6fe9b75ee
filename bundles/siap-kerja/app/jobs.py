"""Vacancies, job seekers and applications in the database. Knows nothing of requests or pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from layanan import db
from layanan.answers import PAGE_SIZE
from layanan.db import Row
from layanan.numbers import new_number
from layanan.uploads import Upload

COLOURS = {"dikirim": "merah", "dipanggil": "kuning", "diterima": "hijau", "ditolak": ""}


def open_vacancies(today: date, sector: str, page: int) -> list[Row]:
    """One page of vacancies that take applications, those that close first at the top."""
    return db.fetch_all(
        "SELECT id, title, employer, sector, place, closes_on FROM vacancies"
        " WHERE NOT closed AND closes_on >= %(today)s"
        " AND (%(sector)s = '' OR sector = %(sector)s)"
        " ORDER BY closes_on, id LIMIT %(limit)s OFFSET %(offset)s",
        {
            "today": today,
            "sector": sector,
            "limit": PAGE_SIZE + 1,
            "offset": (page - 1) * PAGE_SIZE,
        },
    )


def all_vacancies(page: int) -> list[Row]:
    """One page of all vacancies, newest first, with the number of applications."""
    return db.fetch_all(
        "SELECT v.id, v.title, v.employer, v.closes_on, v.closed, count(a.id) AS applications"
        " FROM vacancies v LEFT JOIN applications a ON a.vacancy_id = v.id"
        " GROUP BY v.id ORDER BY v.id DESC LIMIT %s OFFSET %s",
        (PAGE_SIZE + 1, (page - 1) * PAGE_SIZE),
    )


def vacancy(number: int) -> Row | None:
    """One vacancy."""
    return db.fetch_one("SELECT * FROM vacancies WHERE id = %s", (number,))


def publish(fields: Mapping[str, Any]) -> int:
    """Stores a vacancy; its id."""
    row = db.insert(
        "INSERT INTO vacancies (title, employer, sector, place, description, closes_on)"
        " VALUES (%(title)s, %(employer)s, %(sector)s, %(place)s, %(description)s, %(closes_on)s)"
        " RETURNING id",
        fields,
    )
    return int(row["id"])


def close(number: int) -> None:
    """Takes no more applications."""
    db.execute("UPDATE vacancies SET closed = true WHERE id = %s", (number,))


def register(fields: Mapping[str, Any], cv: Upload | None) -> str:
    """Stores a job seeker; the code that proves who applies later."""
    code = new_number("PKJ")
    db.execute(
        "INSERT INTO seekers (code, name, contact, education, skills, cv, cv_type) VALUES"
        " (%(code)s, %(name)s, %(contact)s, %(education)s, %(skills)s, %(cv)s, %(cv_type)s)",
        {
            **fields,
            "code": code,
            "cv": cv.name if cv else None,
            "cv_type": cv.media_type if cv else None,
        },
    )
    return code


def seeker(code: str) -> Row | None:
    """The job seeker with that code, and the applications."""
    row = db.fetch_one("SELECT * FROM seekers WHERE code = %s", (code,))
    if row:
        row["applications"] = db.fetch_all(
            "SELECT v.id AS vacancy, v.title, v.employer, a.status, a.created_at"
            " FROM applications a JOIN vacancies v ON v.id = a.vacancy_id"
            " WHERE a.seeker_id = %s ORDER BY a.id DESC",
            (row["id"],),
        )
        for application in row["applications"]:
            application["colour"] = COLOURS[application["status"]]
    return row


def apply(vacancy_id: int, seeker_id: int, message: str) -> bool:
    """Stores an application; False when this seeker has applied before."""
    return bool(
        db.execute(
            "INSERT INTO applications (vacancy_id, seeker_id, message) VALUES (%s, %s, %s)"
            " ON CONFLICT (vacancy_id, seeker_id) DO NOTHING",
            (vacancy_id, seeker_id, message),
        )
    )


def applications_for(vacancy_id: int) -> list[Row]:
    """The applications for a vacancy with the seekers' profiles, oldest first."""
    rows = db.fetch_all(
        "SELECT a.id, a.status, a.message, a.created_at, s.name, s.contact, s.education, s.skills,"
        " s.cv IS NOT NULL AS has_cv"
        " FROM applications a JOIN seekers s ON s.id = a.seeker_id"
        " WHERE a.vacancy_id = %s ORDER BY a.id",
        (vacancy_id,),
    )
    for row in rows:
        row["colour"] = COLOURS[row["status"]]
    return rows


def application(number: int) -> Row | None:
    """One application with the seeker's stored CV."""
    return db.fetch_one(
        "SELECT a.id, a.vacancy_id, s.cv, s.cv_type FROM applications a"
        " JOIN seekers s ON s.id = a.seeker_id WHERE a.id = %s",
        (number,),
    )


def set_status(number: int, status: str) -> None:
    """Moves an application on."""
    db.execute("UPDATE applications SET status = %s WHERE id = %s", (status, number))
