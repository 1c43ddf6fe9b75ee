"""What was done on a server, by whom, and whether the record of it is as it was written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from smartcity_pkg.install.journal import Chain, Entry, entries_of, read_whole, verify_chain
from smartcity_pkg.install.place import Place


@dataclass(frozen=True)
class History:
    """The journal of one server. `expected` tells whether a hash noted earlier is still in it."""

    server: str
    entries: tuple[Entry, ...]
    chain: Chain
    expected: bool = True

    @property
    def unaltered(self) -> bool:
        """Whether every line continues the one before it, and what was noted is there."""
        return not self.chain.broken and self.expected


def read_history(place: Place, expect: str = "") -> History:
    """The whole journal, checked; with `expect`, whether a line has that hash (sha256)."""
    data = read_whole(place.host, place.store)
    hashes = {hashlib.sha256(line).hexdigest() for line in data.splitlines(keepends=True)}
    found = not expect or expect.lower().removeprefix("sha256:") in hashes
    return History(place.server, entries_of(data), verify_chain(data), found)
