"""`pack --since`: a release for servers that have an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_world import write_receipt
from workspace import Ran, Workspace

from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.verify import sound_contents

REGION = "32.15"


def pack(space: Workspace, images: Path, *since: str, code: int = 0) -> Ran:
    words = [word for name in since for word in ("--since", name)]
    return space.smartcity("pack", REGION, "--images", f"oci:{images}", *words, code=code)


def layers(space: Workspace) -> tuple[str, list[str]]:
    """One server of the first release, and the layers that it alone needs."""
    (path,) = (space.folder / "releases" / REGION).glob("1-*.tar")
    with open_bundle(path) as bundle:
        release = sound_contents(bundle).release
    needed = {
        s: {d for i in release.images_on(s) for d in i.diff_ids} for s in release.plan.servers
    }
    server, *others = sorted(needed)
    return server, sorted(needed[server].difference(*(needed[o] for o in others)))


@pytest.mark.parametrize("by", ["serial", "name", "path"])
def test_what_an_earlier_release_has_is_left_out(space: Workspace, images: Path, by: str) -> None:
    (path,) = (space.folder / "releases" / REGION).glob("1-*.tar")
    name = {"serial": "1", "name": path.stem, "path": str(path)}[by]
    made = pack(space, images, name).json
    assert made["held_layers"] == made["layers"]
    assert made["size_bytes"] < path.stat().st_size
    assert space.smartcity("verify", REGION).json["release"] == made["release"]
    space.smartcity("push", REGION, "localhost:1/x", code=2)


def test_what_a_receipt_tells_is_left_out(space: Workspace, images: Path, tmp_path: Path) -> None:
    server, known = layers(space)
    assert known
    receipt = write_receipt(tmp_path, SigningKey.made(), diff_ids=known, server=server)
    made = pack(space, images, str(receipt)).json
    assert made["held_layers"] == len(known)
    assert list((space.folder / "receipts").glob("*.pub"))


def test_a_receipt_by_another_key_is_refused(
    space: Workspace, images: Path, tmp_path: Path
) -> None:
    for code in (0, 10):
        receipt = write_receipt(tmp_path, SigningKey.made())
        pack(space, images, str(receipt), code=code)


def test_a_release_that_is_not_known_is_a_usage_error(space: Workspace, images: Path) -> None:
    ran = pack(space, images, "77", code=2)
    assert "77" in ran.error["message"]
    assert "1-" in ran.error["hint"]
