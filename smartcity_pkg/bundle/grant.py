"""The grant: a pemda's agreement (PKS) as a document that a key with the role `grant` signs.

It travels inside the release, below the signed root. No I/O; whether its signature counts is
decided in `trust`, whether it fits its release in `structure`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from pydantic import Field, ValidationError

from smartcity_pkg.bundle import dsse, strictjson
from smartcity_pkg.catalogue import pemda as profiles
from smartcity_pkg.catalogue.app import AppName, Model
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _

PAYLOAD_TYPE = "application/vnd.smartcity.grant.v1+json"
MEDIA_TYPE = "application/vnd.smartcity.grant.v1.dsse+json"


class BadGrantError(ValueError):
    """The bytes are no grant; `str` says why."""


class Grant(Model):
    """What a pemda may run, and from when until when (both days included).

    `platform` are apps that belong to no agreement of their own: they come along with others.
    """

    schema_version: Literal[1] = 1
    kind: Literal["grant"] = "grant"
    region: profiles.RegionCode
    pemda: str = Field(min_length=1)
    mou: profiles.Document
    pks: profiles.Document
    apps: Literal["all"] | tuple[AppName, ...]
    platform: tuple[AppName, ...] = ()
    valid_from: date
    expires: date | None = None

    def covers(self, app: str) -> bool:
        """Whether `app` may run under it; its days are judged apart."""
        return self.apps == "all" or app in self.apps or app in self.platform

    def uncovered(self, apps: Iterable[str]) -> list[str]:
        """Those of `apps` that it does not cover, sorted."""
        return sorted({app for app in apps if not self.covers(app)})

    def why_not_on(self, today: date) -> str:
        """Why it does not hold on `today`, in words; "" where it holds."""
        words = {"number": self.pks.number, "pemda": self.pemda}
        if today < self.valid_from:
            return _("the agreement {number} with {pemda} begins on {day}").format(
                day=self.valid_from.isoformat(), **words
            )
        if self.expires is not None and today > self.expires:
            return _("the agreement {number} with {pemda} ended on {day}").format(
                day=self.expires.isoformat(), **words
            )
        return ""

    def to_json(self) -> bytes:
        """The canonical bytes, which are what is signed."""
        return digest.canonical_json(self.model_dump(mode="json"))


def of_agreement(pemda: profiles.Pemda, platform: Iterable[str]) -> Grant:
    """The grant that a profile's agreement speaks of; `platform` are the catalogue's such apps."""
    agreement = pemda.agreement
    apps = agreement.pks.apps
    return Grant(
        region=pemda.region,
        pemda=pemda.name,
        mou=agreement.mou,
        pks=profiles.Document(number=agreement.pks.number, date=agreement.pks.date),
        apps=apps if apps == "all" else tuple(sorted(set(apps))),
        platform=tuple(sorted(platform)),
        valid_from=agreement.pks.date,
        expires=agreement.pks.expires,
    )


def envelope_of(grant: Grant) -> dsse.Envelope:
    """The grant, ready to be signed."""
    return dsse.Envelope(PAYLOAD_TYPE, grant.to_json())


def parse(data: bytes) -> tuple[Grant, dsse.Envelope]:
    """The grant in an envelope's bytes, signatures unchecked; BadGrantError where it is none."""
    try:
        envelope = dsse.parse(data)
        strictjson.loads(envelope.payload)
        grant = Grant.model_validate_json(envelope.payload)
    except dsse.BadEnvelopeError as error:
        raise BadGrantError(str(error)) from error
    except strictjson.UnsafeJsonError as error:
        raise BadGrantError(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadGrantError(f"{place}: {first['msg']}") from error
    if envelope.payload_type != PAYLOAD_TYPE or grant.to_json() != envelope.payload:
        raise BadGrantError(_("it is not written in the one way that is allowed"))
    return grant, envelope
