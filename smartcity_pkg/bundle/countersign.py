"""Adding a signature to a bundle that is packed: here, or on another machine that never sees it.

What is signed are the root's digest and the provenance. A bundle keeps every signature that it has;
whether they count is for `trust`. The offline way: a small request goes there, a small signature
comes back. Nothing that a layer holds is read: the root names it by digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from smartcity_pkg.bundle import dsse, ecdsa, oci, provenance, strictjson, trust
from smartcity_pkg.bundle.contents import BundleContents, Signature
from smartcity_pkg.bundle.dsse import Envelope, EnvelopeSignature
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.layout import Bundle, open_bundle
from smartcity_pkg.bundle.sign import outer_files, sign_root
from smartcity_pkg.bundle.structure import broken
from smartcity_pkg.bundle.verify import sound_contents
from smartcity_pkg.bundle.write import Content, write_bundle
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError, UntrustedBundleError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.progress import Progress, no_progress

_MAX_FILE_BYTES = 16 << 20
M = TypeVar("M", bound=Model)


class SigningRequest(Model):
    """What goes to the machine with the key: the root's digest, and the provenance to be signed.

    `release`, `pemda` and `apps` are for the person who signs; only the digest binds.
    """

    schema_version: Literal[1] = 1
    kind: Literal["signing-request"] = "signing-request"
    root_digest: oci.Digest
    release: str = Field(max_length=100)
    pemda: str = Field(max_length=200)
    apps: tuple[str, ...]
    statement: str

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))


class DetachedSignature(Model):
    """What comes back: two signatures of one key, over the root's payload and the provenance."""

    schema_version: Literal[1] = 1
    kind: Literal["signature"] = "signature"
    root_digest: oci.Digest
    public_key: str = Field(max_length=4096)
    signature: str = Field(max_length=4096)
    statement_signature: str = Field(max_length=4096)

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Countersigned:
    """A bundle and the ids of the keys that signed it by their own account.

    `key_id` is the one that was asked for; `changed` is false where it had signed before.
    """

    path: Path
    contents: BundleContents
    key_id: str
    signed_by: tuple[str, ...]
    changed: bool


def request_for(path: Path) -> SigningRequest:
    """What somebody with a key needs of the bundle at `path`; it must be sound."""
    with open_bundle(path) as bundle:
        contents = sound_contents(bundle)
    envelope = _sound_attestation(contents)
    release = contents.release
    return SigningRequest(
        root_digest=contents.root_digest,
        release=release.name,
        pemda=f"{release.plan.pemda} ({release.region})",
        apps=tuple(sorted({f"{app.app} {app.version}" for app in release.apps})),
        statement=envelope.payload.decode(),
    )


def sign_request(request: SigningRequest, key: SigningKey) -> DetachedSignature:
    """Sign a request. UntrustedBundleError where its provenance is of another bundle."""
    envelope = Envelope(provenance.PAYLOAD_TYPE, request.statement.encode())
    try:
        subject = strictjson.loads(envelope.payload, dsse.MAX_BYTES)["subject"]
        told = [f"sha256:{entry['digest']['sha256']}" for entry in subject]
    except (strictjson.UnsafeJsonError, KeyError, TypeError) as error:
        raise broken(_("the provenance is damaged: {why}").format(why=error)) from error
    if told != [request.root_digest]:
        raise UntrustedBundleError(
            _("the request's provenance is that of another bundle"),
            _("Make the request anew: smartcity sign BUNDLE --request FILE"),
        )
    (statement,) = envelope.signed_by(key).signatures
    return DetachedSignature(
        root_digest=request.root_digest,
        public_key=ecdsa.line_of_pem(key.public_pem),
        signature=sign_root(request.root_digest, key).signature,
        statement_signature=statement.signature,
    )


def sign_bundle(path: Path, key: SigningKey, progress: Progress = no_progress) -> Countersigned:
    """Add the signature of `key` to the bundle at `path`; nothing changes where it is there.

    A crash leaves the bundle as it was. Raises UntrustedBundleError where the bundle is not sound.
    """
    with open_bundle(path) as bundle:
        contents = sound_contents(bundle)
        envelope = _sound_attestation(contents).signed_by(key)
        signature = sign_root(contents.root_digest, key)
        return _with(bundle, contents, signature, envelope, progress)


def attach(
    path: Path, detached: DetachedSignature, progress: Progress = no_progress
) -> Countersigned:
    """Add a signature that was made elsewhere; as `sign_bundle`.

    UntrustedBundleError also where it is for another bundle, or was not made by the key it names.
    """
    pem = ecdsa.pem_of_line(detached.public_key)
    signer = ecdsa.key_id(pem)
    with open_bundle(path) as bundle:
        contents = sound_contents(bundle)
        if detached.root_digest != contents.root_digest:
            raise UntrustedBundleError(
                _("the signature is for {found}, and this bundle is {root}").format(
                    found=detached.root_digest[:19], root=contents.root_digest[:19]
                ),
                _("Attach it to the bundle that the request was made from."),
            )
        old = _sound_attestation(contents)
        payload = trust.payload_for(contents.root_digest)
        if not (
            ecdsa.verifies(pem, detached.signature, payload)
            and ecdsa.verifies(pem, detached.statement_signature, old.message)
        ):
            raise UntrustedBundleError(
                _("the signature of key {key} is not genuine").format(key=signer[:19]),
                _("Sign the request again, and carry the new file here."),
            )
        envelope = old.with_signature(EnvelopeSignature(signer, detached.statement_signature))
        signature = Signature(signer, payload, detached.signature)
        return _with(bundle, contents, signature, envelope, progress)


def read_request(path: Path) -> SigningRequest:
    """The request in a file; InputError where it is none."""
    return _read(path, SigningRequest, _("this is no signing request"))


def read_signature(path: Path) -> DetachedSignature:
    """The signature in a file; InputError where it is none."""
    return _read(path, DetachedSignature, _("this is no signature that “smartcity sign” wrote"))


def _with(
    bundle: Bundle,
    contents: BundleContents,
    signature: Signature,
    envelope: Envelope,
    progress: Progress,
) -> Countersigned:
    """The open bundle with one more signature, written in its place unless it is there already."""
    for each in contents.signatures:
        trust.check_payload(contents.root_digest, each.payload)
    others = [s for s in contents.signatures if s.key_id != signature.key_id]
    signatures = (*others, signature)
    if len(signatures) > trust.MAX_SIGNATURES:
        raise SmartCityError(
            _("the bundle has {count} signatures already, and no more are allowed").format(
                count=trust.MAX_SIGNATURES
            ),
            _("Pack it again, and let only those sign who must."),
        )
    outer = outer_files(bundle.root, signatures, envelope, bundle.images)
    inner = [b for b in bundle.blobs if b not in bundle.signature_blobs]
    files: dict[str, Content] = {oci.LAYOUT_FILE: oci.LAYOUT_BYTES, **outer}
    files |= {oci.blob_name(b): bundle.place(oci.blob_name(b)) for b in inner}
    before = outer_files(bundle.root, contents.signatures, contents.attestation, bundle.images)
    changed = outer != before
    if changed:
        # In the form that it has, whatever its name; through a link, where it really lies.
        place = bundle.path.resolve()
        write_bundle(place, files, progress, tar=place.is_file())
    signed_by = tuple(sorted({s.key_id for s in signatures}))
    return Countersigned(bundle.path, contents, signature.key_id, signed_by, changed)


def _sound_attestation(contents: BundleContents) -> Envelope:
    if contents.attestation is None:
        raise broken(_("it has no provenance"))
    try:
        provenance.origin_of(contents.attestation, contents.root_digest, contents.release)
    except provenance.FalseStatementError as error:
        raise broken(
            _("the provenance is not that of this bundle ({what})").format(what=error)
        ) from error
    return contents.attestation


def _read(path: Path, model: type[M], what: str) -> M:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(
            Problem(_("the file cannot be read: {why}").format(why=os_text(error)), str(path))
        ) from error
    try:
        strictjson.loads(data, _MAX_FILE_BYTES)
        return model.model_validate_json(data)
    except (strictjson.UnsafeJsonError, ValidationError) as error:
        raise InputError(
            Problem(f"{what}: {oci.reason(error)}", str(path)),
            _("See how it is made: smartcity sign --help"),
        ) from error
