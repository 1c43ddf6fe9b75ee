"""Memory does not grow with what is packed and verified."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bundle_world import config_of, make_keys

from smartcity_pkg.bundle import oci
from smartcity_pkg.core import digest

ROOT = Path(__file__).parents[3]
MIB = 1 << 20

_RUN = r"""
import re, sys
from pathlib import Path
from bundle_world import Keys, packed
from smartcity_pkg.bundle.keys import load_signing_key, load_trusted
from smartcity_pkg.bundle.sources import open_source
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.bundle.verify import verify
folder, source = Path(sys.argv[1]), sys.argv[2]
if sys.argv[3] == "pack":
    keys = Keys(load_signing_key(folder / "release.key"), TrustedKeys())
    packed(open_source(source), ["big:1"], keys, Path(source + ".tar"), cache=Path(source + ".c"))
else:
    verify(Path(source + ".tar"), load_trusted([folder / "release.pub"]))
# Not ru_maxrss: that begins with what the process had before it became this program.
print(int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def _peak_mib(folder: Path, source: Path, what: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder), f"oci:{source}", what],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def _layout_with_one_layer(folder: Path, size_mib: int) -> Path:
    """A layout whose layer is half noise and half text, written piece by piece."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    text = (b"pelayanan publik " * MIB)[: MIB // 2]
    with (blobs / "part").open("wb") as out:
        for _number in range(size_mib):
            out.write(os.urandom(MIB // 2) + text)
    diff_id = digest.of_file(blobs / "part")
    (blobs / "part").rename(blobs / digest.hex_of(diff_id))
    config = config_of([]).replace(b'"diff_ids": []', f'"diff_ids": ["{diff_id}"]'.encode())
    manifest = oci.manifest_json(
        oci.descriptor(config, oci.CONFIG),
        [oci.described(diff_id, size_mib * MIB, "application/vnd.oci.image.layer.v1.tar")],
    )
    for data in (config, manifest):
        (blobs / digest.hex_of(digest.of_bytes(data))).write_bytes(data)
    named = oci.descriptor(manifest, oci.MANIFEST, annotations={oci.REF_NAME: "big:1"})
    (folder / "index.json").write_bytes(oci.index_json([named]))
    return folder


def test_memory_does_not_grow_with_a_layer(tmp_path: Path) -> None:
    make_keys(tmp_path)
    small = _layout_with_one_layer(tmp_path / "small", 40)
    large = _layout_with_one_layer(tmp_path / "large", 300)
    for what in ("pack", "verify"):
        some, more = (_peak_mib(tmp_path, source, what) for source in (small, large))
        assert more < some + 60, f"{what}: {some} MiB for 40 MiB, {more} MiB for 300 MiB"
        assert more < 400, f"{what}: {more} MiB"
