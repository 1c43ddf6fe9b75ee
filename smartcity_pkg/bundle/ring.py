"""The ring of trusted keys: who may sign what, and on which day. Values only, no I/O.

A key counts where it has the role, is not revoked, and is valid on the day of *checking*: a
signature bears no trustworthy time, so a thief could date his own back (docs/adr/0007). Reading the
file is in `ringfile`, judging signatures in `trust`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _

Role = Literal["release", "grant"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class RingKey:
    """One key of the ring. `pem` is empty where only the id of a revoked key is known.

    `valid_from` and `valid_until` are the first and the last day on which it counts, None is no
    bound. A key with a day in `revoked` counts on no day, also on none before.
    """

    key_id: str
    pem: bytes
    name: str = ""
    roles: frozenset[Role] = frozenset(ROLES)
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """The key as messages name it."""
        short = self.key_id[:19]
        return f"{short} ({self.name})" if self.name else short

    def why_not(self, role: Role, today: date) -> str:
        """Why the key does not count for `role` on `today`, in words; "" where it counts."""
        if self.revoked is not None:
            return _("the key {key} was revoked on {day}: {reason}").format(
                key=self.label, day=self.revoked.isoformat(), reason=self.reason
            )
        if role not in self.roles:
            return _("the key {key} may not sign this: its roles are {roles}").format(
                key=self.label, roles=", ".join(sorted(self.roles))
            )
        if self.valid_from is not None and today < self.valid_from:
            return _("the key {key} is not valid before {day}").format(
                key=self.label, day=self.valid_from.isoformat()
            )
        if self.valid_until is not None and today > self.valid_until:
            return _("the key {key} was valid until {day}").format(
                key=self.label, day=self.valid_until.isoformat()
            )
        return ""


@dataclass(frozen=True)
class TrustedKeys:
    """The keys that count on one day, by id (sha256 of the key's SPKI DER) and in PEM.

    `pem_by_id` may sign releases, of which `threshold` different ones must have; one of
    `grant_pem_by_id` must have signed the grant. `barred_release` and `barred_grant` are the ring's
    other keys, each with the reason. `names` are the ring's, `ring_digest` identifies the ring.
    """

    pem_by_id: dict[str, bytes] = field(default_factory=dict)
    grant_pem_by_id: dict[str, bytes] = field(default_factory=dict)
    threshold: int = 1
    barred_release: tuple[tuple[RingKey, str], ...] = ()
    barred_grant: tuple[tuple[RingKey, str], ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    ring_digest: str = ""

    @classmethod
    def from_pem(cls, keys: Iterable[bytes]) -> TrustedKeys:
        """The keys in PEM, for every role; SmartCityError for one that is no P-256 public key."""
        return Ring.of_pem(keys).on(date.min)  # without dates, any day is as good


@dataclass(frozen=True)
class Ring:
    """All keys that are known, and how many different ones must sign a release."""

    keys: tuple[RingKey, ...]
    threshold: int = 1

    @classmethod
    def of_pem(cls, keys: Iterable[bytes]) -> Ring:
        """The ring of a workspace without a ring file: every key, every role, no dates."""
        found = {ecdsa.key_id(pem): pem for pem in keys}
        return cls(tuple(RingKey(key_id, pem) for key_id, pem in sorted(found.items())))

    def on(self, today: date) -> TrustedKeys:
        """What counts on `today`."""
        return TrustedKeys(
            pem_by_id=self._counting("release", today),
            grant_pem_by_id=self._counting("grant", today),
            threshold=self.threshold,
            barred_release=self._barred("release", today),
            barred_grant=self._barred("grant", today),
            names={key.key_id: key.name for key in self.keys if key.name},
            ring_digest=self.digest,
        )

    @property
    def digest(self) -> str:
        """sha256 of what the ring says; the order of its keys and their spelling do not count."""
        said = [
            {
                "id": key.key_id,
                "name": key.name,
                "roles": sorted(key.roles),
                "valid_from": str(key.valid_from or ""),
                "valid_until": str(key.valid_until or ""),
                "revoked": str(key.revoked or ""),
                "reason": key.reason,
            }
            for key in sorted(self.keys, key=lambda key: key.key_id)
        ]
        return digest.of_bytes(digest.canonical_json({"keys": said, "threshold": self.threshold}))

    def _counting(self, role: Role, today: date) -> dict[str, bytes]:
        return {key.key_id: key.pem for key in self.keys if not key.why_not(role, today)}

    def _barred(self, role: Role, today: date) -> tuple[tuple[RingKey, str], ...]:
        reasons = ((key, key.why_not(role, today)) for key in self.keys)
        return tuple((key, why) for key, why in reasons if why)
