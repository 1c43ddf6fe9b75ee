"""Keys, the ring, signatures and grants as results."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.bundle.countersign import Countersigned, DetachedSignature, SigningRequest
    from smartcity_pkg.bundle.grant import Grant
    from smartcity_pkg.bundle.keys import SigningKey
    from smartcity_pkg.bundle.ring import Ring, RingKey


def key_made(key: SigningKey, private: Path, public: Path) -> Result:
    """The outcome of `key new`."""
    facts = [
        (_("private key (keep it secret)"), str(private)),
        (_("public key (give it to pemda)"), str(public)),
        (_("key id"), key.key_id),
    ]
    data = {"private": str(private), "public": str(public), "key_id": key.key_id}
    return Result("key", data, (Facts(_("A new signing key"), facts),))


def key_shown(file: Path, key: RingKey, why_not: str) -> Result:
    """The outcome of `key show`."""
    facts = [(_("file"), str(file)), (_("key id"), key.key_id), *_about(key)]
    line = (
        Line(_("It does not count for releases: {why}").format(why=why_not), "warn")
        if why_not
        else Line(_("It counts for releases today."), "good")
    )
    data = {"file": str(file), **_key_data(key), "why_not": why_not or None}
    return Result("key", data, (Facts(_("Key"), facts), _read_aloud(key.key_id), line))


def key_exported(pem: bytes, file: Path | None) -> Result:
    """The outcome of `key export`."""
    from smartcity_pkg.bundle.ecdsa import key_id, line_of_pem

    found = key_id(pem)
    data = {
        "key_id": found,
        "pem": pem.decode(),
        "public_key": line_of_pem(pem),
        "file": str(file) if file else None,
    }
    parts: list[Part] = [Line(line) for line in pem.decode().splitlines()]
    parts += [Facts("", [(_("key id"), found)]), _read_aloud(found)]
    if file:
        parts.append(Line(_("Written to {file}").format(file=file), "good"))
    return Result("exported-key", data, parts)


def key_trusted(key: RingKey, ring: Path) -> Result:
    """The outcome of `key trust`."""
    text = _("{file}: the key {key} is trusted").format(file=ring, key=key.label)
    data = {"ring": str(ring), **_key_data(key)}
    facts = [(_("key id"), key.key_id), *_about(key)]
    return Result("trusted-key", data, (Line(text, "good"), Facts("", facts)))


def key_revoked(key: RingKey, ring: Path) -> Result:
    """The outcome of `key revoke`."""
    text = _("{file}: the key {key} counts no longer, for old bundles either").format(
        file=ring, key=key.label
    )
    hint = _("Send the new {file} to everybody who verifies; sign again what must go on.").format(
        file=ring.name
    )
    data = {"ring": str(ring), **_key_data(key)}
    return Result("revoked-key", data, (Line(text, "good"), Line(hint)))


def keys_listed(ring: Ring, file: Path | None, today: date) -> Result:
    """The outcome of `key list`."""
    facts = [
        (_("ring"), str(file) if file else _("no file; every keys/*.pub is trusted for all")),
        (_("ring digest"), ring.digest),
        (_("signatures that a release needs"), str(ring.threshold)),
    ]
    columns = (_("key"), _("name"), _("roles"), _("first day"), _("last day"), _("today"))
    rows = [
        (
            key.key_id[7:19],
            key.name or "-",
            ", ".join(sorted(key.roles)),
            _day(key.valid_from),
            _day(key.valid_until),
            _counts(key, today),
        )
        for key in ring.keys
    ]
    able = len(ring.on(today).pem_by_id)
    parts: list[Part] = [Facts("", facts), Table(_("Keys"), columns, rows)]
    if able < ring.threshold:
        warning = _("A release needs {needed} signatures, and {count} keys count today.")
        parts.append(Line(warning.format(needed=ring.threshold, count=able), "warn"))
    data = {
        "file": str(file) if file else None,
        "ring_digest": ring.digest,
        "threshold": ring.threshold,
        "keys": [_key_data(key) | _counts_data(key, today) for key in ring.keys],
    }
    return Result("keys", data, parts)


def bundle_signed(result: Countersigned) -> Result:
    """The outcome of `sign`."""
    text = (
        _("{path}: signed by {key}")
        if result.changed
        else _("{path}: {key} had signed it before; nothing was changed")
    )
    data = {
        "bundle": str(result.path),
        "root_digest": result.contents.root_digest,
        "release": result.contents.release.name,
        "key_id": result.key_id,
        "signed_by": list(result.signed_by),
        "changed": result.changed,
    }
    facts = [
        (_("root"), result.contents.root_digest),
        (_("signed by (not checked)"), ", ".join(k[:19] for k in result.signed_by)),
    ]
    line = Line(text.format(path=result.path, key=result.key_id[:19]), "good")
    return Result("signed", data, (line, Facts("", facts)))


def request_made(request: SigningRequest, file: Path) -> Result:
    """The outcome of `sign --request`."""
    line = Line(_("Take {file} to the machine with the key.").format(file=file), "good")
    following = Line(_("There: smartcity sign {file}").format(file=file.name))
    data = {"request": str(file), **request.model_dump(mode="json", exclude={"statement"})}
    return Result("signing-request", data, (line, _request_facts(request), following))


def request_signed(request: SigningRequest, made: DetachedSignature, file: Path) -> Result:
    """The outcome of `sign REQUEST`."""
    line = Line(_("Signed; take {file} back to the bundle.").format(file=file), "good")
    following = Line(_("There: smartcity sign BUNDLE --attach {file}").format(file=file.name))
    data = {
        "signature": str(file),
        "root_digest": made.root_digest,
        "release": request.release,
        "public_key": made.public_key,
    }
    return Result("signature", data, (line, _request_facts(request), following))


def grant_made(grant: Grant, key_id: str, file: Path) -> Result:
    """The outcome of `grant new`."""
    line = Line(_("{file}: signed by {key}").format(file=file, key=key_id[:19]), "good")
    data = {"file": str(file), "key_id": key_id, "grant": grant.model_dump(mode="json")}
    return Result("grant", data, (line, _grant_facts(grant)))


def grant_shown(grant: Grant, key_id: str, why_not: str, file: Path) -> Result:
    """The outcome of `grant show`."""
    signed = Line(_("{file}: signed by {key}").format(file=file, key=key_id[:19]), "good")
    holds = Line(why_not, "warn") if why_not else Line(_("It holds today."), "good")
    data = {
        "file": str(file),
        "key_id": key_id,
        "grant": grant.model_dump(mode="json"),
        "why_not": why_not or None,
    }
    return Result("grant", data, (signed, _grant_facts(grant), holds))


def _grant_facts(grant: Grant) -> Facts:
    apps = _("all") if grant.apps == "all" else ", ".join(grant.apps) or "-"
    return Facts(
        "",
        [
            (_("pemda"), f"{grant.pemda} ({grant.region})"),
            (_("agreement"), grant.pks.number),
            (_("apps"), apps),
            (_("platform apps"), ", ".join(grant.platform) or "-"),
            (_("first day"), _day(grant.valid_from)),
            (_("last day"), _day(grant.expires)),
        ],
    )


def _request_facts(request: SigningRequest) -> Facts:
    return Facts(
        "",
        [
            (_("root"), request.root_digest),
            (_("release"), request.release),
            (_("pemda"), request.pemda),
            (_("apps"), ", ".join(request.apps)),
        ],
    )


def _about(key: RingKey) -> list[tuple[str, str]]:
    return [
        (_("name"), key.name or "-"),
        (_("roles"), ", ".join(sorted(key.roles))),
        (_("first day"), _day(key.valid_from)),
        (_("last day"), _day(key.valid_until)),
    ]


def _counts(key: RingKey, today: date) -> str:
    whys = {role: key.why_not(role, today) for role in sorted(key.roles)}
    return next((why for why in whys.values() if why), _("counts"))


def _counts_data(key: RingKey, today: date) -> dict[str, Any]:
    counting = [role for role in sorted(key.roles) if not key.why_not(role, today)]
    return {"counts_for": counting}


def _key_data(key: RingKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "roles": sorted(key.roles),
        "valid_from": key.valid_from.isoformat() if key.valid_from else None,
        "valid_until": key.valid_until.isoformat() if key.valid_until else None,
        "revoked": key.revoked.isoformat() if key.revoked else None,
        "reason": key.reason or None,
    }


def _day(day: date | None) -> str:
    return day.isoformat() if day else "-"


def _read_aloud(key_id: str) -> Line:
    """A key's id in groups, to be compared over the telephone."""
    digits = key_id.removeprefix("sha256:")
    groups = " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))
    return Line(_("To compare by telephone: {groups}").format(groups=groups))
