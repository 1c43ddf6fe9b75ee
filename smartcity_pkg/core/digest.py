"""Content digests as the OCI image specification writes them: `sha256:` and 64 hex digits.

Source: image-spec 1.1, descriptor.md, "Digests".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20
_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def is_digest(text: object) -> bool:
    """Whether `text` is a well-formed sha256 digest."""
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def of_bytes(data: bytes) -> str:
    """The digest of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def of_chunks(chunks: Iterable[bytes]) -> str:
    """The digest of the concatenation of `chunks`, in constant memory."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return "sha256:" + hasher.hexdigest()


def read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of `stream`, at most `CHUNK_BYTES` at a time."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def of_file(path: Path) -> str:
    """The digest of the file at `path`."""
    with path.open("rb") as stream:
        return of_chunks(read_chunks(stream))


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest."""
    return digest.removeprefix("sha256:")


def canonical_json(value: Any) -> bytes:
    """`value` as JSON that is the same for equal values: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
