"""DSSE envelopes: a payload of any type, and who signed it. No I/O; who is trusted says `trust`.

Source: secure-systems-lab/dsse, protocol.md (PAE) and envelope.md. An envelope is accepted in one
spelling only, the canonical one, so that its digest says all about it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.keys import SigningKey

MAX_BYTES = 8 << 20
MAX_SIGNATURES = 32


class BadEnvelopeError(ValueError):
    """The bytes are no envelope in the one form that is accepted."""


@dataclass(frozen=True)
class EnvelopeSignature:
    """`key_id` is a hint; `signature` is base64 of DER, over `Envelope.message`."""

    key_id: str
    signature: str


@dataclass(frozen=True)
class Envelope:
    """A payload and its signatures, ordered by key."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...] = ()

    @property
    def message(self) -> bytes:
        """What is signed: the pre-authentication encoding of type and payload."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [{"keyid": s.key_id, "sig": s.signature} for s in self.signatures],
            }
        )

    def signed_by(self, key: SigningKey) -> Envelope:
        """The same with the signature of `key`, in place of an earlier one that names it."""
        made = base64.b64encode(key.sign(self.message)).decode()
        return self.with_signature(EnvelopeSignature(key.key_id, made))

    def with_signature(self, signature: EnvelopeSignature) -> Envelope:
        """The same with `signature`, in place of an earlier one that names its key."""
        others = [s for s in self.signatures if s.key_id != signature.key_id]
        ordered = sorted([*others, signature], key=lambda s: (s.key_id, s.signature))
        return replace(self, signatures=tuple(ordered))


def parse(data: bytes) -> Envelope:
    """The envelope in `data`; BadEnvelopeError where it is anything else."""
    try:
        value = strictjson.loads(data, MAX_BYTES)
        envelope = Envelope(
            str(value["payloadType"]),
            base64.b64decode(value["payload"], validate=True),
            tuple(EnvelopeSignature(str(s["keyid"]), str(s["sig"])) for s in value["signatures"]),
        )
    except strictjson.UnsafeJsonError as error:
        raise BadEnvelopeError(str(error)) from error
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadEnvelopeError(_("it is no envelope with signatures")) from error
    if envelope.to_json() != data or len(envelope.signatures) > MAX_SIGNATURES:
        raise BadEnvelopeError(_("it is not written in the one way that is allowed"))
    return envelope
