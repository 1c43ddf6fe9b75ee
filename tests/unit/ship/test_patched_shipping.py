"""Patches on real servers: bases out of each engine, and what happens when they are lost."""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from engine import use_containerd_store
from install_world import Image, image
from patch_world import code, layer
from ship_road import Road
from ship_world import SERVER, Before, pack

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.patch.book import PatchBook, layers_of
from smartcity_pkg.core import digest
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.oldengine import engine_20_10
from smartcity_pkg.lab.server import Server
from smartcity_pkg.ship.patching import Patcher
from smartcity_pkg.ship.preview import preview
from smartcity_pkg.ship.shipment import ShipReport

pytestmark = pytest.mark.lab

FILES = {f"app/{n}.py": random.Random(n).randbytes(3000 + n) for n in range(200)}
OLD, NEW = layer(FILES, 1), layer({**FILES, "app/7.py": b"new"}, 2)
SLOW_MBPS = 0.5


@pytest.fixture(scope="module", params=["overlay2", "containerd", "20.10"])
def server(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Server]:
    over = engine_20_10(lab.home) if request.param == "20.10" else None
    server = lab.server("tambal", store_disk_mib=1024, engine_over=over)
    if request.param == "containerd":
        use_containerd_store(server)
    yield server
    server.remove()


@pytest.fixture
def road(lab: Lab, server: Server) -> Iterator[Road]:
    """The engine holds the old layer, loaded as `install` does it; the store is empty."""
    road = Road(lab, server, f"/var/lib/smartcity/{random.getrandbits(40):x}")
    load(road, image("laksa:1", (OLD,)), OLD)
    server.run(["rm", "-rf", str(road.paths.root)])
    yield road
    server.run(["rm", "-rf", str(road.paths.root)])
    if images := docker(server, "image", "ls", "-q").split():
        docker(server, "rmi", "-f", *(i.decode() for i in images))


def load(road: Road, made: Image, *contents: bytes) -> None:
    """Load an image out of the store, after `contents` were put there."""
    with closing(road.connect()) as host:
        store = Store(host, road.paths)
        store.prepare()
        store.put_small({digest.of_bytes(data): data for data in contents})
        ComposeEngine(host, road.paths).load(made.described, made.config)


def docker(server: Server, *words: str) -> bytes:
    line = ("docker", "-H", f"unix://{server.docker_socket}", *words)
    return subprocess.run(line, check=True, capture_output=True).stdout


def upgrade(road: Road, cache: Path, *layers: bytes) -> ShipReport:
    """Ship a release of `layers` from a machine that has packed the old one."""
    LayerCache(cache).add([OLD], lambda _diff_id: True)
    bundle, contents = pack({"laksa:2": layers})
    book = PatchBook(cache, [layers_of(bundle, contents)])
    report = road.ship(bundle, contents, patcher=Patcher(book, SLOW_MBPS))
    assert road.arrived(contents)
    return report


def test_a_patch_is_applied_to_a_layer_out_of_the_engine(road: Road, tmp_path: Path) -> None:
    report = upgrade(road, tmp_path, NEW)
    assert [x.outcome for x in report.layers] == ["patch"]
    assert report.layers[0].size_bytes < 4_000
    assert report.bytes_patched > 500_000
    assert report.bytes_sent < 20_000
    assert digest.hex_of(digest.of_bytes(OLD)) not in road.held()
    assert upgrade(road, tmp_path, NEW).already_there


@pytest.mark.parametrize("perl", [True, False])
def test_moved_code_goes_as_a_difference_to_servers_with_perl(
    road: Road, tmp_path: Path, perl: bool
) -> None:
    before, after = (
        layer({"lib.so": code(30_000, moved=moved)}, time) for moved, time in ((0, 1), (9, 2))
    )
    load(road, image("laksa:1", (before,)), before)
    LayerCache(tmp_path).add([before], lambda _diff_id: True)
    if not perl:
        road.server.run(["mv", "/usr/bin/perl", "/usr/bin/perl.away"])
    try:
        report = upgrade(road, tmp_path, after)
    finally:
        if not perl:
            road.server.run(["mv", "/usr/bin/perl.away", "/usr/bin/perl"])
    assert [x.outcome for x in report.layers] == ["patch"]
    assert (report.layers[0].size_bytes < 10_000) == perl


def test_a_preview_says_what_will_be_sent_and_changes_nothing(road: Road, tmp_path: Path) -> None:
    """Within 1 % of every byte that is given to the connection."""
    LayerCache(tmp_path).add([OLD], lambda _diff_id: True)
    bundle, contents = pack({"laksa:2": (NEW, layer({"lain": random.Random(1).randbytes(90_000)}))})
    book = PatchBook(tmp_path, [layers_of(bundle, contents)])
    seen = preview(
        bundle, contents, SERVER, road.connect, paths=road.paths, patcher=Patcher(book, SLOW_MBPS),
        link_mbps=SLOW_MBPS,
    )  # fmt: skip
    assert not road.store.exists()
    report = road.ship(bundle, contents, patcher=Patcher(book, SLOW_MBPS))
    assert abs(seen.bytes_sent / report.bytes_sent - 1) < 0.01
    assert (seen.layers, seen.bytes_patched) == (report.layers, report.bytes_patched)
    assert seen.seconds > seen.bytes_sent * 8 / 1e6 / SLOW_MBPS
    assert seen.seconds_at(2 * SLOW_MBPS) < seen.seconds
    again = preview(bundle, contents, SERVER, road.connect, paths=road.paths)
    assert again.already_there


def test_an_image_made_of_patches_is_complete(road: Road, tmp_path: Path) -> None:
    """`docker save` gives every layer back: another engine can load it."""
    upgrade(road, tmp_path, NEW)
    made = image("laksa:2", (NEW,))
    load(road, made)
    saved = docker(road.server, "save", made.described.reference)
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        files = [archive.extractfile(m) for m in archive if m.isfile()]
        sums = {digest.of_bytes(file.read()) for file in files if file}
    assert digest.of_bytes(NEW) in sums


def test_a_layer_on_another_parent_comes_out_of_the_engine(road: Road, tmp_path: Path) -> None:
    other = layer({"lain": b"x"})
    report = upgrade(road, tmp_path, other, OLD)
    assert [x.outcome for x in report.layers] == ["zstd", "recovered"]
    assert report.bytes_sent < 20_000


def test_a_base_with_other_bytes_than_ours_is_no_harm(road: Road, tmp_path: Path) -> None:
    """What the patch makes of it is not the layer, which then travels whole."""

    def spoil() -> None:
        (road.store / "blobs/sha256" / digest.hex_of(digest.of_bytes(OLD))).write_bytes(b"else")

    road.faults = [lambda host: Before(host, "# check a blob and give it its name", spoil)]
    assert upgrade(road, tmp_path, NEW).bytes_sent > 500_000


def test_a_base_that_is_gone_is_no_harm(road: Road, tmp_path: Path) -> None:
    def remove() -> None:
        docker(road.server, "rmi", "-f", image("laksa:1", (OLD,)).described.reference)
        docker(road.server, "image", "prune", "-f")

    road.faults = [lambda host: Before(host, "# recover layers from the engine", remove)]
    report = upgrade(road, tmp_path, NEW)
    assert [x.outcome for x in report.layers] == ["zstd"]


def test_a_link_that_is_quick_enough_gets_the_layer_whole(road: Road, tmp_path: Path) -> None:
    LayerCache(tmp_path).add([OLD], lambda _diff_id: True)
    bundle, contents = pack({"laksa:2": (NEW,)})
    book = PatchBook(tmp_path, [layers_of(bundle, contents)])
    report = road.ship(bundle, contents, patcher=Patcher(book, 1000.0))
    assert [x.outcome for x in report.layers] == ["zstd"]
