"""Quantities as people write and read them: bytes and durations."""

from __future__ import annotations

import math
from fractions import Fraction

from smartcity_pkg.core.i18n import language

MIB = 1 << 20
GIB = 1 << 30


def bytes_text(size_bytes: float) -> str:
    """`size_bytes` for a screen: `812 B`, `4.2 kB`, `167 MB` (powers of 1,000, as links count)."""
    value, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(value) < 1000:  # 999,999 bytes are 1.0 MB, not 1000 kB
            break
        value, unit = value / 1000, larger
    decimals = 0 if unit == "B" or value >= 100 else 1
    return f"{number_text(value, decimals)} {unit}"


def seconds_text(seconds: float) -> str:
    """A duration for a screen: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number_text(value: float, decimals: int = 0) -> str:
    """`value` as the active language writes numbers: `1,234.5`, in Indonesian `1.234,5`."""
    text = f"{value:,.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,")) if language() == "id" else text


def rupiah_text(amount: float | Fraction) -> str:
    """Rupiah, rounded up to whole ones: `Rp1,250,000`."""
    return f"Rp{number_text(math.ceil(amount))}"
