"""Images that servers pull from a real registry into real engines, and are proven there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from engine import use_containerd_store
from install_world import SERVER, Draft, World, busybox_of
from private_registry import PrivateRegistry, need_registry, private_registry

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.registry.address import Transport, parse_address
from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.push import push_verified
from smartcity_pkg.cli.roads import RegistryRoad, SshRoad, road
from smartcity_pkg.core.errors import EngineError, UsageError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.oldengine import engine_20_10
from smartcity_pkg.lab.server import Server
from smartcity_pkg.ship.registry import names_there, pull_images
from smartcity_pkg.ship.shipment import ShipReport
from smartcity_pkg.ship.transfer import ship

pytestmark = pytest.mark.lab
DRAFT = Draft()


def test_roads_are_read() -> None:
    assert road("ssh", "--to") == SshRoad()
    assert road("registry:r.go.id:5000/kominfo/a", "--to") == RegistryRoad(
        parse_address("r.go.id:5000/kominfo/a")
    )


@pytest.mark.parametrize("text", ["", "ssh:", "usb", "registry", "registry:", "registry:nohost"])
def test_what_is_no_road_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        road(text, "--to")


@dataclass
class Region:
    """A registry with one bundle in it."""

    lab: Lab
    registry: PrivateRegistry
    world: World
    names: dict[str, str]

    @property
    def bundle(self) -> tuple[Path, BundleContents]:
        return self.world.bundle(DRAFT)

    def connect(self, server: Server) -> Host:
        key = str(self.lab.client_key)
        address = SshAddress(server.address, host_key=server.host_key, key_file=key)
        return ssh.connect(address, name=server.name)

    def ship(self, server: Server) -> ShipReport:
        path, contents = self.bundle
        with open_bundle(path) as bundle:
            return ship(
                bundle,
                contents,
                SERVER,
                lambda: self.connect(server),
                before=lambda host: pull_images(host, SERVER, contents, self.names) and None,
            )

    def whole(self, server: Server) -> bool:
        """Whether the engine has every image, under its pinned reference, usable."""
        host = self.connect(server)
        wanted = self.bundle[1].release.images_on(SERVER)
        there = ComposeEngine(host, StorePaths()).whole(wanted)
        host.close()
        return there == {image.reference for image in wanted}


@pytest.fixture(scope="module")
def region(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    need_registry()
    folder = tmp_path_factory.mktemp("road")
    world = World.make(folder / "world", busybox_of(lab.root_fs.ssh))
    with private_registry(folder / "registry", bind=lab.operator_address) as registry:
        path, contents = world.bundle(DRAFT)
        place = parse_address(f"{registry.host}/kominfo/karawang")
        repository = Repository(place, Transport(plain_http=True), None, writes=True)
        push_verified(path, contents, repository)
        repository.close()
        with open_bundle(path) as bundle:
            yield Region(lab, registry, world, names_there(place, bundle, contents))


def trusting(region: Region) -> tuple[str, ...]:
    return (f"--insecure-registry={region.registry.host}",)


@pytest.fixture(params=["overlay2", "containerd"])
def server(request: pytest.FixtureRequest, region: Region) -> Iterator[Server]:
    server = region.lab.server(f"tarik-{request.param}", dockerd_options=trusting(region))
    if request.param == "containerd":
        use_containerd_store(server)
    yield server
    server.remove()


def images_of(server: Server) -> set[str]:
    listed = server.run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).stdout
    return set(listed.split())


def test_a_server_pulls_its_images_and_ssh_brings_the_rest(region: Region, server: Server) -> None:
    contents = region.bundle[1]
    layers = sum(packed.blob.size_bytes for packed in contents.layers.values())
    report = region.ship(server)
    assert {layer.outcome for layer in report.layers} == {"engine"}
    assert report.bytes_sent < layers
    assert region.whole(server)
    references = {i.reference for i in contents.release.images_on(SERVER)}
    assert images_of(server) == references  # neither a staging name nor one of the registry
    pulled = region.registry.requests("GET", "/blobs/")
    again = region.ship(server)
    assert again.already_there
    assert region.registry.requests("GET", "/blobs/") == pulled


def test_what_is_not_the_image_gets_no_name(region: Region, server: Server) -> None:
    images = region.bundle[1].release.images_on(SERVER)
    names = [region.names[i.config_digest] for i in images]
    wrong = dict(zip((i.config_digest for i in images), reversed(names), strict=True))
    host = region.connect(server)
    with pytest.raises(EngineError, match="not the image"):
        pull_images(host, SERVER, region.bundle[1], wrong)
    host.close()
    assert not images_of(server)


def test_an_engine_that_does_not_trust_the_registry_says_so(region: Region) -> None:
    server = region.lab.server("curiga")
    with pytest.raises(EngineError) as caught:
        region.ship(server)
    assert region.registry.host in caught.value.message
    assert "HTTP" in caught.value.message  # the engine's own words
    assert "--to ssh" in caught.value.hint
    assert not images_of(server)
    assert not server.path("/var/lib/smartcity/store").exists()
    server.remove()


def test_an_old_engine_is_told_before_it_fetches_anything(region: Region) -> None:
    old = engine_20_10(region.lab.home)
    server = region.lab.server("tua", engine_over=old, dockerd_options=trusting(region))
    before = region.registry.requests("GET", "")
    with pytest.raises(EngineError, match=r"20\.10.*zstd") as caught:
        region.ship(server)
    assert "--to ssh" in caught.value.hint
    assert region.registry.requests("GET", "") == before
    server.remove()


def test_a_registry_that_lost_the_image_is_named(region: Region, tmp_path: Path) -> None:
    server = region.lab.server("hilang", dockerd_options=trusting(region))
    image = region.bundle[1].release.images_on(SERVER)[0]
    kept = region.registry.blob(image.config_digest)
    shutil.move(kept, tmp_path / "away")
    with pytest.raises(EngineError, match="cannot pull"):
        region.ship(server)
    shutil.move(tmp_path / "away", kept)
    region.ship(server)
    assert region.whole(server)
    server.remove()
