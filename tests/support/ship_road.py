"""Shipping to one practice server, into a store of its own, over hosts that fail when told."""

from __future__ import annotations

import random
from pathlib import Path

from ship_world import SERVER, MemoryBundle

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.core import digest
from smartcity_pkg.core.progress import Event
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server
from smartcity_pkg.ship.shipment import ShipReport
from smartcity_pkg.ship.transfer import ship


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def cut(server: Server) -> None:
    """Kill the sessions of sshd; the listener (parent of all) lives on."""
    server.run(["pkill", "-KILL", "-f", "^sshd(-session)?: root"])


class Road:
    """Ships to one server, into a store of its own; `spoil` wraps the hosts in faults."""

    def __init__(self, lab: Lab, server: Server, root: str) -> None:
        self.address = SshAddress(
            server.address, host_key=server.host_key, key_file=str(lab.client_key)
        )
        self.server = server
        self.paths = StorePaths(root)
        self.events: list[Event] = []
        self.faults: list[object] = []

    def connect(self) -> Host:
        host: Host = ssh.connect(self.address, name="kirim")
        if self.faults:
            fault = self.faults.pop(0)
            host = fault(host)  # type: ignore[operator]
        return host

    def ship(self, bundle: MemoryBundle, contents: BundleContents, **more: object) -> ShipReport:
        return ship(
            bundle,
            contents,
            SERVER,
            self.connect,
            progress=self.events.append,
            paths=self.paths,
            backoff_s=0,
            **more,  # type: ignore[arg-type]
        )

    @property
    def store(self) -> Path:
        return self.server.path(str(self.paths.root)) / "store"

    def held(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (self.store / "blobs/sha256").iterdir()}

    def arrived(self, contents: BundleContents) -> bool:
        """Everything is there, whole, under its name, and nothing is left over."""
        held = self.held()
        names = {digest.hex_of(d) for d in contents.layers}
        names |= {digest.hex_of(b.digest) for b in contents.small_blobs}
        sound = all(digest.hex_of(digest.of_bytes(data)) == name for name, data in held.items())
        offer = self.store / "releases" / f"{contents.release.name}.json"
        left = list((self.store / "parts").iterdir())
        return sound and names <= held.keys() and offer.exists() and not left
