"""From what the command line says about shipping to the work on each server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.receipt import Receipt
    from smartcity_pkg.cli.wiring.servers import Target
    from smartcity_pkg.ship.fanout import Connect, Outcome
    from smartcity_pkg.ship.pace import Pace
    from smartcity_pkg.ship.transfer import ShipReport


@dataclass(frozen=True)
class ShipOptions:
    """How to ship, as it was written: `limit` such as 2Mbit/s, `window` such as 22:00-05:00."""

    limit: str | None = None
    window: str | None = None
    parallel: int | None = None

    def check(self) -> None:
        """UsageError before any work is done."""
        self.pace()
        self.at_once()

    def pace(self) -> Pace:
        """When and how fast; UsageError where that cannot be read."""
        from smartcity_pkg.ship.pace import Pace, parse_rate, parse_window

        rate = parse_rate(self.limit) if self.limit else 0
        return Pace(rate, parse_window(self.window) if self.window else None)

    def at_once(self) -> int:
        """How many servers; UsageError below 1."""
        from smartcity_pkg.ship.fanout import DEFAULT_PARALLEL

        if self.parallel is None:
            return DEFAULT_PARALLEL
        if self.parallel < 1:
            raise UsageError(
                _("--parallel is {given}, expected 1 or more").format(given=self.parallel)
            )
        return self.parallel


def ship_to_all(
    session: Session,
    path: Path,
    contents: BundleContents,
    chosen: Sequence[Target],
    receipt: Receipt,
    options: ShipOptions,
) -> tuple[Outcome, ...]:
    """Ship to every server of `chosen`, several at once; all share one read of the bundle."""
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.ship.fanout import fan_out
    from smartcity_pkg.ship.gziponce import GzipOnce
    from smartcity_pkg.ship.transfer import ship

    pace, parallel = options.pace(), options.at_once()
    with open_bundle(path) as bundle, closing(GzipOnce(bundle)) as gzips:

        def one(name: str, connect: Connect) -> ShipReport:
            text = _("Shipping {release} to {server}")
            session.progress(Step(text.format(release=contents.release.name, server=name)))
            return ship(
                bundle,
                contents,
                name,
                connect,
                progress=session.progress,
                receipt=receipt.to_json(),
                pace=pace,
                gzips=gzips,
            )

        return fan_out([(t.server.name, t.connect) for t in chosen], one, pace, parallel)
