"""A server with nothing wrong, as facts."""

from __future__ import annotations

from smartcity_pkg.hosts.facts import EngineFacts, FileSystem, ServerFacts
from smartcity_pkg.hosts.surroundings import Inodes, Surroundings

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
