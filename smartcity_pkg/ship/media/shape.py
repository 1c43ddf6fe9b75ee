"""How a bundle is cut for a disk: the size of the parts, and how many parity parts there are."""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB
from smartcity_pkg.ship.media.index import (
    DEFAULT_PART_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIN_PART_BYTES,
    MediaIndex,
)
from smartcity_pkg.ship.media.parity import MAX_TOGETHER

_USUAL_PARTS = 200  # at most, by default: leaves numbers for parity


@dataclass(frozen=True)
class Shape:
    """How large parts are, and how many of them may be lost.

    None stands for what the disk has of the release already, else for the default: 64 MiB (more
    where that made too many parts), and no parity.
    """

    part_bytes: int | None = None
    parity: int | None = None

    def chosen(self, before: MediaIndex | None, size_bytes: int) -> tuple[int, int]:
        """The size of parts in bytes and the number of parity parts, for a tar of `size_bytes`.

        `before` is the index that the disk has, if any. UsageError for what cannot be.
        """
        parity, part_bytes = self.parity, self.part_bytes
        if parity is None:
            parity = len(before.parity) if before else 0
        if part_bytes is None and before:
            part_bytes = max(before.part_bytes, MIN_PART_BYTES)  # one small part has less
        elif part_bytes is None:
            part_bytes = _default_part(size_bytes)
        if not MIN_PART_BYTES <= part_bytes <= MAX_PART_BYTES:
            raise UsageError(
                _("--part-size: expected {least} to {most} bytes, got {given}").format(
                    least=MIN_PART_BYTES, most=MAX_PART_BYTES, given=part_bytes
                ),
                _("FAT32 takes no larger files; 64 MiB is good for most disks"),
            )
        most = MAX_TOGETHER - parity if parity else MAX_PARTS
        if parity < 0 or most < 1 or -(-size_bytes // part_bytes) > most:
            raise UsageError(
                _(
                    "{count} parts and {parity} parity parts: expected at most {most} together"
                ).format(
                    count=-(-size_bytes // part_bytes),
                    parity=parity,
                    most=MAX_TOGETHER if parity else MAX_PARTS,
                ),
                _("choose larger parts (--part-size), or fewer parity parts (--parity)"),
            )
        return part_bytes, parity


def _default_part(size_bytes: int) -> int:
    needed = -(-size_bytes // _USUAL_PARTS)
    return min(MAX_PART_BYTES, max(DEFAULT_PART_BYTES, -(-needed // MIB) * MIB))
