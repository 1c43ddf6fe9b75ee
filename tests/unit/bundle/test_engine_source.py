"""Images of a real Docker Engine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from bundle_world import Keys, config_of, layer, packed, write_new_archive

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sources.engine import EngineSource
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import SmartCityError
from smartcity_pkg.core.progress import Event, Transfer, no_progress
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab

Images = dict[str, list[bytes]]


def _load(server: Server, archive: Path) -> str:
    """Load an archive into the server's engine; gives the engine's address."""
    address = f"unix://{server.docker_socket}"
    client = docker.DockerClient(base_url=address)
    try:
        client.images.load(archive.read_bytes())
    finally:
        client.close()
    return address


@pytest.fixture(scope="module", params=["overlay2", "containerd"])
def engine(
    request: pytest.FixtureRequest,
    lab: Lab,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of an engine that has the images, with either of its image stores."""
    server = lab.server(f"images-{request.param}")
    if request.param == "containerd":
        server.stop_engine()
        features = b'{"features": {"containerd-snapshotter": true}}'
        server.run(
            ["sh", "-c", "mkdir -p /etc/docker; cat >/etc/docker/daemon.json"], stdin=features
        )
        server.start_engine()
    archive = write_new_archive(tmp_path_factory.mktemp("engine") / "images.tar", images)
    yield _load(server, archive)
    server.remove()


def test_an_engine_gives_the_same_bundle_as_a_layout(
    engine: str, images: Images, keys: Keys, bundles: dict[str, Path], tmp_path: Path
) -> None:
    made = packed(
        EngineSource(engine), list(images), keys, tmp_path / "out.tar", cache=tmp_path / "cache"
    )
    expected = verify(bundles["tar"], keys.trusted)
    assert verify(tmp_path / "out.tar", keys.trusted) == made.contents
    assert made.contents.layers == expected.layers
    assert made.contents.root_digest == expected.root_digest
    assert (tmp_path / "out.tar").read_bytes() == bundles["tar"].read_bytes()


def test_nothing_is_exported_when_all_was_packed_before(
    engine: str, images: Images, keys: Keys, tmp_path: Path
) -> None:
    source, cache = EngineSource(engine), tmp_path / "cache"
    first = packed(source, list(images), keys, tmp_path / "one.tar", cache=cache)
    events: list[Event] = []
    found = source.resolve(list(images), LayerCache(cache), events.append)
    source.fetch(list(found.values()), LayerCache(cache), events.append)
    assert not [e for e in events if isinstance(e, Transfer)]
    second = packed(source, list(images), keys, tmp_path / "two.tar", cache=cache)
    assert second.reused_layers == len(first.contents.layers)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_an_image_built_again_brings_only_its_new_layer(
    engine: str, images: Images, keys: Keys, tmp_path: Path
) -> None:
    reference = "smartcity/next:1"
    old = [images["smartcity/laksa:1.0.0"][0], layer({"srv/app.py": b"print(1)\n"})]
    new = [old[0], layer({"srv/app.py": b"print(2)\n"})]
    source = EngineSource(engine)
    client = docker.DockerClient(base_url=engine)
    try:
        for number, layers in enumerate((old, new)):
            archive = write_new_archive(tmp_path / f"{number}.tar", {reference: layers})
            client.images.load(archive.read_bytes())
            made = packed(
                source,
                [reference],
                keys,
                tmp_path / f"bundle{number}.tar",
                cache=tmp_path / "cache",
            )
            [image] = made.contents.release.images
            assert image.config_digest == digest.of_bytes(config_of(layers))
        assert made.reused_layers == (2 if _containerd(client) else 1)
    finally:
        client.close()


def test_only_an_image_with_something_new_is_read_from_the_engine(
    engine: str, images: Images, keys: Keys, tmp_path: Path
) -> None:
    """Counted in bytes of the export: those of the changed image, none of the others."""
    noise = random.Random(7).randbytes(3 << 20)
    large = {f"smartcity/n{n}:1": [layer({"a": noise, "n": bytes((n,))})] for n in range(3)}
    changed = {"smartcity/n1:1": [*large["smartcity/n1:1"], layer({"app": b"2"})]}
    source, cache = EngineSource(engine), tmp_path / "cache"

    def read(number: int, loaded: Images) -> int:
        client = docker.DockerClient(base_url=engine)
        try:
            archive = write_new_archive(tmp_path / f"{number}.tar", loaded)
            client.images.load(archive.read_bytes())
        finally:
            client.close()
        events: list[Event] = []
        kept = LayerCache(cache)
        found = source.resolve(list(large), kept, events.append)
        source.fetch(list(found.values()), kept, events.append)
        done = [e.done for e in events if isinstance(e, Transfer) and e.task == "export"]
        return max(done, default=0)

    assert read(0, large) > 9 << 20
    assert 3 << 20 < read(1, changed) < 4 << 20
    assert read(2, changed) == 0


def _containerd(client: docker.DockerClient) -> bool:
    """There, resolving exports the image, so that packing finds even the new layer in the cache."""
    return any("containerd" in str(pair) for pair in client.info().get("DriverStatus") or ())


def test_images_that_an_engine_lacks_are_named(engine: str, images: Images, tmp_path: Path) -> None:
    with pytest.raises(SmartCityError) as caught:
        EngineSource(engine).resolve(
            ["no/such:1", *images, "nor:2"], LayerCache(tmp_path), no_progress
        )
    assert "no/such:1, nor:2" in caught.value.message
    assert "smartcity/laksa:1.0.0" in caught.value.hint
