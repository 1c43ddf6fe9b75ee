"""Which repositories of a registry are known to hold a blob, so that it is mounted, not sent.

A hint that may be wrong or lost at any time: the registry has the last word.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from smartcity_pkg.core import atomic, digest

_MOST = 20_000


class KnownBlobs:
    """What was pushed from this machine to one registry; kept in `folder`."""

    def __init__(self, folder: Path, host: str) -> None:
        self._path = folder / f"{quote(host, safe='')}.json"
        self._known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._path.read_bytes())
            if isinstance(known, dict):
                self._known = {d: n for d, n in known.items() if digest.is_digest(d)}

    def holder(self, blob_digest: str, other_than: str) -> str | None:
        """A repository that should have the blob, or None."""
        name = self._known.get(blob_digest)
        return name if isinstance(name, str) and name != other_than else None

    def remember(self, blob_digests: Iterable[str], name: str) -> None:
        """Keep that `name` has the blobs; the oldest are forgotten when there are too many."""
        for blob_digest in sorted(blob_digests):
            self._known.pop(blob_digest, None)
            self._known[blob_digest] = name
        kept = dict(list(self._known.items())[-_MOST:])
        with contextlib.suppress(OSError):  # a hint only
            atomic.write(self._path, json.dumps(kept).encode())
