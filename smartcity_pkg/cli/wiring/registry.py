"""Bundles to and from registries: addresses, credentials and places, before the work is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import trusted_keys
from smartcity_pkg.cli.workspace import cache_folder
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note

if TYPE_CHECKING:
    from smartcity_pkg.bundle.registry.address import Transport
    from smartcity_pkg.bundle.registry.client import Pace, Repository
    from smartcity_pkg.bundle.registry.pull import Pulled
    from smartcity_pkg.bundle.registry.push import Pushed
    from smartcity_pkg.catalogue.release import Release


def push_bundle(
    session: Session, name: str, place: str, key: Path | None, transport: Transport
) -> Pushed:
    """Verify the bundle that `name` means and push it to `place`."""
    from smartcity_pkg.bundle.registry.known import KnownBlobs
    from smartcity_pkg.bundle.registry.push import push

    path = session.workspace.bundle(name)
    with open_repository(session, place, transport, writes=True) as repository:
        known = KnownBlobs(cache_folder() / "registries", repository.address.host)
        return push(path, repository, trusted_keys(session, key), known, session.progress)


def pull_bundle(
    session: Session, place: str, key: Path | None, transport: Transport, out: Path | None
) -> Pulled:
    """Pull the bundle at `place` into `out`, or among the releases of its region."""
    from smartcity_pkg.bundle.registry.pull import pull

    def default_output(release: Release) -> Path:
        return session.workspace.releases(release.region) / f"{release.name}.tar"

    with open_repository(session, place, transport, writes=False) as repository:
        output = out or default_output
        work = out.parent if out else session.workspace.root
        return pull(repository, trusted_keys(session, key), output, work, session.progress)


@contextmanager
def open_repository(
    session: Session, place: str, transport: Transport, *, writes: bool, pace: Pace | None = None
) -> Iterator[Repository]:
    """The repository at `place`, with the credentials that this machine has; closed at the end."""
    from smartcity_pkg.bundle.registry.address import parse_address
    from smartcity_pkg.bundle.registry.client import Repository
    from smartcity_pkg.bundle.registry.credentials import find_credentials

    address = parse_address(place)
    credentials = find_credentials(address.host, os.environ)
    repository = Repository(address, transport, credentials, writes=writes, pace=pace)
    if credentials and repository.is_plain and not address.is_loopback:
        text = _("the password for {host} travels unencrypted").format(host=address.host)
        session.progress(Note(text, warning=True))
    try:
        yield repository
    finally:
        repository.stop.set()
        repository.close()
