"""Numbers that people carry away, such as LKS-2026-8F3K2QWM.

Whoever knows a number may follow its matter, so it must not be guessable: eight characters of an
alphabet of 31 without look-alikes are 8.5e11 possibilities a year.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 8


def new_number(prefix: str) -> str:
    """A fresh number that begins with `prefix` and this year."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{prefix}-{datetime.now(UTC).year}-{code}"


def clean_number(typed: str) -> str:
    """What a person typed, as it is stored: upper case, without spaces."""
    return "".join(typed.split()).upper()[:40]
