"""What is found in layers, as values, and as a file of the layer cache."""

from __future__ import annotations

import base64
import json
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from pydantic import ValidationError

from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.core import digest

# Whatever changes what is found in the same layer takes the next number: old results are left.
READER_VERSION = 1

PackageKind = Literal["deb", "apk", "pypi", "npm"]
MAX_TEXT = 256
MOST_PACKAGES = 50_000  # of one layer; no real one is near it


class Package(Model):
    """One package as its own metadata describes it.

    `licences` are SPDX expressions where the ecosystem uses them, else short names. `source` is
    the source package that it was built from, where that is called otherwise.
    """

    kind: PackageKind
    name: str
    version: str
    arch: str = ""
    licences: tuple[str, ...] = ()
    source: str = ""


class Found(Model):
    """What one file of a layer says.

    `same_as` is the path of a hard link's target whose content is not in this layer; `doc_of`
    the documentation folder that a symlink leads to; `system` are fields of os-release.
    """

    packages: tuple[Package, ...] = ()
    licences: tuple[str, ...] = ()
    same_as: str = ""
    doc_of: str = ""
    system: dict[str, str] = {}


class PathSet:
    """Paths that are only asked for: 8 bytes each, as a layer may have a million.

    Two paths are taken for one with a chance of 2^-64 each; the price would be a package left out.
    """

    def __init__(self, hashes: array[int] | None = None) -> None:
        self._hashes = array("Q", sorted(hashes or ()))

    def __contains__(self, hashed: int) -> bool:
        at = bisect_left(self._hashes, hashed)
        return at < len(self._hashes) and self._hashes[at] == hashed

    def __len__(self) -> int:
        return len(self._hashes)

    def dump(self) -> str:
        """As text, the same on every machine."""
        little = array("Q", self._hashes)
        if sys.byteorder == "big":
            little.byteswap()
        return base64.b64encode(little.tobytes()).decode()

    @classmethod
    def load(cls, text: str) -> PathSet:
        """What `dump` gave; ValueError for anything else."""
        hashes = array("Q")
        hashes.frombytes(base64.b64decode(text, validate=True))
        if sys.byteorder == "big":
            hashes.byteswap()
        return cls(hashes)


def path_hash(path: str) -> int:
    """What a `PathSet` holds of a path."""
    return int.from_bytes(blake2b(path.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class LayerPackages:
    """What one layer says about packages.

    `hides` are paths that it removes or puts something else than a folder at: whatever lower layers
    have there and below is gone. `opaque` are folders of which only what lower layers have below
    is gone. `unread` says, in fixed words, what could not be read.
    """

    found: dict[str, Found]
    hides: PathSet
    opaque: PathSet
    unread: tuple[str, ...]

    def to_json(self) -> bytes:
        """As a file of the cache."""
        return digest.canonical_json(
            {
                "found": {path: f.model_dump(mode="json") for path, f in self.found.items()},
                "hides": self.hides.dump(),
                "opaque": self.opaque.dump(),
                "unread": list(self.unread),
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> LayerPackages | None:
        """What `to_json` gave; None where another version of smartcity wrote it."""
        try:
            value = json.loads(data)
            return cls(
                {path: Found.model_validate(f) for path, f in value["found"].items()},
                PathSet.load(value["hides"]),
                PathSet.load(value["opaque"]),
                tuple(value["unread"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
            return None


def clean(text: str) -> str:
    """A name, version or licence from a file: printable, one line, at most `MAX_TEXT` long."""
    return "".join(c if c.isprintable() else " " for c in text[: 2 * MAX_TEXT]).strip()[:MAX_TEXT]
