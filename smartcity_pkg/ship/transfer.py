"""Ships a release to one server, and connects again after any cut.

What happens over one connection is the shipment's (`ship.shipment`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from smartcity_pkg.bundle.contents import BlobReader, BundleContents
from smartcity_pkg.core.errors import UnreachableError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress, no_progress
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.ship.gziponce import GzipOnce
from smartcity_pkg.ship.pace import Pace, WindowClosedError
from smartcity_pkg.ship.patching import Patcher
from smartcity_pkg.ship.shipment import Shipment, ShipReport

_LONGEST_PAUSE_S = 30.0


def ship(
    bundle: BlobReader,
    contents: BundleContents,
    server_name: str,
    connect: Callable[[], Host],
    *,
    progress: Progress = no_progress,
    paths: StorePaths | None = None,
    attempts: int = 5,
    backoff_s: float = 1.0,
    trust_engine: bool = True,
    receipt: bytes = b"",
    patcher: Patcher | None = None,
    pace: Pace | None = None,
    gzips: GzipOnce | None = None,
    before: Callable[[Host], None] | None = None,
) -> ShipReport:
    """Bring the release's content for `server_name` into the store behind `connect`.

    `receipt` says who checked the bundle; the server keeps it beside the offer. Without `patcher`
    every layer that is missing travels whole. `pace` says when and how fast bytes may leave; it and
    `gzips` may be shared with other servers' shipments. `before` is done first on each connection
    (another road's work); it may be done again.
    A lost link is met by connecting again, with growing pauses from `backoff_s` on, until
    `attempts` connections in a row have brought nothing. May be called again after any failure: it
    goes on where it was. Raises UnreachableError, EngineError without Docker on the server,
    DiskFullError before or while sending, UntrustedBundleError where the bundle's bytes are not
    those it names; nothing unchecked has its final name then.
    """
    started = time.monotonic()
    pace = pace or Pace()
    gzips = gzips or GzipOnce(bundle)
    shipment = Shipment(
        bundle, contents, server_name, progress, paths, trust_engine, receipt, patcher, pace, gzips
    )
    fruitless, landed = 0, 0
    while True:
        pace.await_window(server_name, progress)
        try:
            with closing(connect()) as host:
                shipment.connections += 1
                if before:
                    before(host)
                shipment.over(host)
            break
        except WindowClosedError:
            continue
        except UnreachableError as error:
            fruitless = 0 if shipment.landed_bytes > landed else fruitless + 1
            landed = shipment.landed_bytes
            if not error.transient or not shipment.connections or fruitless >= attempts:
                raise
            pause_s = min(backoff_s * 2**fruitless, _LONGEST_PAUSE_S)
            progress(Note(_paused(error, pause_s), warning=True))
            pace.pause(pause_s)
    return shipment.report(time.monotonic() - started)


def _paused(error: UnreachableError, pause_s: float) -> str:
    return _("{error}; connecting again in {seconds:.0f} s").format(
        error=error.message, seconds=pause_s
    )
