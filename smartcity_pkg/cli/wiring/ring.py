"""Changes in the workspace's ring of trusted keys, and keys to give away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import open_key, ring_of
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import SmartCityError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note

if TYPE_CHECKING:
    from smartcity_pkg.bundle.ring import Ring, RingKey

_SHORTEST_ID = 8


def public_key(session: Session, path: Path | None) -> tuple[Path, bytes]:
    """A public key in PEM: of a file, of a private key's file, else the workspace's own."""
    from smartcity_pkg.bundle.keys import load_public, public_path

    chosen = path or session.workspace.signing_key
    if chosen.suffix == ".pub":
        return chosen, load_public(chosen)
    beside = public_path(chosen)
    if beside.exists():
        return beside, load_public(beside)
    if not chosen.exists():
        raise UsageError(
            _("there is no key at {file}").format(file=chosen),
            _("make one: smartcity key new; or name yours with --key"),
        )
    return chosen, open_key(chosen).public_pem


def described(session: Session, path: Path | None) -> tuple[Path, RingKey, str]:
    """A key, and why it does not count here today for releases ("" where it does)."""
    from smartcity_pkg.bundle.ring import Ring

    file, pem = public_key(session, path)
    (key,) = Ring.of_pem([pem]).keys
    known = {k.key_id: k for k in ring_of(session).keys}
    if key.key_id not in known:
        return file, key, _("the ring of this workspace does not have it")
    found = known[key.key_id]
    return file, found, found.why_not("release", date.today())


def export(session: Session, path: Path | None, out: Path | None) -> tuple[bytes, Path | None]:
    """The public key, written to `out` where that is given; a file that is there is kept."""
    _file, pem = public_key(session, path)
    if out is not None:
        if out.exists() and out.read_bytes() != pem:
            raise SmartCityError(
                _("{path} exists already, and a key is never overwritten").format(path=out),
                _("Choose another name, or move the old key to a safe place first."),
            )
        atomic.write(out, pem)
    return pem, out


def trust(
    session: Session,
    file: Path,
    name: str | None,
    roles: Sequence[str] | None,
    valid_from: date | None,
    valid_until: date | None,
) -> tuple[RingKey, Path]:
    """Add the public key in `file` to the ring; the ring's file is made where there is none."""
    from smartcity_pkg.bundle.keys import load_public
    from smartcity_pkg.bundle.ring import ROLES, Ring
    from smartcity_pkg.bundle.ringfile import add_key

    wanted = frozenset(role for role in ROLES if role in (roles or ("release",)))
    if wrong := sorted(set(roles or ()) - set(ROLES)):
        raise UsageError(
            _("--role is “{given}”, expected one of: {known}").format(
                given=", ".join(wrong), known=", ".join(ROLES)
            )
        )
    if valid_from and valid_until and valid_until < valid_from:
        raise UsageError(_("the key's last day is before its first"), _("see --from and --until"))
    (found,) = Ring.of_pem([load_public(file)]).keys
    key = replace(
        found, name=name or file.stem, roles=wanted, valid_from=valid_from, valid_until=valid_until
    )
    ring = ring_of(session) if session.workspace.ring.exists() else Ring(())
    if any(k.key_id == key.key_id for k in ring.keys):
        raise UsageError(
            _("the ring has the key {key} already").format(key=key.label),
            _("change its entry in {file}").format(file=session.workspace.ring),
        )
    _begin(session, besides=key)
    if any(k.key_id == key.key_id for k in ring_of(session).keys):
        return key, session.workspace.ring  # the ring's file was begun with it
    add_key(session.workspace.ring, key)
    return key, session.workspace.ring


def revoke(session: Session, key: str, reason: str, day: date) -> tuple[RingKey, Path]:
    """Write into the ring that a key, named by id, start of id, name or file, counts no longer."""
    from smartcity_pkg.bundle.ringfile import revoke_key

    if not reason.strip():
        raise UsageError(_("a revocation needs a reason"), _("give it: --reason TEXT"))
    found = _named(ring_of(session), key)
    if found.revoked is not None:
        raise UsageError(found.why_not("release", day), _("nothing was changed"))
    _begin(session, besides=None)
    revoke_key(session.workspace.ring, found.key_id, day, reason.strip())
    revoked = replace(found, revoked=day, reason=reason.strip())
    return revoked, session.workspace.ring


def _named(ring: Ring, name: str) -> RingKey:
    digits = name.removeprefix("sha256:")
    found = [
        key
        for key in ring.keys
        if key.name == name
        or (len(digits) >= _SHORTEST_ID and key.key_id.startswith(f"sha256:{digits}"))
    ]
    if len(found) != 1:
        message = _("the ring has no key “{name}”") if not found else _("“{name}” means several")
        raise UsageError(
            message.format(name=name),
            _("name it by at least {count} digits of its id; see: smartcity key list").format(
                count=_SHORTEST_ID
            ),
        )
    return found[0]


def _begin(session: Session, *, besides: RingKey | None) -> None:
    """Make the ring's file from the keys that were trusted without it, if it is not there.

    `besides` is the key that is being added: it comes with roles of its own.
    """
    from smartcity_pkg.bundle.ringfile import entry_of, new_ring_text

    path = session.workspace.ring
    if path.exists():
        return
    keys = [k for k in ring_of(session).keys if besides is None or k.key_id != besides.key_id]
    entries = [entry_of(key) for key in (*keys, *([besides] if besides else []))]
    atomic.write(path, new_ring_text(entries).encode())
    session.progress(
        Note(
            _("{file} is new: from now on only the keys in it are trusted ({count})").format(
                file=path, count=len(entries)
            )
        )
    )
