"""The practice network: a hub in a namespace of its own, one cable to each server and to us.

The operator's side ends in the namespace of this process, as the interface PREFIX-office, so that
an ordinary SSH or HTTP client reaches the servers. There is no uplink, no route and no forwarding:
nothing leaves the machine.

Addresses are of 198.18.0.0/15, which is reserved for tests (RFC 2544). Each prefix gets one block
of 1,022 addresses (a /22) by a checksum of its name, the next free one if that is taken, so that
labs with different prefixes run side by side and a lab usually finds its addresses again. We have
the block's first address, the servers the following ones.
"""

from __future__ import annotations

import ipaddress
import json
import zlib
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.lab.cache import locked
from smartcity_pkg.lab.command import run, run_raw

_TEST_RANGE = ipaddress.IPv4Network("198.18.0.0/15")
_BLOCK_BITS = 22
_FORWARDING, _DISABLED = "3", "0"  # states of a bridge port


def mac_of(address: str) -> str:
    """The hardware address of `address`: derived, because a server that comes back with a new one
    stays unreachable until everybody's ARP entry has expired."""
    return ":".join(["02", "00", *(f"{int(part):02x}" for part in address.split("."))])


class Network:
    """The hub and its cables; `up` before anything else, `down` may be called any time."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.hub = f"{prefix}-hub"
        self.office = f"{prefix}-office"
        self._block = _TEST_RANGE

    def up(self, lock: Path) -> None:
        """Make the hub and our cable to it. `lock` guards the choice of a block."""
        with locked(lock):
            self._block = self._free_block()
            self._make_hub()

    def down(self) -> None:
        """Remove our cable and the hub; the servers' cables go with their `unplug`."""
        run_raw(["ip", "link", "del", self.office])
        run_raw(["ip", "netns", "del", self.hub])

    @property
    def operator_address(self) -> str:
        """Our own address on this network."""
        return str(self._block[1])

    def server_address(self, index: int) -> str:
        """The address of the server with this number (1, 2, …)."""
        if not 1 <= index < self._block.num_addresses - 2:
            raise LabError(_("a lab has room for {n} servers").format(n=1021))
        return str(self._block[index + 1])

    def plug_in(self, namespace: str, port: str, address: str) -> None:
        """Make `namespace` with an interface eth0 that is cabled to the hub's `port`."""
        mac = mac_of(address)
        run(["ip", "netns", "add", namespace])
        run(["ip", "-n", namespace, "link", "add", "eth0", "address", mac, "type", "veth",
             "peer", "name", port, "netns", self.hub])  # fmt: skip
        run(["ip", "-n", self.hub, "link", "set", port, "master", "hub", "up"])
        _batch(
            namespace,
            f"address add {address}/{_BLOCK_BITS} dev eth0",
            "link set eth0 up",
            "link set lo up",
            # Known for good: a real router would not answer "no route" when a server is silent.
            f"neigh replace {self.operator_address} dev eth0 nud permanent"
            f" lladdr {mac_of(self.operator_address)}",
        )
        run(["ip", "neigh", "replace", address, "dev", self.office, "nud", "permanent",
             "lladdr", mac])  # fmt: skip

    def unplug(self, namespace: str, port: str) -> None:
        """Remove a server's cable and namespace. Idempotent."""
        # The cable first: it goes at once, whereas a namespace goes some time after its removal.
        run_raw(["ip", "-n", self.hub, "link", "del", port])
        run_raw(["ip", "netns", "del", namespace])

    def set_link(self, port: str, *, up: bool) -> None:
        """Pull a server's cable, or put it back: the server sees its link go down."""
        run(["ip", "-n", self.hub, "link", "set", port, "up" if up else "down"])

    def set_black_hole(self, port: str, *, on: bool) -> None:
        """Lose every packet of a server, both ways, while its link looks fine."""
        state = _DISABLED if on else _FORWARDING
        run(["bridge", "-n", self.hub, "link", "set", "dev", port, "state", state])

    def set_rate(self, namespace: str, port: str, bits_per_s: int | None) -> None:
        """Limit a server's link in each direction; None takes the limit away."""
        for where, device in ((self.hub, port), (namespace, "eth0")):
            run_raw(["tc", "-n", where, "qdisc", "del", "dev", device, "root"])
            if bits_per_s is not None:
                burst_bytes = max(4096, bits_per_s // 8 // 100)  # ten milliseconds' worth
                run(["tc", "-n", where, "qdisc", "add", "dev", device, "root", "tbf",
                     "rate", f"{bits_per_s}bit", "burst", str(burst_bytes),
                     "latency", "400ms"])  # fmt: skip

    def _make_hub(self) -> None:
        mac = mac_of(self.operator_address)
        try:
            run(["ip", "netns", "add", self.hub])
            _batch(self.hub, "link add hub type bridge", "link set hub up", "link set lo up")
            run(["ip", "link", "add", self.office, "address", mac, "type", "veth",
                 "peer", "name", "office", "netns", self.hub])  # fmt: skip
            run(["ip", "-n", self.hub, "link", "set", "office", "master", "hub", "up"])
            run(["ip", "address", "add", f"{self.operator_address}/{_BLOCK_BITS}",
                 "dev", self.office])  # fmt: skip
            run(["ip", "link", "set", self.office, "up"])
        except LabError as error:
            raise LabError(
                _("the practice network cannot be made: {reason}").format(reason=error.message),
                _("Run as root on a machine or in a container that may make network interfaces."),
            ) from error

    def _free_block(self) -> ipaddress.IPv4Network:
        blocks = list(_TEST_RANGE.subnets(new_prefix=_BLOCK_BITS))
        first = zlib.crc32(self.prefix.encode()) % len(blocks)
        taken = _networks_here()
        for block in blocks[first:] + blocks[:first]:
            if not any(block.overlaps(network) for network in taken):
                return block
        raise LabError(_("no addresses are free for a practice network"))


def namespaces() -> list[str]:
    """The names of all network namespaces of this machine."""
    listed: list[dict[str, object]] = json.loads(run(["ip", "-j", "netns", "list"]) or "[]")
    return [str(entry["name"]) for entry in listed]


def _networks_here() -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that this namespace has addresses in."""
    interfaces = json.loads(run(["ip", "-j", "-4", "address", "show"]) or "[]")
    return [
        ipaddress.IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
        for interface in interfaces
        for info in interface.get("addr_info", [])
    ]


def _batch(namespace: str, *lines: str) -> None:
    """Several `ip` commands in one namespace, in one process."""
    text = "".join(f"{line}\n" for line in lines)
    run(["ip", "-n", namespace, "-batch", "-"], stdin=text.encode())
