"""Dates and times as Indonesian readers write them.

Indonesia has three zones and no summer time, so no time zone database is needed in the image.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

_ZONES = {
    "Asia/Jakarta": (7, "WIB"),
    "Asia/Pontianak": (7, "WIB"),
    "Asia/Makassar": (8, "WITA"),
    "Asia/Jayapura": (9, "WIT"),
}
_MONTHS = (
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
)


def written(moment: datetime | date, zone: str = "Asia/Jakarta") -> str:
    """`23 November 2026` or, with a time, `23 November 2026 09.05 WIB`."""
    if not isinstance(moment, datetime):
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    hours, name = _ZONES.get(zone, _ZONES["Asia/Jakarta"])
    local = moment.astimezone(timezone(timedelta(hours=hours)))
    return f"{written(local.date())} {local:%H.%M} {name}"


def today(zone: str = "Asia/Jakarta") -> date:
    """The date in `zone`."""
    hours, _ = _ZONES.get(zone, _ZONES["Asia/Jakarta"])
    return datetime.now(timezone(timedelta(hours=hours))).date()
