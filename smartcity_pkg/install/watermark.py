"""Whose a server is, and the highest release that it has had: what no later release may undercut.

Written at each commit, kept by rollback and uninstall, gone with the data. Judging takes values and
gives a verdict; only `read` and `raise_to` touch the server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, ValidationError

from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.pemda import RegionCode
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.install.place import Place


class Watermark(Model):
    """The pemda that the server belongs to, and its highest release so far."""

    schema_version: Literal[1] = 1
    region: RegionCode
    pemda: str
    serial: int = Field(ge=1)
    release: str

    @classmethod
    def of(cls, release: Release) -> Watermark:
        """The mark that a release leaves."""
        return cls(
            region=release.region,
            pemda=release.plan.pemda,
            serial=release.serial,
            release=release.name,
        )

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class History:
    """What a server has had: its mark, the release that runs, and others that it still holds."""

    mark: Watermark | None = None
    current: Release | None = None
    others: tuple[Release, ...] = ()

    @property
    def highest(self) -> Watermark | None:
        """The mark; before there was one, the highest of the releases that were installed."""
        if self.mark is not None:
            return self.mark
        had = [r for r in (self.current, *self.others) if r is not None]
        return max(map(Watermark.of, had), key=lambda mark: mark.serial, default=None)


def judge(server: str, release: Release, history: History, *, allow_downgrade: bool) -> str:
    """The name of the higher release that `release` undercuts by permission; "" where it does not.

    Raises UntrustedBundleError where it is for another pemda, where its serial was used for another
    release, and where it is older than allowed. Repairing what runs is no downgrade.
    """
    mark = history.highest
    if mark is None:
        return ""
    if mark.region != release.region:
        raise UntrustedBundleError(
            _("{server} belongs to {old}, and the release is for {new}").format(
                server=server,
                old=f"{mark.pemda} ({mark.region})",
                new=f"{release.plan.pemda} ({release.region})",
            ),
            _("send the right pemda's release; only uninstall --purge-data frees the server"),
        )
    _check_mixing(server, release, history)
    if history.current is not None and history.current.name == release.name:
        return ""
    if release.serial >= mark.serial:
        return ""
    if not allow_downgrade:
        raise UntrustedBundleError(
            _("{server}: the release has number {new}, older than {old} that was installed").format(
                server=server, new=release.serial, old=mark.serial
            ),
            _("to go back: smartcity rollback; to insist: smartcity install --allow-downgrade"),
        )
    return mark.release


def _check_mixing(server: str, release: Release, history: History) -> None:
    """A number belongs to one release for ever."""
    names: Iterable[str] = (r.name for r in (history.current, *history.others) if r is not None)
    rivals = {n for n in names if _serial(n) == release.serial}
    if history.mark is not None and history.mark.serial == release.serial:
        rivals.add(history.mark.release)
    if other := sorted(rivals - {release.name}):
        raise UntrustedBundleError(
            _("{server}: number {serial} was {old}, and this release is {new}").format(
                server=server, serial=release.serial, old=other[0], new=release.name
            ),
            _("pack it with a new number; one number must never mean two releases"),
        )


def _serial(name: str) -> int:
    return int(name.partition("-")[0])


def read(place: Place) -> Watermark | None:
    """The server's mark, None where it has none; UntrustedBundleError where it is damaged."""
    data = Store(place.host, place.store).read(place.store.watermark)
    if data is None:
        return None
    try:
        return Watermark.model_validate_json(data)
    except ValidationError as error:
        raise UntrustedBundleError(
            _("{server}: {file} is damaged").format(
                server=place.server, file=place.store.watermark
            ),
            _("look at it on the server; it says whose server this is, and the highest number"),
        ) from error


def raise_to(place: Place, release: Release, mark: Watermark | None) -> None:
    """Leave the mark of `release`, unless the server's `mark` is higher. May be called twice."""
    if mark is None or release.serial > mark.serial:
        store = Store(place.host, place.store)
        store.prepare()
        store.write(place.store.watermark, Watermark.of(release).to_json(), _("the watermark"))
