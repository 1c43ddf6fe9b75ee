"""Putting the layers together: from a profile's name to a release, from a server's to a host."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.workspace import cache_folder
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import (
    InputError,
    InterruptedByUserError,
    NothingFitsError,
    Problem,
    UsageError,
)
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.pack import Packed
    from smartcity_pkg.bundle.sources import SourceImage
    from smartcity_pkg.bundle.trust import TrustedKeys
    from smartcity_pkg.catalogue.pemda import Pemda, Server
    from smartcity_pkg.catalogue.plan import Plan
    from smartcity_pkg.catalogue.release import Release
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.install.outcome import InstallReport, RollbackReport
    from smartcity_pkg.install.status import ServerStatus
    from smartcity_pkg.install.uninstall import UninstallReport
    from smartcity_pkg.render.render import Rendered
    from smartcity_pkg.ship.transfer import ShipReport

_PASSWORD_VARIABLE = "SMARTCITY_KEY_PASSWORD"  # noqa: S105 - the name of a variable


# -- releases -------------------------------------------------------------------------------------


def choose(
    session: Session, name: str, running: Path | None, today: date, out: Path | None
) -> tuple[Plan, Path]:
    """Choose the apps of a pemda and write the plan; a plan without any app is refused."""
    from smartcity_pkg.catalogue.plan import load_plan, to_yaml
    from smartcity_pkg.selection.choose import select

    pemda = session.pemda(name)
    before = load_plan(running) if running else None
    plan = select(session.catalogue, pemda, today=today, running=before)
    if not plan.apps:
        raise NothingFitsError(
            _("no app can be chosen for {pemda}:").format(pemda=pemda.name)
            + "".join(f"\n{left.app}: {left.reason}" for left in plan.left_out),
            _("look at the profile: smartcity pemda show {region}").format(region=pemda.region),
        )
    file = out or session.workspace.plan(pemda.region)
    atomic.write(file, to_yaml(plan).encode())
    return plan, file


def render_to(
    session: Session, name: str, plan_file: Path | None, images: str | None, today: date, out: Path
) -> Rendered:
    """Render the plan of a pemda into the folder `out`, which must be new or empty."""
    from smartcity_pkg.bundle.pack import resolve_images
    from smartcity_pkg.bundle.sources import open_source

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            _("“{folder}” is there already and not empty").format(folder=out),
            _("name a new folder, or empty it first"),
        )
    pemda = session.pemda(name)
    plan = session.plan(pemda, plan_file, today)
    found: dict[str, SourceImage] = {}
    if images:
        wanted = _references(session, plan)
        found = resolve_images(open_source(images), wanted, _layer_cache(), session.progress)
    rendered = _rendered(session, pemda, plan, found)
    with atomic.replacing(out) as part:
        for path, data in rendered.files.items():
            target = part / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return rendered


def pack_release(
    session: Session,
    name: str,
    plan_file: Path | None,
    images: str,
    serial: int | None,
    key: Path | None,
    today: date,
    out: Path | None,
) -> Packed:
    """Resolve images, render with their pins, pack and sign."""
    from smartcity_pkg.bundle.keys import load_signing_key
    from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
    from smartcity_pkg.bundle.sources import open_source

    pemda = session.pemda(name)
    plan = session.plan(pemda, plan_file, today)
    path = key or session.workspace.signing_key
    if not path.exists():
        raise UsageError(
            _("there is no signing key at {file}").format(file=path),
            _("make one: smartcity key new; or name yours with --key"),
        )
    signing_key = load_signing_key(path, _password(path))
    source = open_source(images)
    found = resolve_images(source, _references(session, plan), _layer_cache(), session.progress)
    rendered = _rendered(session, pemda, plan, found)
    folder = session.workspace.releases(plan.region)

    def default_output(release: Release) -> Path:
        return folder / f"{release.name}.tar"

    request = PackRequest(
        plan=plan,
        serial=serial or session.workspace.next_serial(plan.region),
        files=rendered.files,
        apps=rendered.apps,
        images=found,
        source=source,
        cache=_layer_cache(),
        signing_key=signing_key,
        output=out or default_output,
        entrance_ports=rendered.entrance_ports,
    )
    return pack(request, session.progress)


def _rendered(
    session: Session, pemda: Pemda, plan: Plan, images: Mapping[str, SourceImage]
) -> Rendered:
    from smartcity_pkg.catalogue.release import pinned
    from smartcity_pkg.render.render import render
    from smartcity_pkg.render.templates import read_shared_templates

    pins = {reference: pinned(reference, i.config_digest) for reference, i in images.items()}
    shared = read_shared_templates(session.workspace.templates)
    return render(plan, session.catalogue, pemda, shared=shared, pins=pins)


def _references(session: Session, plan: Plan) -> Sequence[str]:
    return sorted({i for a in plan.apps for i in session.catalogue.app(a.app).images})


def _layer_cache() -> Path:
    return cache_folder() / "layers"


# -- keys -----------------------------------------------------------------------------------------


def trusted_keys(session: Session, key: Path | None) -> TrustedKeys:
    """The public key in `key`, else all of the workspace's `keys/*.pub`."""
    from smartcity_pkg.bundle.keys import load_trusted

    paths = [key] if key else sorted(session.workspace.keys.glob("*.pub"))
    if not paths:
        raise UsageError(
            _("no trusted key: {folder} has no .pub file").format(folder=session.workspace.keys),
            _("put the public key of those who packed the bundle there, or name it with --key"),
        )
    return load_trusted(paths)


def new_password() -> bytes:
    """The password for a new key: from the environment, else asked for twice."""
    if given := os.environ.get(_PASSWORD_VARIABLE):
        return given.encode()
    if not sys.stdin.isatty():
        raise UsageError(
            _("a new key needs a password, and there is no terminal to ask at"),
            _("set {name}, or give --no-password").format(name=_PASSWORD_VARIABLE),
        )
    answer: str = typer.prompt(
        _("Password for the key"), hide_input=True, confirmation_prompt=True, err=True
    )
    return answer.encode()


def _password(path: Path) -> bytes | None:
    """The password of an existing key, asked for only where the key is encrypted."""
    if given := os.environ.get(_PASSWORD_VARIABLE):
        return given.encode()
    if b"ENCRYPTED" not in path.read_bytes()[:64] or not sys.stdin.isatty():
        return None
    answer: str = typer.prompt(_("Password of {key}").format(key=path), hide_input=True, err=True)
    return answer.encode()


# -- servers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """One server of a pemda, and how to get a host for it."""

    server: Server
    connect: Callable[[], Host]

    @contextmanager
    def host(self) -> Iterator[Host]:
        """A connection, closed at the end."""
        with closing(self.connect()) as host:
            yield host


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
    return [Target(known[n], _connector(known[n])) for n in (names or planned or list(known))]


def _connector(server: Server) -> Callable[[], Host]:
    def connect() -> Host:
        if server.ssh is None:
            from smartcity_pkg.hosts.local import LocalHost

            return LocalHost(server.name)
        from smartcity_pkg.hosts.address import SshAddress
        from smartcity_pkg.hosts.ssh import connect as log_in

        return log_in(SshAddress(**server.ssh.model_dump()), name=server.name)

    return connect


def ship_bundle(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    key: Path | None,
) -> list[ShipReport]:
    """Verify a bundle wholly, then ship it to each server of its plan."""
    path = session.workspace.bundle(name)
    contents, chosen = _checked(session, path, profile, servers, key)
    return [_ship(session, path, contents, target) for target in chosen]


def deploy_bundle(
    session: Session,
    name: str,
    profile: str | None,
    servers: list[str] | None,
    allow_older: bool,
    key: Path | None,
) -> tuple[list[ShipReport], list[InstallReport]]:
    """Ship to every server first, then install on each."""
    path = session.workspace.bundle(name)
    contents, chosen = _checked(session, path, profile, servers, key)
    shipped = [_ship(session, path, contents, target) for target in chosen]
    trusted = trusted_keys(session, key)
    release = contents.release.name
    installed = [_install(session, t, trusted, release, allow_older) for t in chosen]
    return shipped, installed


def install_release(
    session: Session,
    name: str,
    servers: list[str] | None,
    release: str | None,
    allow_older: bool,
    key: Path | None,
) -> list[InstallReport]:
    """Install what the servers' stores hold."""
    chosen = targets(session.pemda(name), servers)
    trusted = trusted_keys(session, key)
    return [_install(session, t, trusted, release, allow_older) for t in chosen]


def roll_back(session: Session, name: str, servers: list[str] | None) -> list[RollbackReport]:
    """Go back on each server."""
    from smartcity_pkg.install.rollback import rollback

    reports = []
    for target in targets(session.pemda(name), servers):
        with target.host() as host:
            reports.append(rollback(host, target.server.name, progress=session.progress))
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
    path: Path,
    profile: str | None,
    servers: list[str] | None,
    key: Path | None,
) -> tuple[BundleContents, list[Target]]:
    """The bundle's verified contents, and the servers that it is for."""
    from smartcity_pkg.bundle.verify import verify

    contents = verify(path, trusted_keys(session, key), session.progress)
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
    return contents, targets(pemda, servers, release.plan.servers)


def _ship(session: Session, path: Path, contents: BundleContents, target: Target) -> ShipReport:
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.ship.transfer import ship

    name = target.server.name
    session.progress(
        Step(_("Shipping {release} to {server}").format(release=contents.release.name, server=name))
    )
    with open_bundle(path) as bundle:
        return ship(bundle, contents, name, target.connect, progress=session.progress)


def _install(
    session: Session,
    target: Target,
    trusted: TrustedKeys,
    release: str | None,
    allow_older: bool,
) -> InstallReport:
    from smartcity_pkg.install.outcome import InstallOptions
    from smartcity_pkg.install.run import install

    with target.host() as host:
        return install(
            host,
            target.server.name,
            trusted=trusted,
            release_name=release,
            progress=session.progress,
            options=InstallOptions(allow_older=allow_older),
        )
