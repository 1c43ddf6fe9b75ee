"""A server with nothing wrong, as facts; and each thing that may be wrong with one."""

from __future__ import annotations

import dataclasses
from typing import Any

from install_world import PORT

from smartcity_pkg.hosts.facts import EngineFacts, FileSystem, ServerFacts
from smartcity_pkg.hosts.surroundings import FoundContainer, Inodes, Surroundings

GB = 10**9
ENGINE = EngineFacts(
    version="26.1.5+dfsg1",
    driver="overlay2",
    containerd_store=False,
    root_dir="/var/lib/docker",
    swarm="inactive",
    compose_version="2.26.1-4",
)
FACTS = ServerFacts(
    clock_s=1000,
    architecture="amd64",
    cpus=2,
    memory_bytes=4 * GB,
    memory_available_bytes=3 * GB,
    tools=frozenset({"tar", "sha256sum", "stat", "zstd"}),
    store_disk=FileSystem(1, 100 * GB, 200 * GB),
    docker_installed=True,
    engine=ENGINE,
    engine_disk=FileSystem(1, 100 * GB, 200 * GB),
)

AROUND = Surroundings(
    temporary_disk=FileSystem(1, 100 * GB, 200 * GB),
    inodes={"store": Inodes(10**6, 10**7), "temporary": Inodes(0, 0)},
    names={"kota.go.id": ("192.0.2.1",)},
    firewall_seen=True,
)


def facts(**changes: Any) -> ServerFacts:
    return dataclasses.replace(FACTS, **changes)


def around(**changes: Any) -> Surroundings:
    return dataclasses.replace(AROUND, **changes)


def container(name: str, project: str = "", release: str = "", *ports: int) -> FoundContainer:
    files = (f"/var/lib/smartcity/releases/{release}/x.yaml",) if release else ()
    return FoundContainer(name, "running", project, files, frozenset(ports))


def engine(**changes: Any) -> ServerFacts:
    return facts(engine=dataclasses.replace(ENGINE, **changes))


# What blocks: changes of a good question, the rule, and what its words hold.
BAD = {
    "other server": ({"server": "s9"}, "identity", ["s9", "s1"]),
    "wrong processor": ({"facts": facts(architecture="arm64")}, "architecture", ["amd64", "arm64"]),
    "old engine": ({"facts": engine(version="19.03.15")}, "engine", ["19.03.15", "20.10"]),
    "old compose": ({"facts": engine(compose_version="1.29.2")}, "engine", ["1.29.2", "2.0"]),
    "odd version": ({"facts": engine(version="dev")}, "engine", ["dev"]),
    "no tar": ({"facts": facts(tools=frozenset({"sha256sum", "stat", "zstd"}))}, "tools", ["tar"]),
    "store full": ({"facts": facts(store_disk=FileSystem(1, 10**6, GB))}, "disk", ["1.0 MB"]),
    "little memory": ({"facts": facts(memory_bytes=32 * 2**20)}, "memory", ["67.1 MB", "33.6 MB"]),
    "no docker": ({"facts": facts(engine=None, docker_installed=False)}, "engine", ["no Docker"]),
    "silent docker": ({"facts": facts(engine=None)}, "engine", ["does not answer"]),
    "no compose": ({"facts": engine(compose_version="")}, "engine", ["docker compose"]),
    "temporary full": (
        {"around": around(temporary_disk=FileSystem(9, 10**6, GB))},
        *("disk", ["temporary", "16.8 MB", "1.0 MB"]),
    ),
    "two places on one disk": (
        {
            "facts": facts(store_disk=FileSystem(9, 70 * 10**6, GB)),
            "around": around(temporary_disk=FileSystem(9, 70 * 10**6, GB)),
        },
        *("disk", ["store", "temporary", "83.9 MB", "70.0 MB"]),
    ),
    "no inodes": (
        {"around": around(inodes={"engine": Inodes(7, 10**6)})},
        "inodes",
        ["7", "5,000"],
    ),
    "port taken": (
        {"around": around(listening=frozenset({PORT}))},
        *("entrance", [str(PORT), "another program"]),
    ),
    "port of a container": (
        {"around": around(containers=(container("web", "toko", "", PORT),))},
        *("entrance", [str(PORT), "web"]),
    ),
}
# What warns, and whether it is only told.
WARNED = {
    "leftovers": ({"around": around(containers=(container("tua", "smartcity-lapor"),))}, False),
    "names": ({"around": around(names={"kota.go.id": ()})}, True),
    "firewall": ({"around": around(firewall=("-A DOCKER-USER -j DROP",))}, True),
    "zstd": ({"facts": facts(tools=frozenset({"tar", "sha256sum", "stat"}))}, True),
    "clock": ({"clock_s": 10**6}, False),
}
