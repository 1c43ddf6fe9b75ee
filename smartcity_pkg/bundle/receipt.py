"""The receipt of a check: who signed what, by which keys, checked when, against which ring.

Made from a verdict and kept by later steps; it is a record for people and their auditors, and
proves nothing by itself. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Literal

from pydantic import Field

from smartcity_pkg.bundle import trust
from smartcity_pkg.bundle.contents import BundleContents, Signature
from smartcity_pkg.bundle.ring import TrustedKeys
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _

Step = Literal["verify", "ship", "install"]


class Signer(Model):
    """A key that was proven to have signed; `name` is the ring's, "" where it gives none."""

    key_id: str
    name: str = ""

    @property
    def label(self) -> str:
        """The key as messages name it."""
        return f"{self.key_id[:19]} ({self.name})" if self.name else self.key_id[:19]


class GrantReceipt(Model):
    """The agreement that was in force, and the key that had signed it."""

    number: str
    expires: date | None
    signer: Signer

    @property
    def text(self) -> str:
        """Number and last day, in one line."""
        if self.expires is None:
            return self.number
        return _("{number}, until {day}").format(number=self.number, day=self.expires.isoformat())


class OriginReceipt(Model):
    """The catalogue's checkout as the provenance says it; `commit` is "" outside of git."""

    commit: str
    dirty: bool
    packed_with: str

    @property
    def text(self) -> str:
        """The commit, and whether files differed from it."""
        if self.dirty:
            return _("{commit}, with changes that are in no commit").format(commit=self.commit)
        return self.commit or "-"


class Receipt(Model):
    """One check. `checked_at` is the checker's clock, UTC; `by` is who ran it, and where.

    `provenance` is None where it was not there to be checked (a server's store has none).
    """

    schema_version: Literal[1] = 1
    kind: Literal["receipt"] = "receipt"
    step: Step
    root_digest: str
    release: str
    release_digest: str
    signers: tuple[Signer, ...] = Field(min_length=1)
    threshold: int
    ring_digest: str
    grant: GrantReceipt
    provenance: OriginReceipt | None
    checked_at: str
    by: str
    smartcity: str

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))


class Receipts(Model):
    """What a server keeps of one release: the check before it was shipped, and each installation.

    Of several by one step, the last.
    """

    schema_version: Literal[1] = 1
    receipts: tuple[Receipt, ...] = ()

    def with_receipt(self, receipt: Receipt) -> Receipts:
        """These and `receipt`, in place of an earlier one of its step."""
        others = [r for r in self.receipts if r.step != receipt.step]
        return Receipts(receipts=(*others, receipt))

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Check:
    """The circumstances of a check: for which step, by whom and where, when (with its zone)."""

    step: Step
    by: str
    at: datetime


def of_bundle(contents: BundleContents, trusted: TrustedKeys, check: Check) -> Receipt:
    """The receipt of a bundle that `verify` has accepted, with the same keys."""
    origin = trust.check_attestation(
        contents.root_digest, contents.release, contents.attestation, trusted
    )
    checked = (contents.root_digest, contents.release, contents.signatures, contents.grant)
    provenance = OriginReceipt(
        commit=origin.checkout.commit, dirty=origin.checkout.dirty, packed_with=origin.version
    )
    return _receipt(*checked, trusted, check, provenance)


def of_store(
    root_digest: str,
    release: Release,
    signatures: Sequence[Signature],
    grant: bytes,
    trusted: TrustedKeys,
    check: Check,
) -> Receipt:
    """The receipt of what a server's store held when it was installed; proven `signatures`."""
    return _receipt(root_digest, release, signatures, grant, trusted, check, None)


def _receipt(
    root_digest: str,
    release: Release,
    signatures: Sequence[Signature],
    grant_bytes: bytes,
    trusted: TrustedKeys,
    check: Check,
    provenance: OriginReceipt | None,
) -> Receipt:
    grant, grant_signer = trust.check_grant(grant_bytes, trusted)

    def signer(key_id: str) -> Signer:
        return Signer(key_id=key_id, name=trusted.names.get(key_id, ""))

    return Receipt(
        step=check.step,
        root_digest=root_digest,
        release=release.name,
        release_digest=release.digest,
        signers=tuple(signer(k) for k in sorted({s.key_id for s in signatures})),
        threshold=trusted.threshold,
        ring_digest=trusted.ring_digest,
        grant=GrantReceipt(
            number=grant.pks.number, expires=grant.expires, signer=signer(grant_signer)
        ),
        provenance=provenance,
        checked_at=check.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        by=check.by,
        smartcity=version("smartcity"),
    )
