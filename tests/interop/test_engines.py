"""Every engine that is supported loads and runs the images of one and the same bundle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine import Rig, rig_on, use_containerd_store
from interop_world import Made

from smartcity_pkg.bundle.compression import decompressed
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.oldengine import engine_20_10

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["20.10 overlay2", "26.1 overlay2", "26.1 containerd"])
def rig(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Rig]:
    version, store = request.param.split()
    over = engine_20_10(lab.home) if version == "20.10" else None
    server = lab.server(f"load-{version.replace('.', '-')}-{store}", engine_over=over)
    if store == "containerd":
        use_containerd_store(server)
    for each in rig_on(lab, server):
        facts = each.facts()
        assert facts.version.startswith(version)
        assert facts.containerd_store is (store == "containerd")
        yield each


def test_an_engine_loads_and_runs_each_image_of_a_bundle(rig: Rig, made: Made) -> None:
    contents = verify(made.tar, made.keys.trusted)
    with open_bundle(made.tar) as bundle:
        for packed in contents.layers.values():
            with bundle.open(packed.blob.digest) as stream:
                rig.put(b"".join(decompressed(stream, packed.size_bytes)))
        for image in contents.release.images:
            rig.engine.load(image, bundle.read(image.config_digest))
    for image in contents.release.images:
        assert rig.has(image)
        name = image.source.removeprefix("smartcity/").partition(":")[0]
        assert rig.docker("run", "--rm", image.reference, "cat", "/etc/which") == f"{name}\n"
