"""Layers in two versions, patched and put together again by the servers' own shell."""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from smartcity_pkg.bundle.patch.encode import Layer, encode
from smartcity_pkg.bundle.patch.tarmap import RawLayer
from smartcity_pkg.hosts import patchform

# What a small server is allowed to spend, in KiB: 128 MB.
SERVER_MEMORY_KIB = 125_000
# Care takes most of the time, and tests have little of it.
CARE = 2 << 20


def layer(files: Mapping[str, bytes], time_s: int = 0, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A layer with `files`, all written at `time_s`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), time_s
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def code(functions: int, *, moved: int = 0, seed: int = 3) -> bytes:
    """Like compiled code: noise, and every forty bytes an address, which has `moved`."""
    generator = random.Random(seed)
    parts = []
    for _function in range(functions):
        parts += [
            generator.randbytes(36),
            (generator.getrandbits(20) + moved).to_bytes(4, "little"),
        ]
    return b"".join(parts)


def patch(
    old: bytes,
    new: bytes,
    folder: Path,
    limit_bytes: int = 1 << 40,
    care_bytes: int = CARE,
    *,
    perl: bool = False,
) -> bytes:
    """The patch from `old` to `new`, for a server with or without Perl."""
    with (
        closing(RawLayer([old], folder)) as before,
        closing(RawLayer([new], folder)) as after,
        (folder / "spill").open("w+b") as spill,
    ):
        out = io.BytesIO()
        layers = [Layer(raw, raw.entries()) for raw in (before, after)]
        size = encode(layers[0], layers[1], out, spill, limit_bytes, care_bytes, perl=perl)
    assert size == len(out.getvalue())
    return out.getvalue()


def applied(old: bytes, patched: bytes, folder: Path) -> bytes:
    """What the shell makes of `old` and the patch, with the memory of a small server."""
    work = folder / "new"
    work.mkdir()
    (folder / "old").write_bytes(old)
    (folder / "patch").write_bytes(patched)
    script = f"ulimit -v {SERVER_MEMORY_KIB}; part=$1 base=$2 new=$3\n{patchform.APPLY}\nrebuild"
    argv = ("sh", "-euc", script, "sh", folder / "patch", folder / "old", work)
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
