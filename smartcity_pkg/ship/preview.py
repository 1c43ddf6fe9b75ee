"""What a shipment would take: the same work, with commands that change nothing on the server.

Questions are asked in earnest, patches are made (and kept for the shipment to come), every byte is
counted where it would be sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from smartcity_pkg.bundle.contents import BlobReader, BundleContents
from smartcity_pkg.core.progress import no_progress
from smartcity_pkg.hosts.host import DEFAULT_TIMEOUT_S, Completed, Host, HostAround, shown
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.ship.gziponce import GzipOnce
from smartcity_pkg.ship.pace import Pace
from smartcity_pkg.ship.patching import USUAL_MBPS, Patcher, apply_s
from smartcity_pkg.ship.shipment import Shipment, ShippedLayer

# The scripts that only look (their first lines).
_LOOKING = frozenset(
    (
        "gather facts",
        "look at a partial blob",
        "list what the store holds",
        "read a file of the store",
    )
)
_DIGITS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Preview:
    """What `ship` would do for one server. Sizes in bytes, as in `ShipReport`.

    `seconds` is an estimate: the bytes on a link of `link_mbps`, and the server's own work.
    """

    server: str
    region: str
    release: str
    already_there: bool
    bytes_sent: int
    bytes_saved: int
    bytes_patched: int
    link_mbps: float
    seconds: float
    layers: tuple[ShippedLayer, ...]

    def seconds_at(self, mbps: float) -> float:
        """How long it would take on another link, with the same plan."""
        return self.seconds + self.bytes_sent * 8 / 1e6 * (1 / mbps - 1 / self.link_mbps)


def preview(
    bundle: BlobReader,
    contents: BundleContents,
    server_name: str,
    connect: Callable[[], Host],
    *,
    paths: StorePaths | None = None,
    receipt: bytes = b"",
    patcher: Patcher | None = None,
    link_mbps: float = USUAL_MBPS,
) -> Preview:
    """Look at the server behind `connect` and say what `ship` with the same arguments would send.

    Raises what `ship` raises before it sends anything.
    """
    with closing(GzipOnce(bundle)) as gzips, closing(connect()) as host:
        shipment = Shipment(
            bundle,
            contents,
            server_name,
            no_progress,
            paths,
            True,
            receipt,
            patcher,
            Pace(),
            gzips,
        )
        shipment.over(_Rehearsal(host))
    report, plan = shipment.report(0.0), shipment.plan
    own_s = sum(r.seconds for r in plan.recoveries)
    own_s += sum(apply_s(b.size_bytes) for b in plan.to_send if b.encoding == "patch")
    return Preview(
        server=server_name,
        region=contents.release.region,
        release=report.release,
        already_there=report.already_there,
        bytes_sent=report.bytes_sent,
        bytes_saved=report.bytes_saved,
        bytes_patched=report.bytes_patched,
        link_mbps=link_mbps,
        seconds=round(own_s + report.bytes_sent * 8 / (link_mbps * 1e6), 1),
        layers=report.layers,
    )


class _Rehearsal(HostAround):
    """A host where only looking is done; everything else is said to have gone well."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        if shown(argv) in _LOOKING:
            return super().run(argv, stdin=stdin, timeout_s=timeout_s, check=check)
        for _chunk in (stdin,) if isinstance(stdin, bytes) else stdin:
            pass
        # What names content (`recover layers …`) says which of it is there now: all.
        there = "\n".join(word for word in argv if _DIGITS.fullmatch(word))
        return Completed(tuple(argv), 0, there.encode(), b"")
