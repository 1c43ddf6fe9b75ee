"""Signatures that are added to a packed bundle, and the grants that go into one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import ring_of, signing_key
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.countersign import Countersigned, DetachedSignature, SigningRequest
    from smartcity_pkg.bundle.grant import Grant
    from smartcity_pkg.bundle.keys import SigningKey
    from smartcity_pkg.bundle.ring import TrustedKeys
    from smartcity_pkg.catalogue.pemda import Pemda
    from smartcity_pkg.catalogue.plan import Plan

SIGNATURE_SUFFIX = ".signature.json"
_MAX_GRANT_BYTES = 1 << 20


def sign(session: Session, bundle: str, key: Path | None) -> Countersigned:
    """Add the signature of a key to a bundle."""
    from smartcity_pkg.bundle.countersign import sign_bundle

    return sign_bundle(
        session.workspace.bundle(bundle), signing_key(session, key), session.progress
    )


def write_request(session: Session, bundle: str, out: Path) -> SigningRequest:
    """Write what an offline machine needs to sign a bundle."""
    from smartcity_pkg.bundle.countersign import request_for

    request = request_for(session.workspace.bundle(bundle))
    atomic.write(out, request.to_json())
    return request


def is_request(path: Path) -> bool:
    """Whether the file at `path` is a request, and no bundle."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(1) == b"{"


def answer_request(
    session: Session, path: Path, key: Path | None, out: Path | None
) -> tuple[SigningRequest, DetachedSignature, Path]:
    """Sign a request; the signature goes beside it, or to `out`."""
    from smartcity_pkg.bundle.countersign import read_request, sign_request

    request = read_request(path)
    made = sign_request(request, signing_key(session, key))
    target = out or path.with_name(path.name.removesuffix(".json") + SIGNATURE_SUFFIX)
    atomic.write(target, made.to_json())
    return request, made, target


def attach(session: Session, bundle: str, file: Path) -> Countersigned:
    """Add a signature from a file to a bundle."""
    from smartcity_pkg.bundle.countersign import attach as add
    from smartcity_pkg.bundle.countersign import read_signature

    return add(session.workspace.bundle(bundle), read_signature(file), session.progress)


def new_grant(
    session: Session, name: str, key: Path | None, out: Path | None
) -> tuple[Grant, str, Path]:
    """Sign the agreement of a profile; the grant, the signing key's id, and the file."""
    pemda = session.pemda(name)
    grant = _grant_of(session, pemda)
    own = session.workspace.grant_key
    signer = signing_key(session, key or (own if own.exists() else None))
    path = out or session.workspace.grant(pemda.region)
    atomic.write(path, _signed(session, grant, signer))
    return grant, signer.key_id, path


def grant_for(session: Session, pemda: Pemda, plan: Plan, key: SigningKey | None,
              today: date) -> bytes:  # fmt: skip
    """The grant that a release of `plan` carries, checked as every reader will.

    It is the workspace's file; where there is none, and no key for grants alone, the release's key
    signs the profile's agreement. InputError where it does not hold on `today` or for an app.
    """
    path = session.workspace.grant(pemda.region)
    if path.exists():
        data = path.read_bytes()[:_MAX_GRANT_BYTES]
    elif key is None or session.workspace.grant_key.exists():
        raise UsageError(
            _("there is no grant for {pemda} yet ({file})").format(pemda=pemda.name, file=path),
            _("make one: smartcity grant new {region}").format(region=pemda.region),
        )
    else:
        data = _signed(session, _grant_of(session, pemda), key)
    trusted = ring_of(session).on(date.today())
    _check(data, pemda, plan, today, trusted, str(path))
    return data


def checked_grant(session: Session, region: str) -> tuple[Grant, str, str, Path]:
    """A workspace's grant, who signed it, and why it does not hold today ("" where it does)."""
    from smartcity_pkg.bundle.trust import check_grant

    path = session.workspace.grant(region)
    if not path.exists():
        raise UsageError(
            _("there is no grant for {pemda} yet ({file})").format(pemda=region, file=path),
            _("make one: smartcity grant new {region}").format(region=region),
        )
    trusted = ring_of(session).on(date.today())
    grant, signer = check_grant(path.read_bytes()[:_MAX_GRANT_BYTES], trusted)
    return grant, signer, grant.why_not_on(date.today()), path


def _check(
    data: bytes, pemda: Pemda, plan: Plan, today: date, trusted: TrustedKeys, file: str
) -> None:
    from smartcity_pkg.bundle.trust import check_grant

    grant, _signer = check_grant(data, trusted)
    faults = []
    if grant.region != pemda.region:
        faults.append(
            _("the grant is for region {grant}, the release for region {release}").format(
                grant=grant.region, release=pemda.region
            )
        )
    if apps := grant.uncovered(a.app for a in plan.apps):
        faults.append(
            _("the agreement {number} does not cover: {apps}").format(
                number=grant.pks.number, apps=", ".join(apps)
            )
        )
    if why := grant.why_not_on(today):
        faults.append(why)
    if faults:
        raise InputError(
            [Problem(fault, file) for fault in faults],
            _("correct the profile's agreement, then: smartcity grant new {region}").format(
                region=pemda.region
            ),
        )


def _grant_of(session: Session, pemda: Pemda) -> Grant:
    from smartcity_pkg.bundle.grant import of_agreement

    apps = session.catalogue.apps.values()
    return of_agreement(pemda, [app.name for app in apps if app.is_platform])


def _signed(session: Session, grant: Grant, key: SigningKey) -> bytes:
    """The grant, signed; UsageError where the workspace's own ring would not accept it."""
    from smartcity_pkg.bundle.grant import envelope_of

    ring = ring_of(session)
    known = {k.key_id: k for k in ring.keys}
    found = known.get(key.key_id)
    why = (
        found.why_not("grant", date.today())
        if found
        else _("the ring of this workspace does not have the key {key}").format(key=key.key_id[:19])
    )
    if why:
        raise UsageError(
            _("this key cannot sign the grant: {why}").format(why=why),
            _("use a key with the role “grant”, or: smartcity key trust FILE --role grant"),
        )
    return envelope_of(grant).signed_by(key).to_json()
