"""One version's bytes as sums with another's: small for compiled code, where addresses have moved.

The copies are found by bsdiff's method (Percival 2003); the form is that of `hosts.patchform`.
"""

from __future__ import annotations

import struct

# The suffixes of the old bytes are sorted, which takes sixteen times their size of memory.
_MOST_OLD_BYTES = 8 << 20
# Where both have as many zeros in a row, looking for the longest copy takes minutes.
_ZEROS = bytes(256 << 10)
_SIGN = 1 << 63


def difference(old: bytes, new: bytes) -> bytes | None:
    """`new` said by `old`, not yet compressed: about as many bytes; None where it takes too much.

    A second or two for 2 MiB; other threads go on meanwhile.
    """
    from bsdiff4 import core

    if not 0 < len(old) <= _MOST_OLD_BYTES or (_ZEROS in old and _ZEROS in new):
        return None
    control: bytes
    added: bytes
    inserted: bytes
    control, added, inserted = core.diff(old, new)
    steps = tuple(struct.iter_unpack("<QQQ", control))
    numbers = [len(steps), *(s[0] for s in steps), *(s[1] for s in steps)]
    numbers += [_way(s[2]) for s in steps]
    return b"".join(map(_number, numbers)) + added + inserted


def _way(signed: int) -> int:
    """Twice a distance, one less for a way back, of bsdiff's sign and magnitude."""
    return 2 * (signed - _SIGN) - 1 if signed > _SIGN else 2 * signed


def _number(value: int) -> bytes:
    """Base 128, the highest digit first; all digits but the last have the eighth bit set."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))
