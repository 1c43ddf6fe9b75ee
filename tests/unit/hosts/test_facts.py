"""Reading saved answers of servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.hosts.facts import EngineImage, FileSystem, gather, need_engine, parse
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import StorePaths

HEX = "a" * 64
BARE = """\
clock 1795471476
machine x86_64
cpus 2
memory MemTotal: 2048000
memory MemAvailable: 1024000
tool zstd
tool tar
disk store 65024 4096 1000 2000
"""
ENGINE = (
    '{"version":"26.1.5+dfsg1","driver":"overlay2","status":[["Backing Filesystem","extfs"]],'
    '"root":"/var/lib/docker","swarm":"inactive"}'
)
FULL = (
    BARE
    + f"""\
file blobs/sha256 1234 {HEX}
file blobs/sha256 5 stranger
file parts 99 {HEX}.part
file parts 7 {HEX}.new.123
offer 2-0123456789ab
offer 3-0123456789ab
current 2-0123456789ab
docker
engine {ENGINE}
compose 2.26.1
disk engine 65025 4096 500 600
image sha256:{HEX} ["sha256:b","sha256:c"] ["laksa:1","dasar:1"]
image sha256:{"0" * 64} null null
"""
)


def test_a_full_answer_is_read() -> None:
    facts = parse(FULL)
    assert facts.architecture == "amd64"
    assert facts.memory_bytes == 2048000 << 10
    assert facts.memory_available_bytes == 1024000 << 10
    assert facts.tools == {"zstd", "tar"}
    assert facts.store_disk == FileSystem(65024, 4096 * 1000, 4096 * 2000)
    assert facts.engine_disk == FileSystem(65025, 4096 * 500, 4096 * 600)
    assert facts.blobs == {f"sha256:{HEX}": 1234}
    assert facts.parts == {f"{HEX}.part": 99}
    assert facts.offers == {"2-0123456789ab", "3-0123456789ab"}
    assert facts.current == "2-0123456789ab"
    assert facts.engine is not None
    assert facts.engine.version == "26.1.5+dfsg1"
    assert not facts.engine.containerd_store
    assert facts.engine.compose_version == "2.26.1"
    assert facts.images == (
        EngineImage("sha256:" + "0" * 64, (), ()),
        EngineImage(f"sha256:{HEX}", ("sha256:b", "sha256:c"), ("dasar:1", "laksa:1")),
    )


def test_containerds_store_is_recognised() -> None:
    text = FULL.replace("overlay2", "overlayfs").replace(
        '["Backing Filesystem","extfs"]', '["driver-type","io.containerd.snapshotter.v1"]'
    )
    engine = parse(text).engine
    assert engine is not None
    assert engine.containerd_store


def test_a_server_without_docker_is_told_what_to_install() -> None:
    with pytest.raises(EngineError, match="no Docker") as caught:
        need_engine(parse(BARE), "pemda")
    assert "docker-compose" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    ["docker\n", 'docker\nengine {"version":"","driver":"","status":null,"root":"","swarm":""}\n'],
)
def test_a_silent_daemon_is_another_matter(answer: str) -> None:
    with pytest.raises(EngineError, match="does not answer") as caught:
        need_engine(parse(BARE + answer), "pemda")
    assert "systemctl start docker" in caught.value.hint


@pytest.mark.parametrize("text", ["", "Welcome!\n", BARE.replace("cpus 2", "cpus two")])
def test_an_answer_without_sense_is_not_guessed_at(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)


def test_chatter_of_a_login_shell_is_passed_over() -> None:
    assert parse("Selamat datang di server\n\n" + FULL) == parse(FULL)


def test_this_machine_answers_without_being_changed(tmp_path: Path) -> None:
    facts = gather(LocalHost(), StorePaths(str(tmp_path / "a/b")))
    assert facts.cpus >= 1
    assert facts.store_disk.free_bytes > 0
    assert facts.blobs == {}
    assert not (tmp_path / "a").exists()
