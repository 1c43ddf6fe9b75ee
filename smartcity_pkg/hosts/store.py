"""smartcity's folder on a server: where things are, and how content gets there whole.

The rule of `store/blobs/sha256/`: a file named H holds bytes whose sha256 is H. Nothing gets such a
name before the server itself has computed the sum; bytes on their way live in `store/parts/`. What
to send, and how it is encoded on the wire, is decided in `ship`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

DEFAULT_ROOT = "/var/lib/smartcity"


class StorePaths:
    """The names inside the store; design.md draws the tree."""

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self.root = PurePosixPath(root)
        self.blobs = self.root / "store/blobs/sha256"
        self.parts = self.root / "store/parts"
        self.offers = self.root / "store/releases"
        self.releases = self.root / "releases"
        self.current = self.root / "current"
        self.previous = self.root / "previous"
        self.secrets = self.root / "secrets"
        self.journal = self.root / "journal.jsonl"
        self.lock = self.root / "lock"

    def blob(self, digest: str) -> PurePosixPath:
        """Where the content with `digest` rests."""
        return self.blobs / digest.removeprefix("sha256:")

    def part(self, digest: str) -> PurePosixPath:
        """Where the wire encoding with `digest` grows."""
        return self.parts / (digest.removeprefix("sha256:") + ".part")

    def offer(self, release_name: str) -> PurePosixPath:
        """The JSON file that says a release is wholly in the store, with its signatures."""
        return self.offers / f"{release_name}.json"

    def release(self, release_name: str) -> PurePosixPath:
        """An installed release's Compose files and configuration."""
        return self.releases / release_name
