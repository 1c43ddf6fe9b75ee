"""The one form of tar that smartcity writes, and the only one that it reads back.

Regular files, POSIX ustar headers, every field fixed except name and size: the same files give the
same bytes, and a reader needs no judgement, because it compares each header with the one that it
would have written. Tars from other programs (images) are read in `sources`.

Source: POSIX.1-2017, pax, "ustar Interchange Format".
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from smartcity_pkg.core.i18n import _

BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)
MAX_FILE_BYTES = 8**11 - 1  # eleven octal digits: 8 GiB
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._@+-]+"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class BadTarError(ValueError):
    """The bytes are not a tar in smartcity's form; `str` says where and why."""


@dataclass(frozen=True)
class Member:
    """One file inside a tar: its name, and where its bytes lie."""

    name: str
    offset: int
    size_bytes: int


def header(name: str, size_bytes: int) -> bytes:
    """The 512 bytes before a file: mode 0644, owner 0, time 0.

    BadTarError for a name that is absolute, has `.` or `..` in it, is too long, or has characters
    other than letters, digits and `._@+-`.
    """
    if not _NAME.fullmatch(name):
        raise BadTarError(_("“{name}” is no name for a file here").format(name=name[:200]))
    if not 0 <= size_bytes <= MAX_FILE_BYTES:
        raise BadTarError(
            _("{name}: larger than {limit} bytes").format(name=name, limit=MAX_FILE_BYTES)
        )
    prefix, short = _split(name)
    block = bytearray(BLOCK_BYTES)
    fields = (
        (0, short.encode()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, b"%011o\0" % size_bytes),
        (136, b"00000000000\0"),
        (148, b" " * 8),
        (156, b"0"),
        (257, b"ustar\x0000"),
        (329, b"0000000\0"),
        (337, b"0000000\0"),
        (345, prefix.encode()),
    )
    for offset, value in fields:
        block[offset : offset + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padding(size_bytes: int) -> bytes:
    """The zeros that fill a file's last block."""
    return bytes(-size_bytes % BLOCK_BYTES)


def members(stream: BinaryIO, size_bytes: int) -> Iterator[Member]:
    """The files of the tar in a seekable `stream` of `size_bytes`, without reading their content.

    Names must ascend, so none can stand twice. Raises BadTarError at the first byte that
    `header`, `padding` and `END` would not have written.
    """
    offset, last = 0, ""
    while True:
        stream.seek(offset)
        block = stream.read(BLOCK_BYTES)
        if block == END[:BLOCK_BYTES]:
            break
        member = _member(block, offset)
        if member.name <= last:
            raise BadTarError(_("{name}: stands twice or out of order").format(name=member.name))
        end = member.offset + member.size_bytes
        fill = padding(member.size_bytes)
        stream.seek(end)
        if end + len(fill) > size_bytes or stream.read(len(fill)) != fill:
            raise BadTarError(_("{name}: cut short or badly padded").format(name=member.name))
        yield member
        offset, last = end + len(fill), member.name
    stream.seek(offset)
    if size_bytes != offset + len(END) or stream.read(len(END)) != END:
        raise BadTarError(_("something follows the end, or the end is missing"))


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of `files`, sorted by name."""
    parts: list[bytes] = []
    for name in sorted(files):
        data = files[name]
        parts += (header(name, len(data)), data, padding(len(data)))
    return b"".join([*parts, END])


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a tar made by `pack`; BadTarError for any other bytes."""
    return {
        member.name: data[member.offset : member.offset + member.size_bytes]
        for member in members(io.BytesIO(data), len(data))
    }


def _split(name: str) -> tuple[str, str]:
    """`name` as ustar's prefix and name: cut at the last slash that leaves both short enough."""
    if len(name) <= 100:
        return "", name
    for index in range(min(len(name) - 2, 155), 0, -1):
        if name[index] == "/" and len(name) - index - 1 <= 100:
            return name[:index], name[index + 1 :]
    raise BadTarError(_("“{name}” is too long a name").format(name=name[:200]))


def _member(block: bytes, offset: int) -> Member:
    try:
        name, prefix = (
            block[start : start + size].rstrip(b"\0").decode("ascii")
            for start, size in ((0, 100), (345, 155))
        )
        name = f"{prefix}/{name}" if prefix else name
        size_bytes = int(block[124:135].decode("ascii"), 8)
        expected = header(name, size_bytes)
    except ValueError as error:
        raise BadTarError(
            _("not a file header at byte {offset}: {why}").format(offset=offset, why=error)
        ) from error
    if block != expected:
        raise BadTarError(
            _("not a header as smartcity writes it at byte {offset} ({name})").format(
                offset=offset, name=name
            )
        )
    return Member(name, offset + BLOCK_BYTES, size_bytes)
