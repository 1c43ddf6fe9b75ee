"""The engine contract on Docker Compose, with both ways in which Docker Engine keeps images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from engine import EngineContract, Rig, address_of, rig_on, use_containerd_store

from smartcity_pkg.core.errors import EngineError, UnreachableError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.host import Completed, shown
from smartcity_pkg.hosts.ssh import connect
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.oldengine import engine_20_10

pytestmark = pytest.mark.lab


@pytest.fixture(params=["overlay2", "containerd"])
def mortal(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Rig]:
    """A server whose Docker disk can lose what was not written."""
    server = lab.server("mortal", docker_disk_mib=512)
    if request.param == "containerd":
        use_containerd_store(server)
    yield from rig_on(lab, server)


class TestComposeOnOverlay2(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, lab: Lab) -> Iterator[Rig]:
        yield from rig_on(lab, lab.server("overlay2"))

    def test_the_store_is_overlay2(self, rig: Rig) -> None:
        assert not rig.facts().containerd_store


class TestComposeOnContainerdStore(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, lab: Lab) -> Iterator[Rig]:
        server = lab.server("containerd")
        use_containerd_store(server)
        yield from rig_on(lab, server)

    def test_the_store_is_containerds(self, rig: Rig) -> None:
        assert rig.facts().containerd_store


class TestComposeOnEngine20(EngineContract):
    """The oldest engine that is supported."""

    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, lab: Lab) -> Iterator[Rig]:
        yield from rig_on(lab, lab.server("engine20", engine_over=engine_20_10(lab.home)))

    def test_the_engine_is_20_10(self, rig: Rig) -> None:
        assert rig.facts().version.startswith("20.10.")
        assert not rig.facts().containerd_store


def test_an_engine_that_does_not_answer_is_named_with_its_cure(lab: Lab) -> None:
    for rig in rig_on(lab, lab.server("stopped")):
        rig.server.stop_engine()
        with pytest.raises(EngineError) as refused:
            rig.facts()
        assert "systemctl start docker" in refused.value.hint


def test_an_engine_that_hangs_does_not_answer(lab: Lab) -> None:
    for rig in rig_on(lab, lab.server("hanging")):
        rig.server.run(["pkill", "-STOP", "-x", "dockerd"])
        try:
            assert not rig.engine.answers()
        finally:
            rig.server.run(["pkill", "-CONT", "-x", "dockerd"])
        assert rig.engine.answers()


def test_a_server_without_docker_is_told_what_to_install(lab: Lab) -> None:
    for rig in rig_on(lab, lab.server("bare", engine=False)):
        with pytest.raises(EngineError) as refused:
            rig.facts()
        assert "docker" in refused.value.hint


class DeadAt:
    """A host whose power goes when a script of that name is asked for."""

    def __init__(self, rig: Rig, script_name: str) -> None:
        self._rig = rig
        self._script = script_name

    @property
    def name(self) -> str:
        return self._rig.host.name

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        if shown(argv) == self._script:
            self._rig.server.power_cut(lose_unwritten=True)
            raise UnreachableError("power cut")
        return self._rig.host.run(argv, **options)  # type: ignore[arg-type]


def reads_back(rig: Rig, reference: str) -> bool:
    return rig.server.run(["sh", "-c", f"docker save {reference} >/dev/null"]).returncode == 0


def test_an_image_that_was_loaded_survives_the_power_cut(mortal: Rig) -> None:
    made = mortal.loaded()
    mortal.server.power_cut(lose_unwritten=True)
    mortal.server.start()
    assert reads_back(mortal, made.described.reference)


def test_a_load_cut_by_the_power_is_healed_by_the_next_one(mortal: Rig, lab: Lab) -> None:
    made = mortal.image()
    mortal.put(*made.layers)
    dying = ComposeEngine(DeadAt(mortal, "look at the images"), mortal.store)  # type: ignore[arg-type]
    with pytest.raises(UnreachableError):
        dying.load(made.described, made.config)
    mortal.server.start()
    host = connect(address_of(lab, mortal.server), name="again")
    engine = ComposeEngine(host, mortal.store)
    assert not engine.whole([made.described]), "no name before the content is on the disk"
    engine.load(made.described, made.config, doubt=True)
    assert engine.whole([made.described])
    assert reads_back(mortal, made.described.reference)
    host.close()
