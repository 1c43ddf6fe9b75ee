"""Removable disks: from a bundle to a disk, from a disk to servers, and receipts back."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import trusted_keys
from smartcity_pkg.cli.wiring.receipts import verify_bundle
from smartcity_pkg.cli.wiring.servers import Allowed, Target, checked_targets, install_on
from smartcity_pkg.cli.wiring.shipping import ShipOptions, ship_to_all
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Step

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.inventory import InventoryReceipt
    from smartcity_pkg.install.outcome import InstallReport
    from smartcity_pkg.ship.fanout import Outcome
    from smartcity_pkg.ship.media.check import MediaCheck
    from smartcity_pkg.ship.media.copy import CopyReport
    from smartcity_pkg.ship.media.shape import Shape


def copy_bundle(
    session: Session, name: str, disk: Path, key: Path | None, shape: Shape
) -> CopyReport:
    """Verify the bundle that `name` means, and copy it onto `disk`."""
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.ship.media.copy import copy_to_disk

    path = session.workspace.bundle(name)
    if disk.is_dir() and disk.stat().st_dev == session.workspace.root.stat().st_dev:
        text = _("{disk} is on the same disk as the workspace; is the stick mounted there?")
        session.progress(Note(text.format(disk=disk), warning=True))
    contents, _receipt = verify_bundle(session, path, key, None, "ship")
    session.progress(
        Step(_("Copying {release} to {disk}").format(release=contents.release.name, disk=disk))
    )
    with open_bundle(path) as bundle:
        return copy_to_disk(bundle, contents, disk, shape, session.progress)


def install_from_disk(
    session: Session,
    name: str,
    disk: Path,
    servers: list[str] | None,
    release: str | None,
    allowed: Allowed,
    key: Path | None,
) -> tuple[MediaCheck, tuple[Outcome, ...], list[InstallReport], list[Path]]:
    """Check the disk's release for a pemda wholly; then ship it, install it, and write receipts.

    No server is asked anything before every part, signature and blob was found good. Gives the
    state of the parts, what was done, and the receipts that were written onto the disk.
    """
    from smartcity_pkg.ship.fanout import failure
    from smartcity_pkg.ship.media.check import check, readable_tar, require_readable
    from smartcity_pkg.ship.media.index import choose, unfinished_on

    pemda = session.pemda(name)
    for folder in unfinished_on(disk):
        text = _("the copy of {release} onto this disk did not come to its end").format(
            release=folder
        )
        session.progress(Note(text, warning=True))
    found = check(choose(disk, pemda.region, release), session.progress)
    require_readable(found)
    for fault in found.faults:
        text = f"{fault.name}: {fault.why}"
        session.progress(Note(text, warning=True))
    with readable_tar(found, session.progress) as tar:
        contents, receipt = verify_bundle(session, tar, key, None, "ship")
        chosen = checked_targets(session, tar.path, contents, name, servers)
        shipped = ship_to_all(session, tar, contents, chosen, receipt, ShipOptions())
    if error := failure(shipped):
        raise error
    trusted = trusted_keys(session, key)
    installed, receipts = [], []
    for target in chosen:
        installed.append(install_on(session, target, trusted, contents.release.name, allowed))
        receipts += _written_receipt(session, target, contents, disk)
    return found, shipped, installed, receipts


def check_releases(session: Session, disk: Path, repair: bool) -> list[MediaCheck]:
    """Read every part of every release on the disk; with `repair`, write bad parts anew.

    Raises UntrustedBundleError for the first release that cannot be read; with `repair` LockedError
    where another process changes releases on the disk.
    """
    from smartcity_pkg.ship.media import files
    from smartcity_pkg.ship.media.check import check, repaired_in_place, require_readable
    from smartcity_pkg.ship.media.index import check_disk, releases_on

    check_disk(disk)
    with files.alone_on(disk) if repair else nullcontext():
        found = [check(release, session.progress) for release in releases_on(disk)]
        for each in found:
            require_readable(each)
        if repair:
            for each in found:
                repaired_in_place(each, session.progress)
    return found


def collect_receipts(session: Session, disk: Path) -> list[tuple[InventoryReceipt, Path, bool]]:
    """Keep the disk's receipts in the workspace; a server's first one pins its key.

    Gives each with the file that keeps it, and whether its server was unknown so far.

    Raises InputError where there is none or one is none, UntrustedBundleError where one was changed
    or is by another key than its server's first.
    """
    from smartcity_pkg.bundle.inventory import load_receipt, receipt_file
    from smartcity_pkg.ship.media.index import check_disk

    check_disk(disk)
    paths = sorted(disk.glob(receipt_file("*", "*")))
    if not paths:
        raise InputError(
            Problem(_("expected receipts of servers, got none"), str(disk)),
            _("an installation with --from media:DIR writes them onto the disk"),
        )
    collected = []
    for receipt in [load_receipt(path) for path in paths]:
        first = pin_receipt(session, receipt)
        kept = session.workspace.receipts / receipt_file(receipt.region, receipt.server)
        atomic.write(kept, Path(receipt.file).read_bytes())
        collected.append((receipt, kept, first))
    return collected


def pin_receipt(session: Session, receipt: InventoryReceipt) -> bool:
    """Whether the receipt's server was unknown: its key is pinned then. Else it must be that key.

    UntrustedBundleError where it is another.
    """
    from smartcity_pkg.bundle.inventory import require_same_key

    pin = session.workspace.receipts / f"{receipt.region}-{receipt.server}.pub"
    try:
        require_same_key(receipt, pin.read_text())
    except FileNotFoundError:
        atomic.write(pin, f"{receipt.public_key}\n".encode())
        return True
    return False


def _written_receipt(
    session: Session, target: Target, contents: BundleContents, disk: Path
) -> list[Path]:
    """The receipt's path on the disk; none where it could not be made or written: told, no failure.

    The apps run by then; a disk that is write-protected must not look like a failed installation.
    """
    from smartcity_pkg.bundle.inventory import receipt_file
    from smartcity_pkg.install.inventory import signed_inventory
    from smartcity_pkg.ship.media import files

    path = disk / receipt_file(contents.release.region, target.server.name)
    try:
        with target.place() as place:
            data = signed_inventory(place, contents.release)
        with files.writing(disk):
            files.put(path, data)
    except SmartCityError as error:
        text = _("no receipt on the disk: {why}").format(why=error.message)
        session.progress(Note(text, warning=True))
        return []
    return [path]
