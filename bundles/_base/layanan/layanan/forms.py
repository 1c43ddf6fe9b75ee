"""Reading and checking form fields; each complaint is an Indonesian sentence beside its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date


class Form:
    """The fields of one request: each reader gives a clean value and notes what is wrong."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.errors: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def text(self, name: str, *, longest: int = 200, required: bool = True) -> str:
        """A text without spaces around it and without control characters."""
        raw = self._fields.get(name, "").replace("\r\n", "\n")
        value = "".join(c for c in raw if c == "\n" or c.isprintable()).strip()
        self.values[name] = value
        if required and not value:
            self.errors[name] = "Wajib diisi."
        elif len(value) > longest:
            self.errors[name] = f"Paling panjang {longest} huruf."
        return value

    def choice(self, name: str, allowed: Iterable[str]) -> str:
        """One of `allowed`."""
        value = self.text(name)
        if value and value not in set(allowed):
            self.errors[name] = "Pilih salah satu dari daftar."
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        """An optional number from `low` to `high`; a decimal comma is fine."""
        value = self.text(name, longest=30, required=False)
        if not value:
            return None
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            self.errors[name] = f"Isi angka antara {low:g} dan {high:g}."
            return None
        return number

    def day(self, name: str, *, required: bool = True) -> date | None:
        """A date as browsers send it, YYYY-MM-DD."""
        value = self.text(name, longest=10, required=required)
        if not value:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.errors[name] = "Isi tanggal, misalnya 2026-01-31."
            return None
