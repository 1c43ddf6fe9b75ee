"""One version's bytes as sums with another's: small for compiled code, where addresses have moved.

The copies are found by bsdiff's method (Percival 2003); the form is that of `hosts.patchform`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# The suffixes of the old bytes are sorted, which takes sixteen times their size of memory.
_MOST_OLD_BYTES = 8 << 20
# Where both have as many zeros in a row, looking for the longest copy takes minutes.
_ZEROS = bytes(256 << 10)
_SIGN = np.uint64(1 << 63)


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
    steps = np.frombuffer(control, dtype="<u8").reshape(-1, 3)  # sign and magnitude
    backwards, distance = steps[:, 2] & _SIGN > 0, steps[:, 2] & ~_SIGN
    columns = (steps[:, 0], steps[:, 1], 2 * distance - backwards)
    numbers = _number(len(steps)) + b"".join(_numbers(column.tolist()) for column in columns)
    return numbers + added + inserted


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(map(_number, values))


def _number(value: int) -> bytes:
    """Base 128, the highest digit first; all digits but the last have the eighth bit set."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))
