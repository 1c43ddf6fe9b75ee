"""Shipping to real servers with a real engine, over links that fail."""

from __future__ import annotations

import dataclasses
import io
import multiprocessing
import os
import random
import signal
import subprocess
import tarfile
from collections.abc import Iterator

import pytest
from private_sshd import wait_until
from ship_road import Road, cut, noise
from ship_world import Before, CutAfter, pack

from smartcity_pkg.bundle.contents import Offer
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import (
    DiskFullError,
    EngineError,
    RemoteCommandError,
    UnreachableError,
    UntrustedBundleError,
)
from smartcity_pkg.core.progress import Note, Transfer
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
MB = 1_000_000
ROOM_MIB = 160


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("kirim", store_disk_mib=4096)
    yield server
    server.remove()


@pytest.fixture
def road(lab: Lab, server: Server) -> Iterator[Road]:
    road = Road(lab, server, f"/var/lib/smartcity/{random.getrandbits(40):x}")
    yield road
    server.run(["rm", "-rf", str(road.paths.root)])


def test_everything_arrives_under_its_name_and_the_offer_last(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(3 * MB), b"app")}, documents=[noise(MB, 2)])
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    offer = Offer.model_validate_json(
        (road.store / "releases" / f"{contents.release.name}.json").read_bytes()
    )
    assert offer.root_digest == contents.root_digest
    assert [s.key_id for s in offer.signatures] == ["kunci"]
    assert not report.already_there
    assert 4 * MB < report.bytes_sent < 4.2 * MB
    assert [layer.outcome for layer in report.layers] == ["zstd", "zstd"]
    transfers = [e for e in road.events if isinstance(e, Transfer)]
    assert transfers[-1].done == transfers[-1].total > 4 * MB
    assert [e.done for e in transfers] == sorted(e.done for e in transfers)


def test_the_store_is_for_root_alone(road: Road) -> None:
    road.ship(*pack({"laksa:1": (b"app",)}))
    for folder in (road.store.parent, road.store / "blobs/sha256"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o77 for p in (road.store / "blobs/sha256").iterdir()} == {0}


def test_a_second_ship_moves_less_than_100_kilobytes(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(3 * MB), b"app")})
    road.ship(bundle, contents)
    report = road.ship(bundle, contents)
    assert report.already_there
    assert report.bytes_sent < 100_000
    assert report.bytes_saved > 3 * MB
    assert {layer.outcome for layer in report.layers} == {"store"}


def test_an_upgrade_of_the_app_moves_only_the_apps_layer(road: Road) -> None:
    base = noise(3 * MB)
    road.ship(*pack({"laksa:1": (base, b"old app")}))
    bundle, contents = pack({"laksa:2": (base, b"new app")}, serial=2)
    report = road.ship(bundle, contents)
    assert [layer.outcome for layer in report.layers] == ["store", "zstd"]
    assert report.bytes_sent < 100_000
    assert road.arrived(contents)


def test_a_transfer_cut_three_times_arrives_with_little_sent_twice(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(60 * MB), noise(40 * MB, 2))})
    chance = random.Random(os.getpid())
    for _cut in range(3):
        at = chance.randrange(2 * MB, 30 * MB)
        road.faults.append(lambda host, at=at: CutAfter(host, at, lambda: cut(road.server)))
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.reconnects == 3
    print("sent twice:", report.bytes_resent)
    assert report.bytes_resent < 0.05 * 100 * MB
    assert report.bytes_sent < 1.05 * 100 * MB
    assert len([e for e in road.events if isinstance(e, Note) and e.warning]) == 3


class Counting(Before):
    """A host that counts the commands which it runs."""

    def __init__(self, inside: Host) -> None:
        self.commands = 0
        super().__init__(inside, "", self._count, times=10_000)

    def _count(self) -> None:
        self.commands += 1


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_thirty_small_layers_take_few_round_trips(road: Road, zstd: bool) -> None:
    layers = [noise(40_000, seed) for seed in range(30)]
    bundle, contents = pack({"laksa:1": layers})
    hosts: list[Counting] = []
    road.faults = [lambda host: hosts.append(Counting(host)) or hosts[0]]
    with without_zstd(road.server, active=not zstd):
        report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.bytes_sent < 1.1 * 30 * 40_000
    assert hosts[0].commands <= 8, "facts, folders, documents, three batches, the offer"


def test_a_link_that_brings_nothing_ends_the_attempts(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(3 * MB),)})
    road.faults = [lambda host: Before(host, "prepare the store", host.close) for _ in range(9)]
    with pytest.raises(UnreachableError):
        road.ship(bundle, contents, attempts=3)
    assert len(road.faults) == 6


def test_a_server_that_was_never_reached_is_not_asked_again(road: Road) -> None:
    road.address = dataclasses.replace(road.address, port=1)
    with pytest.raises(UnreachableError):
        road.ship(*pack({"laksa:1": (b"app",)}))
    assert road.events == []


def test_a_killed_client_is_followed_by_one_that_goes_on(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(200 * MB),)})
    client = multiprocessing.get_context("fork").Process(target=road.ship, args=(bundle, contents))
    client.start()
    parts = road.store / "parts"
    wait_until(
        lambda: parts.exists() and any(p.stat().st_size > 20 * MB for p in parts.glob("*.part")),
        timeout_s=60,
        what="some of it arrived",
    )
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    client.join()
    assert not list((road.store / "blobs/sha256").glob(digest.hex_of(next(iter(contents.layers)))))
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.bytes_sent < 185 * MB


@pytest.mark.parametrize("moment", ["look at a partial blob", "check a blob"])
def test_a_check_that_outlived_its_client_is_not_undone(road: Road, moment: str) -> None:
    bundle, contents = pack({"laksa:1": (noise(3 * MB),)})
    road.faults = [lambda host: Before(host, "check a blob", host.close)]
    with pytest.raises(UnreachableError):
        road.ship(bundle, contents, attempts=1)
    (layer,) = contents.layers.values()

    def finish() -> None:
        store = Store(road.connect(), road.paths)
        assert store.finish(layer.blob.digest, wire_digest=layer.blob.digest, encoding="zstd",
                            content=layer.diff_id, size_bytes=layer.size_bytes)  # fmt: skip
        store.host.close()

    road.faults = [lambda host: Before(host, moment, finish)]
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.bytes_sent < MB


def test_a_partial_blob_that_was_damaged_there_is_sent_anew(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(8 * MB),)})
    road.faults = [lambda host: CutAfter(host, 4 * MB, host.close)]
    with pytest.raises(UnreachableError):
        road.ship(bundle, contents, attempts=1)
    (part,) = (road.store / "parts").glob("*.part")
    assert part.stat().st_size > MB
    with part.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"rusak")
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.bytes_sent > 8 * MB


def test_bytes_spoiled_on_the_server_never_get_their_name(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(2 * MB),)})
    road.faults = [lambda host: Before(host, "check a blob", lambda: spoil_parts(road))]
    report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert report.bytes_sent > 4 * MB


def spoil_parts(road: Road) -> None:
    for part in (road.store / "parts").glob("*.part"):
        with part.open("r+b") as stream:
            stream.write(b"rusak")


def test_a_disk_that_keeps_lying_is_named(road: Road) -> None:
    bundle, contents = pack({"laksa:1": (noise(2 * MB),)})
    road.faults = [lambda host: Before(host, "check a blob", lambda: spoil_parts(road), times=2)]
    with pytest.raises(RemoteCommandError, match="other bytes"):
        road.ship(bundle, contents)
    (layer,) = contents.layers
    assert digest.hex_of(layer) not in road.held()


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_a_corrupt_blob_in_the_bundle_is_refused(road: Road, zstd: bool) -> None:
    bundle, contents = pack({"laksa:1": (noise(2 * MB),)})
    (layer,) = contents.layers.values()
    damaged = bytearray(bundle.blobs[layer.blob.digest])
    damaged[len(damaged) // 2] ^= 1
    bundle.blobs[layer.blob.digest] = bytes(damaged)
    with without_zstd(road.server, active=not zstd), pytest.raises(UntrustedBundleError):
        road.ship(bundle, contents)
    assert digest.hex_of(layer.diff_id) not in road.held()
    assert not list((road.store / "releases").iterdir())
    assert not list((road.store / "parts").glob("*.part"))


class without_zstd:
    """A server on which zstd is not installed, for a while."""

    def __init__(self, server: Server, active: bool = True) -> None:
        self._server = server
        self._active = active

    def __enter__(self) -> None:
        if self._active:
            self._server.run(["mv", "/usr/bin/zstd", "/usr/bin/zstd.away"])

    def __exit__(self, *_what: object) -> None:
        if self._active:
            self._server.run(["mv", "/usr/bin/zstd.away", "/usr/bin/zstd"])


def test_without_zstd_there_gzip_is_made_on_the_way_and_resumes(road: Road) -> None:
    half = noise(MB) * 20 + noise(20 * MB, 2)
    bundle, contents = pack({"laksa:1": (half,)})
    with without_zstd(road.server):
        road.faults = [lambda host: CutAfter(host, 15 * MB, lambda: cut(road.server))]
        report = road.ship(bundle, contents)
    assert road.arrived(contents)
    assert [layer.outcome for layer in report.layers] == ["gzip"]
    assert report.reconnects == 1
    assert report.bytes_resent < 5 * MB
    assert report.bytes_sent < 47 * MB


def test_without_docker_nothing_is_changed(lab: Lab) -> None:
    bare = lab.server("tanpa", engine=False)
    road = Road(lab, bare, "/var/lib/smartcity/t")
    with pytest.raises(EngineError, match="no Docker") as caught:
        road.ship(*pack({"laksa:1": (b"app",)}))
    assert "apt-get install" in caught.value.hint
    assert not road.store.exists()
    bare.remove()


@pytest.fixture(scope="module")
def small(lab: Lab) -> Iterator[Server]:
    server = lab.server("sempit", store_disk_mib=ROOM_MIB)
    yield server
    server.remove()


class TestFullDisk:
    def test_what_cannot_fit_is_refused_before_sending(self, lab: Lab, small: Server) -> None:
        road = Road(lab, small, "/var/lib/smartcity/a")
        bundle, contents = pack({"laksa:1": (bytes(ROOM_MIB << 20),)})
        with pytest.raises(DiskFullError):
            road.ship(bundle, contents)
        assert not road.store.exists()

    @pytest.mark.parametrize("moment", ["receive a blob", "check a blob", "store small"])
    def test_a_disk_that_fills_on_the_way_leaves_nothing_half(
        self, lab: Lab, small: Server, moment: str
    ) -> None:
        road = Road(lab, small, "/var/lib/smartcity/b")
        # One layer: the room that a second one is writing into cannot be taken away for good.
        bundle, contents = pack({"laksa:1": (noise(15 * MB),)})
        road.faults = [
            lambda host: Before(
                host, moment, lambda: small.fill_disk("/var/lib/smartcity", leave_mib=0)
            )
        ]
        with pytest.raises(DiskFullError) as caught:
            road.ship(bundle, contents)
        assert caught.value.hint
        assert all(digest.hex_of(digest.of_bytes(b)) == n for n, b in road.held().items())
        assert not list((road.store / "releases").iterdir())
        small.free_disk("/var/lib/smartcity")
        road.ship(bundle, contents)
        assert road.arrived(contents)
        small.run(["rm", "-rf", "/var/lib/smartcity/b"])


def test_layers_that_the_engine_has_are_not_sent(road: Road) -> None:
    layer = tar_layer()
    image = subprocess.run(
        ("docker", "-H", f"unix://{road.server.docker_socket}", "import", "-", "dasar:1"),
        input=layer,
        check=True,
        capture_output=True,
    )
    assert image.stdout.startswith(b"sha256:")
    facts = gather(road.connect(), road.paths)
    (found,) = (i for i in facts.images if "dasar:1" in i.tags)
    assert found.diff_ids == (digest.of_bytes(layer),)
    assert facts.engine is not None
    assert facts.engine.version.startswith("26.")
    assert facts.engine.compose_version
    assert facts.engine_disk is not None
    bundle, contents = pack({"laksa:1": (layer, b"app")})
    report = road.ship(bundle, contents)
    assert [x.outcome for x in report.layers] == ["engine", "zstd"]
    held = road.held()
    assert digest.hex_of(digest.of_bytes(layer)) not in held
    assert digest.hex_of(digest.of_bytes(b"app")) in held
    report = road.ship(bundle, contents, trust_engine=False)
    assert [x.outcome for x in report.layers] == ["zstd", "store"]
    assert road.arrived(contents)


def tar_layer() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("berkas")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"dasar"))
    return out.getvalue()


def test_a_stopped_writer_that_wakes_up_late_does_no_harm(road: Road) -> None:
    """Its part was finished by another client meanwhile; it writes into nobody's file."""
    bundle, contents = pack({"laksa:1": (noise(6 * MB),)})
    (layer,) = contents.layers.values()
    data = bundle.blobs[layer.blob.digest]
    first = Store(road.connect(), road.paths)
    first.prepare()

    def halfway() -> Iterator[bytes]:
        yield data[: 3 * MB]
        assert road.ship(bundle, contents).layers[0].outcome == "zstd"
        yield b"late and wrong" * 1000

    first.append(layer.blob.digest, 0, halfway(), len(data))
    assert road.arrived(contents)
    first.host.close()
