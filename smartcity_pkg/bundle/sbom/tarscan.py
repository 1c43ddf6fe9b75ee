"""A layer's tar, read while it streams by: entries are shown, nothing is unpacked or followed.

Chunks are pushed in, so that reading costs no second pass over a layer that is being compressed.
Memory is bounded whatever the tar says: names and extended headers have caps, and of a file's
content no more is kept than the visitor asks for. What the entries mean is for `layer`.

Sources: POSIX.1-2017 pax (ustar, extended headers), GNU tar manual "Basic Tar Format" (long names,
sparse files), and Go's archive/tar, which engines unpack layers with.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

BLOCK_BYTES = 512
MAX_PATH_BYTES = 4096  # Linux's PATH_MAX: no engine can unpack a longer one
# Go's archive/tar refuses larger extended headers and long names, and so do engines.
_MAX_SPECIAL_BYTES = 1 << 20
_MAX_SIZE_BYTES = 1 << 50
_ZERO = bytes(BLOCK_BYTES)
_SUM_FIELD = slice(148, 156)


class EntryKind(Enum):
    """What an entry makes."""

    FILE = "file"
    HARD_LINK = "hard link"
    SYMLINK = "symlink"
    FOLDER = "folder"
    OTHER = "other"


_KINDS = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"S": EntryKind.FILE,
    b"1": EntryKind.HARD_LINK,
    b"2": EntryKind.SYMLINK,
    b"5": EntryKind.FOLDER,
}
_WITHOUT_CONTENT = frozenset(b"123456")


@dataclass(frozen=True)
class Entry:
    """One entry. `path` is relative, without `.` and doubled slashes; "" is the root.

    `path` is None where it leads out of the tree or is longer than a path can be. `link` is as it
    stands in the tar. A sparse file's content is not what the file holds.
    """

    path: str | None
    kind: EntryKind
    link: str
    size_bytes: int
    sparse: bool


class Visitor(Protocol):
    """Who looks at the entries."""

    def entry(self, entry: Entry) -> int:
        """One entry; answers how many bytes of its content, from the start, are wanted."""

    def content(self, entry: Entry, data: bytes) -> None:
        """The content that was wanted (all there is, where it is less)."""


class DamagedTarError(ValueError):
    """The bytes are no tar that an engine would unpack; `str` is one of a few fixed words."""


class TarScan:
    """One tar; push its bytes in with `feed`, then call `finish`."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._head = bytearray()
        self._left = 0  # bytes of content and padding that are still to come
        self._wanted = 0  # of these, how many to keep
        self._kept = bytearray()
        self._special = b""  # the type of the extended header that is being read
        self._current: Entry | None = None
        self._sparse_map = False
        self._long: dict[str, bytes] = {}  # what extended headers say of the next entry
        self._zeros = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes; DamagedTarError at the first header that is none."""
        view, at = memoryview(chunk), 0
        while at < len(view) and self._zeros < 2:
            if self._left:
                step = min(self._left, len(view) - at)
                if self._wanted:
                    piece = view[at : at + min(step, self._wanted)]
                    self._kept += piece
                    self._wanted -= len(piece)
                self._left -= step
                at += step
                if not self._left:
                    self._content_ends()
            elif not self._head and len(view) - at >= BLOCK_BYTES:
                self._block(bytes(view[at : at + BLOCK_BYTES]))
                at += BLOCK_BYTES
            else:
                piece = view[at : at + BLOCK_BYTES - len(self._head)]
                self._head += piece
                at += len(piece)
                if len(self._head) == BLOCK_BYTES:
                    block = bytes(self._head)
                    self._head.clear()
                    self._block(block)

    def finish(self) -> None:
        """The end; DamagedTarError where it comes in the middle of something."""
        if self._left or self._head or self._long or self._sparse_map:
            raise DamagedTarError("cut short")

    def _block(self, block: bytes) -> None:
        if self._sparse_map:  # an old GNU sparse file's map goes on in blocks of its own
            self._sparse_map = bool(block[504])
            if not self._sparse_map:
                self._content_begins()
        elif block == _ZERO:
            self._zeros += 1
        elif self._zeros:
            raise DamagedTarError("no header")
        else:
            self._header(block)

    def _header(self, block: bytes) -> None:
        if _number(block[_SUM_FIELD]) != sum(block) - sum(block[_SUM_FIELD]) + 8 * 32:
            raise DamagedTarError("no header")
        flag, size_bytes = block[156:157], _number(block[124:136])
        if flag in b"LKxg":
            if size_bytes > _MAX_SPECIAL_BYTES:
                raise DamagedTarError("header too large")
            self._special, self._current = flag, None
            self._wanted = size_bytes if flag != b"g" else 0  # engines ignore global headers
            self._left = size_bytes + -size_bytes % BLOCK_BYTES
            if not self._left:
                self._content_ends()
            return
        pax, self._long = self._long, {}
        name, link = _names(block, pax)
        sparse = flag == b"S" or any(key.startswith("GNU.sparse.") for key in pax)
        kind = _KINDS.get(flag, EntryKind.OTHER)
        if kind is EntryKind.FILE and flag == b"\0" and name.endswith(b"/"):
            kind = EntryKind.FOLDER  # how tar was before POSIX
        if "size" in pax:
            size_bytes = _decimal(pax["size"])
        if flag[0] in _WITHOUT_CONTENT:
            size_bytes = 0
        text = link[:MAX_PATH_BYTES].decode("utf-8", "backslashreplace")
        self._current = Entry(normal_path(name), kind, text, size_bytes, sparse)
        self._sparse_map = flag == b"S" and bool(block[482])
        if not self._sparse_map:
            self._content_begins()

    def _content_begins(self) -> None:
        entry = self._current
        assert entry is not None
        self._wanted = min(max(self._visitor.entry(entry), 0), entry.size_bytes)
        if not self._wanted:
            self._current = None
        self._left = entry.size_bytes + -entry.size_bytes % BLOCK_BYTES

    def _content_ends(self) -> None:
        data, entry, special = bytes(self._kept), self._current, self._special
        self._kept.clear()
        self._current, self._special = None, b""
        if entry is not None:
            self._visitor.content(entry, data)
        elif special == b"x":
            self._long |= _pax_records(data)
        elif special in (b"L", b"K"):
            self._long["path" if special == b"L" else "linkpath"] = data.rstrip(b"\0")


def normal_path(name: bytes | str) -> str | None:
    """A tar's name as a plain relative path; None where it leads out of the tree or is too long.

    Bytes that are no UTF-8 become `\\xNN`, so every path can be written down.
    """
    if len(name) > MAX_PATH_BYTES:
        return None
    text = name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")
    if "//" not in text and "/." not in text and text[:1] not in (".", "/"):
        return text.removesuffix("/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def _names(block: bytes, pax: dict[str, bytes]) -> tuple[bytes, bytes]:
    """An entry's name and link target."""
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    name = pax.get("GNU.sparse.name", pax.get("path", name))
    return name, pax.get("linkpath", block[157:257].split(b"\0", 1)[0])


def _number(field: bytes) -> int:
    """Octal digits, or base 256 where the first bit is set; never negative or absurdly large."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    else:
        digits = field.split(b"\0", 1)[0].strip()
        if digits.strip(b"01234567"):
            raise DamagedTarError("no header")
        value = int(digits or b"0", 8)
    if value > _MAX_SIZE_BYTES:
        raise DamagedTarError("no header")
    return value


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 16 or int(text) > _MAX_SIZE_BYTES:
        raise DamagedTarError("no header")
    return int(text)


def _pax_records(data: bytes) -> dict[str, bytes]:
    """The records `LENGTH KEY=VALUE\\n` of an extended header."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        digits, _blank, _rest = data[at : at + 8].partition(b" ")
        length = _decimal(digits)
        record = data[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if not equals or not record.endswith(b"\n") or length > len(data) - at:
            raise DamagedTarError("no header")
        records[key[:100].decode("utf-8", "replace")] = value[:-1]
        at += length
    return records
