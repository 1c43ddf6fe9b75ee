"""Backups on a pemda's servers and in second places: who is asked, what is opened."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import Target, targets
from smartcity_pkg.core.errors import InterruptedByUserError, SmartCityError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step
from smartcity_pkg.core.units import seconds_text

if TYPE_CHECKING:
    from smartcity_pkg.hosts.address import SshAddress
    from smartcity_pkg.install.backups import Backup
    from smartcity_pkg.install.copies import Copied
    from smartcity_pkg.install.place import Place
    from smartcity_pkg.install.restore import RestoreReport
    from smartcity_pkg.install.schedule import Scheduled
    from smartcity_pkg.install.shelf import Shelf


@dataclass(frozen=True)
class OnServer:
    """A backup, and the server that it is of."""

    server: str
    backup: Backup


@dataclass(frozen=True)
class Proven:
    """A backup that was read wholly; `why` says what is wrong with it."""

    server: str
    backup: Backup
    sound: bool
    why: str = ""


@dataclass(frozen=True)
class Restoring:
    """What `backup restore` was told."""

    app: str
    name: str
    source: str | None
    identity: Path | None
    ssh_key: Path | None
    without_backup: bool
    ask: bool


def create(
    session: Session, name: str, servers: list[str] | None, apps: list[str] | None
) -> list[OnServer]:
    """Back up on each server; UsageError where none of its apps has a hook."""
    from smartcity_pkg.install.making import make_all

    made = []
    for target in targets(session.pemda(name), servers):
        with target.place() as place:
            done = make_all(place, apps, progress=session.progress)
        made += [OnServer(target.server.name, b) for b in done]
    _something(made, apps)
    return made


def listed(
    session: Session,
    name: str,
    servers: list[str] | None,
    apps: list[str] | None,
    source: str | None,
    ssh_key: Path | None,
) -> list[OnServer]:
    """The backups of each server, there or in a second place."""
    found = []
    for target in targets(session.pemda(name), servers):
        with _shelf(session, name, target, source, ssh_key) as shelf:
            found += [OnServer(target.server.name, b) for b in _of(shelf, apps)]
    return found


def verified(
    session: Session,
    name: str,
    servers: list[str] | None,
    apps: list[str] | None,
    source: str | None,
    ssh_key: Path | None,
) -> list[Proven]:
    """Read every backup wholly; on a server its app's hook reads it too."""
    found = []
    for target in targets(session.pemda(name), servers):
        server = target.server.name
        if source is not None:
            with _shelf(session, name, target, source, ssh_key) as shelf:
                found += [_prove_copy(session, shelf, server, b) for b in _of(shelf, apps)]
            continue
        with target.place() as place, _shelf(session, name, target, None, None) as shelf:
            found += [_prove(session, place, b) for b in _of(shelf, apps)]
    return found


def prune(
    session: Session,
    name: str,
    servers: list[str] | None,
    keep: int | None,
    keep_days: int | None,
) -> list[OnServer]:
    """Delete old backups of each server; those that went."""
    from smartcity_pkg.install.making import prune_all

    if keep is None and keep_days is None:
        raise UsageError(_("nothing says what to keep"), _("give --keep N, --keep-days N, or both"))
    gone = []
    for target in targets(session.pemda(name), servers):
        with target.place() as place:
            done = prune_all(place, keep=keep, keep_days=keep_days)
        gone += [OnServer(target.server.name, b) for b in done]
    return gone


def restore(
    session: Session, name: str, servers: list[str] | None, asked: Restoring
) -> RestoreReport:
    """Ask, bring the backup from a second place if need be, and put it back."""
    from smartcity_pkg.install.outcome import InstallOptions
    from smartcity_pkg.install.restore import restore as put_back

    target = _one(session, name, servers, asked.app)
    with target.place(bulk=True) as place:
        chosen = _chosen(session, name, target, place, asked)
        skipped = (asked.app,) if asked.without_backup else ()
        options = InstallOptions(without_backup=skipped)
        return put_back(place, asked.app, chosen, progress=session.progress, options=options)


def schedule(
    session: Session,
    name: str,
    servers: list[str] | None,
    daily: str | None,
    keep: int,
    off: bool,
) -> tuple[list[Scheduled], list[str]]:
    """Set up the timer on each server, or take it away; the servers where it was taken away."""
    from smartcity_pkg.install.schedule import check_time, unschedule
    from smartcity_pkg.install.schedule import schedule as set_up

    if off == (daily is not None):
        raise UsageError(
            _("--daily and --off: just one of them is needed"), _("for instance: --daily 02:30")
        )
    if daily is not None:
        check_time(daily)  # before anything is asked of a server
    done, stopped = [], []
    for target in targets(session.pemda(name), servers):
        with target.place() as place:
            if daily is None:
                unschedule(place)
                stopped.append(target.server.name)
            else:
                done.append(set_up(place, daily, keep))
    return done, stopped


def copy_all(
    session: Session,
    name: str,
    servers: list[str] | None,
    apps: list[str] | None,
    to: str,
    recipient: str | None,
    unencrypted: bool,
    ssh_key: Path | None,
) -> list[tuple[str, Copied]]:
    """Copy every backup that the second place lacks."""
    from smartcity_pkg.install.copies import check_recipient, copy

    pemda = session.pemda(name)
    known = recipient or (pemda.backup.recipient if pemda.backup else "")
    if recipient and unencrypted:
        raise UsageError(
            _("--recipient and --unencrypted contradict each other"), _("leave one of them out")
        )
    if not known and not unencrypted:
        raise UsageError(
            _("copies are encrypted to an age recipient, and the profile names none"),
            _("make a key: smartcity backup key; then put it into the profile"
              " (backup: {recipient: age1…}), or give --recipient; or, knowingly, --unencrypted"),
        )  # fmt: skip
    key = "" if unencrypted else check_recipient(known)
    done = []
    for target in targets(pemda, servers):
        with (
            _shelf(session, name, target, None, None) as here,
            _shelf(session, name, target, to, ssh_key) as there,
        ):
            for item in _of(here, apps):
                made = copy(here, item, there, recipient=key, progress=session.progress)
                done.append((target.server.name, made))
    return done


def make_key(out: Path) -> str:
    """Write a new identity, readable for its owner alone; the recipient."""
    from smartcity_pkg.core import atomic
    from smartcity_pkg.install.copies import new_identity

    if out.exists():
        raise UsageError(
            _("{file} exists already").format(file=out),
            _("give another file; copies that were made with the old key need the old one"),
        )
    identity, recipient = new_identity()
    atomic.write(out, f"# public key: {recipient}\n{identity}\n".encode(), 0o600)
    return recipient


def confirm_rollback(session: Session, name: str, servers: list[str] | None) -> None:
    """Ask before data go back to those of before the upgrade."""
    pemda = session.pemda(name)
    _confirm(
        _(
            "The data of the apps of {pemda} will be those of before the last upgrade; what was"
            " written since is saved in a backup and no longer shown. Go on?"
        ).format(pemda=pemda.name)
    )
    targets(pemda, servers)


# -- inside ---------------------------------------------------------------------------------------


def _chosen(session: Session, name: str, target: Target, place: Place, asked: Restoring) -> str:
    """The name of the backup to put back, which is on the server then."""
    from smartcity_pkg.install.backups import find
    from smartcity_pkg.install.copies import fetch
    from smartcity_pkg.install.restore import current_app

    current_app(place, asked.app)
    if asked.source is None:
        backup = find(place, asked.app, asked.name)
        _ask(session, backup, asked)
        return backup.name
    with (
        _shelf(session, name, target, asked.source, asked.ssh_key) as there,
        _shelf(session, name, target, None, None) as here,
    ):
        fitting = [b for b in _of(there, [asked.app]) if asked.name in ("", b.name)]
        if not fitting:
            raise UsageError(
                _("{place}: there is no such backup of {app}").format(
                    place=asked.source, app=asked.app
                ),
                _("see what is there: smartcity backup list {name} --from {place}").format(
                    name=name, place=asked.source
                ),
            )
        _ask(session, fitting[-1], asked)
        identity = asked.identity.read_text() if asked.identity else ""
        fetch(there, fitting[-1], here, identity=identity, progress=session.progress)
        return fitting[-1].name


def _ask(session: Session, backup: Backup, asked: Restoring) -> None:
    if not asked.ask:
        return
    began = backup.manifest.began
    age = seconds_text((datetime.now(UTC) - began).total_seconds())
    _confirm(
        _(
            "{app} will stop, and get the data of {time} UTC ({age} ago). What was written since"
            " will be gone from it; it is saved in a backup first. Go on?"
        ).format(app=asked.app, time=f"{began:%Y-%m-%d %H:%M}", age=age)
    )


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(_("this asks first, and there is no terminal to ask at"), _("give --yes"))
    if not typer.confirm(question, err=True):
        raise InterruptedByUserError(_("nothing was changed"))


def _one(session: Session, name: str, servers: list[str] | None, app: str) -> Target:
    """The one server whose app is meant."""
    chosen = targets(session.pemda(name), servers)
    if len(chosen) == 1:
        return chosen[0]
    from smartcity_pkg.install.restore import current_app

    for target in chosen:
        with target.place() as place:
            try:
                current_app(place, app)
            except SmartCityError:
                continue
        return target
    raise UsageError(
        _("no server of {pemda} runs {app} with a hook for backups").format(pemda=name, app=app),
        _("see what runs: smartcity status"),
    )


@contextmanager
def _shelf(
    session: Session, name: str, target: Target, place: str | None, ssh_key: Path | None
) -> Iterator[Shelf]:
    """The backups of a server: there (`place` None), or in a second place."""
    from smartcity_pkg.install.shelf import FolderShelf, HostShelf

    server = target.server.name
    if place is None:
        from smartcity_pkg.hosts.store import StorePaths

        with target.host(bulk=True) as host:
            yield HostShelf(host, str(StorePaths().root / "backups"))
        return
    below = f"{session.pemda(name).region}/{server}"
    if not place.startswith("ssh://"):
        folder = Path(place)
        if not folder.is_dir():
            raise UsageError(
                _("{folder} is no folder").format(folder=folder),
                _("mount the disk, or make the folder: mkdir -p {folder}").format(folder=folder),
            )
        yield FolderShelf(folder / below)
        return
    from smartcity_pkg.hosts.ssh import connect

    address, far = far_place(place, ssh_key)
    with closing(connect(address, name=address.host)) as host:
        yield HostShelf(host, f"{far}/{below}")


def far_place(place: str, ssh_key: Path | None) -> tuple[SshAddress, str]:
    """The host and the folder that `ssh://…` names; UsageError where it names none."""
    from smartcity_pkg.hosts.address import SshAddress

    url = urlsplit(place)
    try:
        port = url.port or 22
    except ValueError:  # no number, or none of a port
        port = 0
    if not port or not url.hostname or url.path in ("", "/") or url.password:
        raise UsageError(
            _("“{given}” is no place, expected ssh://user@host[:port]/folder").format(given=place),
            _("for instance: --to ssh://cadangan@192.0.2.9/srv/cadangan"),
        )
    address = SshAddress(
        host=url.hostname,
        port=port,
        user=url.username or "root",
        key_file=str(ssh_key) if ssh_key else None,
    )
    return address, url.path.rstrip("/")


def _of(shelf: Shelf, apps: list[str] | None) -> list[Backup]:
    from smartcity_pkg.install.copies import whole

    return [b for b in whole(shelf) if not apps or b.manifest.app in apps]


def _prove(session: Session, place: Place, backup: Backup) -> Proven:
    from smartcity_pkg.install.making import prove

    session.progress(Step(_("Reading {name}").format(name=backup.name)))
    why = prove(place, backup)
    return Proven(place.server, backup, not why, why)


def _prove_copy(session: Session, shelf: Shelf, server: str, backup: Backup) -> Proven:
    from smartcity_pkg.install.copies import proven

    session.progress(Step(_("Reading {name}").format(name=backup.name)))
    sound = proven(shelf, backup)
    return Proven(server, backup, sound, "" if sound else _("its bytes are not those of the copy"))


def _something(made: list[OnServer], apps: list[str] | None) -> None:
    if not made:
        raise UsageError(
            _("nothing was backed up: no such app has a hook for backups: {apps}").format(
                apps=", ".join(apps or ()) or "-"
            ),
            _("see what runs: smartcity status"),
        )
