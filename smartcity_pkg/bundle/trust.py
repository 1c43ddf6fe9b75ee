"""What may be believed about a bundle: bytes in, verdict out, no I/O.

Two questions. Did keys that we trust sign this root, its provenance and its grant: answered here.
Does everything that the root leads to fit together: answered in `structure`, whose functions are
part of this interface. Which keys count, and on which day, is `ring`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from smartcity_pkg.bundle import grant as grants
from smartcity_pkg.bundle import strictjson
from smartcity_pkg.bundle.contents import Signature
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.ecdsa import key_id, verifies
from smartcity_pkg.bundle.grant import Grant
from smartcity_pkg.bundle.provenance import FalseStatementError, Origin, origin_of
from smartcity_pkg.bundle.ring import RingKey, TrustedKeys
from smartcity_pkg.bundle.structure import broken, contents_of, files_of, release_of
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _

__all__ = [
    "TrustedKeys",
    "check_attestation",
    "check_grant",
    "check_payload",
    "check_signatures",
    "contents_of",
    "files_of",
    "genuine_signatures",
    "key_id",
    "payload_for",
    "release_of",
]

PAYLOAD_TYPE = "cosign container image signature"
MAX_SIGNATURES = 32
_MAX_PAYLOAD_BYTES = 64 << 10


def payload_for(root_digest: str) -> bytes:
    """What is signed for a root: cosign's simple-signing payload (SIGNATURE_SPEC.md)."""
    return digest.canonical_json(
        {
            "critical": {
                "identity": {"docker-reference": ""},
                "image": {"docker-manifest-digest": root_digest},
                "type": PAYLOAD_TYPE,
            },
            "optional": None,
        }
    )


def check_signatures(
    root_digest: str, signatures: Sequence[Signature], trusted: TrustedKeys
) -> tuple[str, ...]:
    """The ids of the trusted keys that signed `root_digest`, sorted; never empty.

    Raises as `genuine_signatures` does.
    """
    genuine = genuine_signatures(root_digest, signatures, trusted)
    return tuple(sorted({signature.key_id for signature in genuine}))


def genuine_signatures(
    root_digest: str, signatures: Sequence[Signature], trusted: TrustedKeys
) -> tuple[Signature, ...]:
    """The signatures that trusted keys made over `root_digest`, each with the key it was proven by.

    By at least as many different keys as the ring demands. Signatures by keys that are not trusted
    say nothing and are left out. Raises UntrustedBundleError where too few trusted keys signed,
    where a signature says that it is of a trusted key and is not, and where any payload speaks of
    another root.
    """
    if len(signatures) > MAX_SIGNATURES:
        raise broken(_("it has too many signatures"))
    for signature in signatures:
        check_payload(root_digest, signature.payload)
    marks = [_Mark(s.key_id, s.signature, s.payload) for s in signatures]
    signers = _signers(marks, trusted.pem_by_id)
    found = len({signer for signer in signers if signer})
    reasons = _reasons(marks, trusted.barred_release)
    if found == 0:
        raise UntrustedBundleError(
            _(
                "no trusted key signed the bundle (signatures: {count}, trusted keys: {keys})"
            ).format(count=len(signatures), keys=len(trusted.pem_by_id))
            + reasons,
            _("Let a keeper of a key that counts sign it: smartcity sign")
            if reasons
            else _(
                "Get the public key from the Kominfo that packed it, over a way that you trust."
            ),
        )
    if found < trusted.threshold:
        raise UntrustedBundleError(
            _("trusted keys that signed the bundle: {found}; the ring asks for {needed}").format(
                found=found, needed=trusted.threshold
            )
            + reasons,
            _("Let another keeper of a release key sign it: smartcity sign"),
        )
    pairs = zip(signatures, signers, strict=True)
    return tuple(replace(signature, key_id=signer) for signature, signer in pairs if signer)


def check_attestation(
    root_digest: str, release: Release, envelope: Envelope | None, trusted: TrustedKeys
) -> Origin:
    """What a bundle's provenance adds to its release.

    Raises UntrustedBundleError where there is none, where it says anything that is not so, and
    where fewer trusted release keys signed it than the ring demands.
    """
    if envelope is None:
        raise broken(_("it has no provenance"))
    try:
        origin = origin_of(envelope, root_digest, release)
    except FalseStatementError as error:
        raise UntrustedBundleError(
            _("the provenance is not that of this bundle ({what})").format(what=error),
            _("Do not use this bundle. Get it again, and ask whoever packed it."),
        ) from error
    marks = _marks(envelope)
    signers = {signer for signer in _signers(marks, trusted.pem_by_id) if signer}
    if len(signers) < trusted.threshold:
        raise UntrustedBundleError(
            _("{found} trusted keys signed the provenance, and {needed} must").format(
                found=len(signers), needed=trusted.threshold
            )
            + _reasons(marks, trusted.barred_release),
            _("Let a keeper of a release key sign the bundle: smartcity sign"),
        )
    return origin


def check_grant(data: bytes, trusted: TrustedKeys) -> tuple[Grant, str]:
    """The grant in an envelope's bytes, and the id of the trusted key that signed it.

    Which release it belongs to, and whether it holds today, is judged elsewhere. Raises
    UntrustedBundleError where there is none, or no key with the role `grant` signed it.
    """
    hint = _("Make a grant with a key of the role “grant”: smartcity grant new; then pack again.")
    if not data:
        raise UntrustedBundleError(_("the release has no grant: nobody says what it may run"), hint)
    try:
        grant, envelope = grants.parse(data)
    except grants.BadGrantError as error:
        raise broken(_("the grant is damaged: {why}").format(why=error)) from error
    marks = _marks(envelope)
    signer = next((s for s in _signers(marks, trusted.grant_pem_by_id) if s), None)
    if signer is None:
        raise UntrustedBundleError(
            _("no trusted key signed the grant (signatures: {count}, trusted keys: {keys})").format(
                count=len(envelope.signatures), keys=len(trusted.grant_pem_by_id)
            )
            + _reasons(marks, trusted.barred_grant),
            hint,
        )
    return grant, signer


@dataclass(frozen=True)
class _Mark:
    """A signature of any format: who is said to have made it, and over what."""

    claimed: str
    signature: str
    message: bytes


def _marks(envelope: Envelope) -> list[_Mark]:
    return [_Mark(s.key_id, s.signature, envelope.message) for s in envelope.signatures]


def _signers(marks: Sequence[_Mark], pem_by_id: Mapping[str, bytes]) -> list[str | None]:
    """The trusted key that made each mark, None for a foreign one.

    UntrustedBundleError where a mark claims to be of a trusted key and is of none.
    """
    signers: list[str | None] = []
    for mark in marks:
        signer = next(
            (k for k, pem in pem_by_id.items() if verifies(pem, mark.signature, mark.message)), None
        )
        if signer is None and mark.claimed in pem_by_id:
            raise UntrustedBundleError(
                _("the signature of key {key} is not genuine").format(key=mark.claimed[:19]),
                _("Do not use this bundle. Get it again, and ask whoever packed it."),
            )
        signers.append(signer)
    return signers


def _reasons(marks: Sequence[_Mark], barred: Sequence[tuple[RingKey, str]]) -> str:
    """Why keys that did sign do not count, to be said after the verdict; "" where none did."""
    whys = [
        why
        for key, why in barred
        if any(
            verifies(key.pem, m.signature, m.message) if key.pem else m.claimed == key.key_id
            for m in marks
        )
    ]
    return "".join(f"; {why}" for why in whys)


def check_payload(root_digest: str, payload: bytes) -> None:
    """UntrustedBundleError where a signature's payload is not about `root_digest`."""
    try:
        critical = strictjson.loads(payload, _MAX_PAYLOAD_BYTES)["critical"]
        says = (critical["image"]["docker-manifest-digest"], critical["type"])
    except (strictjson.UnsafeJsonError, KeyError, TypeError) as error:
        raise broken(_("a signature is damaged")) from error
    if says != (root_digest, PAYLOAD_TYPE):
        raise UntrustedBundleError(
            _("a signature is for another bundle (it names {found}, this is {root})").format(
                found=str(says[0])[:19], root=root_digest[:19]
            ),
            _("Do not use this bundle. Get it again, and ask whoever packed it."),
        )
