"""From what the command line says about shipping to the work on each server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.roads import RegistryRoad, Road, SshRoad
from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.workspace import cache_folder, layer_cache
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.layout import PartedTar
    from smartcity_pkg.bundle.receipt import Receipt
    from smartcity_pkg.cli.wiring.servers import Target
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.ship.fanout import Connect, Outcome
    from smartcity_pkg.ship.pace import Pace
    from smartcity_pkg.ship.preview import Preview
    from smartcity_pkg.ship.shipment import ShipReport


_SSH = SshRoad()


@dataclass(frozen=True)
class ShipOptions:
    """How to ship, as it was written: `limit` such as 2Mbit/s, `window` such as 22:00-05:00.

    `plain_http` and `ca_file` say how we speak to the registry that `to` names.
    """

    limit: str | None = None
    window: str | None = None
    parallel: int | None = None
    to: Road = _SSH
    plain_http: bool = False
    ca_file: Path | None = None

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
    source: Path | PartedTar,
    contents: BundleContents,
    chosen: Sequence[Target],
    receipt: Receipt,
    options: ShipOptions,
) -> tuple[Outcome, ...]:
    """Ship to every server of `chosen`, several at once; all share one read of the bundle."""
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.bundle.patch.book import PatchBook, layers_of
    from smartcity_pkg.ship.fanout import fan_out
    from smartcity_pkg.ship.gziponce import GzipOnce
    from smartcity_pkg.ship.patching import Patcher
    from smartcity_pkg.ship.transfer import ship

    pace, parallel = options.pace(), min(options.at_once(), len(chosen))
    before = _before(session, source, contents, options) if isinstance(source, Path) else None
    links = {t.server.name: t.link_mbps for t in chosen}
    with open_bundle(source) as bundle, closing(GzipOnce(bundle)) as gzips:
        book = PatchBook(layer_cache(), [layers_of(bundle, contents)])

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
                patcher=Patcher(book, _link_mbps(links[name], pace, parallel), session.progress),
                pace=pace,
                gzips=gzips,
                before=partial(before, name) if before else None,
            )

        return fan_out([(t.server.name, t.connect) for t in chosen], one, pace, parallel)


def preview_all(
    session: Session,
    path: Path,
    contents: BundleContents,
    chosen: Sequence[Target],
    receipt: Receipt,
    options: ShipOptions,
) -> tuple[Preview, ...]:
    """What shipping to each server of `chosen` would take."""
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.bundle.patch.book import PatchBook, layers_of
    from smartcity_pkg.ship.patching import Patcher
    from smartcity_pkg.ship.preview import preview

    pace, parallel = options.pace(), min(options.at_once(), len(chosen))
    with open_bundle(path) as bundle:
        book = PatchBook(layer_cache(), [layers_of(bundle, contents)])
        found = []
        for target in chosen:
            name, mbps = target.server.name, _link_mbps(target.link_mbps, pace, parallel)
            session.progress(Step(_("Looking at {server}").format(server=name)))
            found.append(
                preview(
                    bundle,
                    contents,
                    name,
                    target.connect,
                    receipt=receipt.to_json(),
                    patcher=Patcher(book, mbps, session.progress),
                    link_mbps=mbps,
                )
            )
    return tuple(found)


def _link_mbps(own_mbps: float, pace: Pace, parallel: int) -> float:
    """What one server's link carries in Mbit/s, its share of a limit considered."""
    if not pace.rate_bytes_s:
        return own_mbps
    return min(own_mbps, pace.rate_bytes_s * 8 / 1e6 / parallel)


def _before(
    session: Session, path: Path, contents: BundleContents, options: ShipOptions
) -> Callable[[str, Host], None] | None:
    """What the road does once, and then on each server before SSH brings the rest."""
    way = options.to
    if not isinstance(way, RegistryRoad):
        return None
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.bundle.registry.address import Transport
    from smartcity_pkg.bundle.registry.known import KnownBlobs
    from smartcity_pkg.bundle.registry.push import push_verified
    from smartcity_pkg.cli.wiring.registry import open_repository
    from smartcity_pkg.ship.registry import names_there, pull_images

    transport = Transport(options.plain_http, options.ca_file)
    opened = open_repository(session, str(way.address), transport, writes=True, pace=options.pace())
    with opened as repository:
        known = KnownBlobs(cache_folder() / "registries", way.address.host)
        push_verified(path, contents, repository, known, session.progress)
    with open_bundle(path) as bundle:
        names = names_there(way.address, bundle, contents)

    def pull(server: str, host: Host) -> None:
        pull_images(host, server, contents, names, progress=session.progress)

    return pull
