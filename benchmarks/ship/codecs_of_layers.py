"""What the changed layers cost as patches by other programs: no network, no engine, bytes alone.

Kept in the lab's home, because the same two layers give the same bytes and some codecs are slow.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from layers import Layer

from smartcity_pkg.lab.cache import built
from smartcity_pkg.lab.command import run

QUICK = ("xdelta3 -9", "zstd -9 --patch-from")
SLOW = ("zstd -19 --patch-from",)
_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Encoded:
    """Size of the patches of all changed layers of a step, and the time to make them."""

    codec: str
    size_bytes: int
    seconds: float


def encode(home: Path, codec: str, pairs: list[tuple[Layer, Layer]]) -> Encoded:
    """Patch every (old, new) with `codec`; unchanged from an earlier run if it was made then."""
    found = [_patch(home, codec, old, new) for old, new in pairs]
    return Encoded(codec, sum(size for size, _s in found), sum(seconds for _size, seconds in found))


def _patch(home: Path, codec: str, old: Layer, new: Layer) -> tuple[int, float]:
    def make(part: Path) -> None:
        began = time.monotonic()
        run(_argv(codec, old, new, part / "patch"), timeout_s=_TIMEOUT_S)
        seconds = time.monotonic() - began
        (part / "cost").write_text(json.dumps([(part / "patch").stat().st_size, seconds]))
        (part / "patch").unlink()

    recipe = [codec, old.sha256, new.sha256]
    folder = built(home / "archives" / f"bench-{codec.split(maxsplit=1)[0]}", recipe, make)
    size, seconds = json.loads((folder / "cost").read_text())
    return int(size), float(seconds)


def _argv(codec: str, old: Layer, new: Layer, patch: Path) -> list[str]:
    program, level = codec.split()[:2]
    if program == "xdelta3":
        # The whole old layer as source: by default it looks no further than 64 MB around.
        window = str(max(old.size_bytes, 1 << 20))
        return [
            "xdelta3",
            "-q",
            "-e",
            level,
            "-B",
            window,
            "-s",
            str(old.tar),
            str(new.tar),
            str(patch),
        ]
    return [
        "zstd",
        "-q",
        level,
        "--long=31",
        "-T0",
        f"--patch-from={old.tar}",
        str(new.tar),
        "-o",
        str(patch),
    ]
