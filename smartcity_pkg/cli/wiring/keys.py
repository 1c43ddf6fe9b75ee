"""Keys that a command needs: found in the workspace, their passwords asked for at the terminal."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.keys import SigningKey
    from smartcity_pkg.bundle.ring import Ring, TrustedKeys

_PASSWORD_VARIABLE = "SMARTCITY_KEY_PASSWORD"  # noqa: S105 - the name of a variable


def signing_key(session: Session, key: Path | None) -> SigningKey:
    """The private key in `key`, else the workspace's; UsageError where there is none."""
    path = key or session.workspace.signing_key
    if not path.exists():
        raise UsageError(
            _("there is no signing key at {file}").format(file=path),
            _("make one: smartcity key new; or name yours with --key"),
        )
    return open_key(path)


def open_key(path: Path) -> SigningKey:
    """The private key in a file, its password asked for where it has one."""
    from smartcity_pkg.bundle.keys import load_signing_key

    return load_signing_key(path, _password(path))


def ring_of(session: Session) -> Ring:
    """The workspace's ring: its file, else every `keys/*.pub` for every role."""
    from smartcity_pkg.bundle.keys import load_public
    from smartcity_pkg.bundle.ring import Ring
    from smartcity_pkg.bundle.ringfile import load_ring

    if session.workspace.ring.exists():
        return load_ring(session.workspace.ring)
    return Ring.of_pem(load_public(path) for path in sorted(session.workspace.keys.glob("*.pub")))


def trusted_keys(session: Session, key: Path | None) -> TrustedKeys:
    """What counts today: the public key in `key` alone, else the workspace's ring.

    A key that the ring has revoked does not count, whoever names it.
    """
    from smartcity_pkg.bundle.keys import load_public
    from smartcity_pkg.bundle.ring import Ring

    ring = ring_of(session)
    if key is not None:
        (named,) = Ring.of_pem([load_public(key)]).keys
        revoked = (k for k in ring.keys if k.key_id == named.key_id and k.revoked)
        ring = Ring((next(revoked, named),))
    if not ring.keys:
        raise UsageError(
            _("no trusted key: {folder} has no .pub file").format(folder=session.workspace.keys),
            _("put the public key of those who packed the bundle there, or name it with --key"),
        )
    return ring.on(date.today())


def new_password() -> bytes:
    """The password for a new key: from the environment, else asked for twice."""
    if given := os.environ.get(_PASSWORD_VARIABLE):
        return given.encode()
    if not sys.stdin.isatty():
        raise UsageError(
            _("a new key needs a password, and there is no terminal to ask at"),
            _("set {name}, or give --no-password").format(name=_PASSWORD_VARIABLE),
        )
    answer: str = typer.prompt(
        _("Password for the key"), hide_input=True, confirmation_prompt=True, err=True
    )
    return answer.encode()


def _password(path: Path) -> bytes | None:
    """The password of an existing key, asked for only where the key is encrypted."""
    if given := os.environ.get(_PASSWORD_VARIABLE):
        return given.encode()
    if b"ENCRYPTED" not in path.read_bytes()[:64] or not sys.stdin.isatty():
        return None
    answer: str = typer.prompt(_("Password of {key}").format(key=path), hide_input=True, err=True)
    return answer.encode()
