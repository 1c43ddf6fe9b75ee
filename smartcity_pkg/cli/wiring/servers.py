"""From a profile's servers to hosts, and what is done on each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import trusted_keys
from smartcity_pkg.cli.wiring.receipts import verify_bundle
from smartcity_pkg.cli.wiring.shipping import ShipOptions, ship_to_all
from smartcity_pkg.cli.workspace import layer_cache
from smartcity_pkg.core.errors import InputError, InterruptedByUserError, Problem, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.receipt import Receipt
    from smartcity_pkg.bundle.trust import TrustedKeys
    from smartcity_pkg.catalogue.pemda import Pemda, Server
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.install.outcome import (
        AbortReport,
        InstallOptions,
        InstallReport,
        RollbackReport,
    )
    from smartcity_pkg.install.place import Place
    from smartcity_pkg.install.status import ServerStatus
    from smartcity_pkg.install.uninstall import UninstallReport
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ship.preview import Preview


# From this machine to itself nothing is worth a patch.
_NO_LINK_MBPS = 10_000.0
# Up to here zlib takes at most 4 % of a core for bytes that are packed already (60 MB/s).
_SLOW_MBPS = 20.0
_NO_DOMAIN = "localhost"


@dataclass(frozen=True)
class Allowed:
    """What the person lets pass: a lower number, warnings by rule, and apps without a backup."""

    downgrade: bool = False
    accept: tuple[str, ...] = ()
    without_backup: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One server of a pemda, and how to get a host for it.

    `link_mbps` is what its link carries in Mbit/s: measured by `pemda probe`, else as declared.
    """

    server: Server
    link_mbps: float
    public_names: tuple[str, ...] = ()

    def connect(self, *, bulk: bool = True) -> Host:
        """Log in; sessions for `bulk` are compressed only where the link is slower than that is."""
        if self.server.ssh is None:
            from smartcity_pkg.hosts.local import LocalHost

            return LocalHost(self.server.name)
        from smartcity_pkg.hosts.address import SshAddress
        from smartcity_pkg.hosts.ssh import connect as log_in

        address = SshAddress(**self.server.ssh.model_dump())
        compress = not bulk or self.link_mbps <= _SLOW_MBPS
        return log_in(address, name=self.server.name, compress=compress)

    @contextmanager
    def host(self, *, bulk: bool = False) -> Iterator[Host]:
        """A connection, closed at the end."""
        with closing(self.connect(bulk=bulk)) as host:
            yield host

    @contextmanager
    def place(self, *, bulk: bool = False) -> Iterator[Place]:
        """The server with its store and engine, while a connection is open."""
        from smartcity_pkg.engines.compose import ComposeEngine
        from smartcity_pkg.hosts.store import StorePaths
        from smartcity_pkg.install.place import Place

        with self.host(bulk=bulk) as host:
            paths, name = StorePaths(), self.server.name
            yield Place(host, name, paths, ComposeEngine(host, paths), documents_at_hand())


def documents_at_hand() -> Callable[[str], bytes | None]:
    """What this machine has of the documents that servers have, by digest."""
    from smartcity_pkg.bundle.cache import Documents

    return Documents(layer_cache()).get


def targets(pemda: Pemda, names: Sequence[str] | None, planned: Sequence[str] = ()) -> list[Target]:
    """The servers to work on: those named, else those of the plan, else all of the profile."""
    known = {s.name: s for s in pemda.servers}
    for name in names or planned:
        if name not in known:
            raise UsageError(
                _("{pemda} has no server “{name}” in its profile").format(
                    pemda=pemda.name, name=name
                ),
                _("known: {names}").format(names=", ".join(known)),
            )
    chosen = [known[n] for n in (names or planned or known)]
    domain = pemda.settings.site.domain
    names = () if domain == _NO_DOMAIN else (domain,)
    return [Target(s, _link_mbps(s, pemda), names) for s in chosen]


def _link_mbps(server: Server, pemda: Pemda) -> float:
    if server.ssh is None:
        return _NO_LINK_MBPS
    measured = server.measured.upload_mbps if server.measured else None
    return measured or pemda.link_mbps


def ship_bundle(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    key: Path | None,
    options: ShipOptions,
) -> tuple[Outcome, ...]:
    """Verify a bundle wholly, then ship it to each server of its plan."""
    return ship_to_all(session, *_checked(session, name, profile, servers, key, options), options)


def preview_bundle(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    key: Path | None,
    options: ShipOptions,
) -> tuple[Preview, ...]:
    """Verify a bundle wholly, then say what shipping it to each server of its plan would take."""
    from smartcity_pkg.cli.wiring.shipping import preview_all

    return preview_all(session, *_checked(session, name, profile, servers, key, options), options)


def deploy_bundle(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    allowed: Allowed,
    key: Path | None,
    options: ShipOptions,
) -> tuple[tuple[Outcome, ...], list[InstallReport]]:
    """Ship to every server first; where all have got everything, install on each."""
    from smartcity_pkg.ship.fanout import failure

    path, contents, chosen, receipt = _checked(session, name, profile, servers, key, options)
    shipped = ship_to_all(session, path, contents, chosen, receipt, options)
    if failure(shipped):
        return shipped, []
    trusted = trusted_keys(session, key)
    release = contents.release.name
    installed = [install_on(session, t, trusted, release, allowed) for t in chosen]
    return shipped, installed


def install_release(
    session: Session,
    name: str,
    servers: list[str] | None,
    release: str | None,
    allowed: Allowed,
    key: Path | None,
) -> list[InstallReport]:
    """Install what the servers' stores hold."""
    chosen = targets(session.pemda(name), servers)
    trusted = trusted_keys(session, key)
    return [install_on(session, t, trusted, release, allowed) for t in chosen]


def roll_back(
    session: Session, name: str, servers: list[str] | None, with_data: bool
) -> list[RollbackReport]:
    """Go back on each server; `with_data` puts back the data of before the upgrade."""
    from smartcity_pkg.install.rollback import rollback

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            done = rollback(
                host, target.server.name, with_data=with_data, progress=session.progress
            )
            reports.append(done)
    return reports


def server_status(session: Session, name: str, servers: list[str] | None) -> list[ServerStatus]:
    """The state of each server."""
    from smartcity_pkg.install.status import status

    states = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            states.append(status(host, target.server.name))
    return states


def remove_apps(
    session: Session, name: str, servers: list[str] | None, purge_data: bool
) -> list[UninstallReport]:
    """Uninstall on each server."""
    from smartcity_pkg.install.uninstall import uninstall

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            report = uninstall(
                host, target.server.name, purge_data=purge_data, progress=session.progress
            )
            reports.append(report)
    return reports


def confirm_uninstall(session: Session, name: str, purge_data: bool) -> None:
    """Ask before apps go; data goes only when the region code is typed."""
    pemda = session.pemda(name)
    if not sys.stdin.isatty():
        raise UsageError(
            _("uninstall asks first, and there is no terminal to ask at"), _("give --yes")
        )
    if not purge_data:
        sure = typer.confirm(_("Stop and remove all apps of {pemda}?").format(pemda=pemda.name))
    else:
        question = _("ALL DATA of {pemda} will be deleted. Type the region code to go on")
        sure = typer.prompt(question.format(pemda=pemda.name), err=True) == pemda.region
    if not sure:
        raise InterruptedByUserError(_("nothing was removed"))


def _checked(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    key: Path | None,
    options: ShipOptions,
) -> tuple[Path, BundleContents, list[Target], Receipt]:
    """A bundle, its verified contents, the servers that it is for, and the check's receipt."""
    options.check()
    path = session.workspace.bundle(name)
    # Each server checks what it gets, so what was read before need not be read again.
    contents, receipt = verify_bundle(session, path, key, None, "ship", again=False)
    return path, contents, checked_targets(session, path, contents, profile, servers), receipt


def checked_targets(
    session: Session,
    path: Path,
    contents: BundleContents,
    profile: str | None,
    servers: list[str] | None,
) -> list[Target]:
    """The servers that a bundle is for; InputError where it is for another pemda."""
    release = contents.release
    pemda = session.pemda(profile or release.region)
    if pemda.region != release.region:
        raise InputError(
            Problem(
                _("the bundle is for {bundle}, the profile is {profile}").format(
                    bundle=f"{release.plan.pemda} ({release.region})",
                    profile=f"{pemda.name} ({pemda.region})",
                ),
                str(path),
            ),
            _("pack a release for this pemda, or give the profile that belongs to the bundle"),
        )
    return targets(pemda, servers, release.plan.servers)


def install_on(
    session: Session,
    target: Target,
    trusted: TrustedKeys,
    release: str | None,
    allowed: Allowed,
) -> InstallReport:
    """Install on one server what its store holds."""
    from smartcity_pkg.install.run import install

    with target.host() as host:
        return install(
            host,
            target.server.name,
            trusted=trusted,
            release_name=release,
            progress=session.progress,
            options=_options(target, allowed),
        )


def resume_install(
    session: Session, name: str, servers: list[str] | None, allowed: Allowed, key: Path | None
) -> list[InstallReport | RollbackReport | AbortReport]:
    """Finish on each server what was interrupted there."""
    from smartcity_pkg.install.interrupted import resume

    chosen = targets(session.pemda(name), servers)
    trusted = trusted_keys(session, key)
    reports = []
    for target in chosen:
        with target.host() as host:
            report = resume(
                host,
                target.server.name,
                trusted=trusted,
                progress=session.progress,
                options=_options(target, allowed),
            )
            reports.append(report)
    return reports


def abort_install(session: Session, name: str, servers: list[str] | None) -> list[AbortReport]:
    """Undo on each server what was interrupted there."""
    from smartcity_pkg.install.interrupted import abort

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            reports.append(abort(host, target.server.name, progress=session.progress))
    return reports


def _options(target: Target, allowed: Allowed) -> InstallOptions:
    from smartcity_pkg.install.outcome import InstallOptions

    return InstallOptions(
        allow_downgrade=allowed.downgrade,
        accept=frozenset(allowed.accept),
        without_backup=allowed.without_backup,
        public_names=target.public_names,
        at_hand=documents_at_hand(),
    )
