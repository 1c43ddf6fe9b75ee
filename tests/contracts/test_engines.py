"""The engine contract on Docker Compose, with both ways in which Docker Engine keeps images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine import EngineContract, Rig
from install_world import base_layer, busybox_of

from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.ssh import connect
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
_CONTAINERD = '{"features": {"containerd-snapshotter": true}}'


def rig_on(lab: Lab, server: Server) -> Iterator[Rig]:
    address = SshAddress(
        host=server.address, host_key=server.host_key, key_file=str(lab.client_key)
    )
    host = connect(address, name=server.name)
    store = StorePaths()
    base = base_layer(busybox_of(lab.root_fs.ssh))
    yield Rig(server, host, ComposeEngine(host, store), base)
    host.close()
    server.remove()


class TestComposeOnOverlay2(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, lab: Lab) -> Iterator[Rig]:
        yield from rig_on(lab, lab.server("overlay2"))

    def test_the_store_is_overlay2(self, rig: Rig) -> None:
        assert not rig.engine.check().containerd_store


class TestComposeOnContainerdStore(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, lab: Lab) -> Iterator[Rig]:
        server = lab.server("containerd")
        server.stop_engine()
        folder = server.path("/etc/docker")
        folder.mkdir(exist_ok=True)
        (folder / "daemon.json").write_text(_CONTAINERD)
        server.start_engine()
        yield from rig_on(lab, server)

    def test_the_store_is_containerds(self, rig: Rig) -> None:
        assert rig.engine.check().containerd_store


def test_an_engine_that_does_not_answer_is_named_with_its_cure(lab: Lab) -> None:
    for rig in rig_on(lab, lab.server("stopped")):
        rig.server.stop_engine()
        with pytest.raises(EngineError) as refused:
            rig.engine.check()
        assert "systemctl start docker" in refused.value.hint


def test_a_server_without_docker_is_told_what_to_install(lab: Lab) -> None:
    for rig in rig_on(lab, lab.server("bare", engine=False)):
        with pytest.raises(EngineError) as refused:
            rig.engine.check()
        assert "docker" in refused.value.hint
