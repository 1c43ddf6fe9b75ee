"""Answers that are long and say much the same: they travel as gzip where the server has it.

On slow links what a server tells about its store can cost more than a patch does.
"""

from __future__ import annotations

import gzip
from dataclasses import replace

from smartcity_pkg.hosts.host import Completed, Host, refused

_GZIP = b"\x1f\x8b"
# A pipe's status is that of its end: the last word says that what stood before it went well.
_END = b"\nwhole\n"


def packed(text: str) -> str:
    """The script `text` (its first line is its title), its output to be read by `unpacked`."""
    title, _newline, body = text.partition("\n")
    return f"""{title}
look() {{
{body}
}}
told() {{ (set -e; look "$@"); printf '\\nwhole\\n'; }}
if command -v gzip >/dev/null 2>&1; then (set -e; told "$@") | gzip -c; else told "$@"; fi
"""


def unpacked(host: Host, done: Completed) -> bytes:
    """What a `packed` script printed; RemoteCommandError where it did not come to its end."""
    said = done.stdout
    try:
        said = gzip.decompress(said) if said[:2] == _GZIP else said
    except (EOFError, OSError):
        said = b""
    if not said.endswith(_END):
        raise refused(host.name, replace(done, status=done.status or 1))
    return said.removesuffix(_END)


def files_of(said: bytes) -> dict[str, bytes | None]:
    """By name, the files that a script printed as `name size`, a new line and the bytes.

    None where `=` stands in place of the size: the file is as whoever asked knows it.
    """
    found: dict[str, bytes | None] = {}
    while said:
        header, _newline, said = said.partition(b"\n")
        name, _space, size = header.decode(errors="replace").rpartition(" ")
        if size == "=":
            found[name] = None
        else:
            found[name], said = said[: int(size)], said[int(size) :]
    return found
