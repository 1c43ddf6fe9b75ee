"""Keys that a command needs: found in the workspace, their passwords asked for at the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.keys import SigningKey
    from smartcity_pkg.bundle.trust import TrustedKeys

_PASSWORD_VARIABLE = "SMARTCITY_KEY_PASSWORD"  # noqa: S105 - the name of a variable


def signing_key(session: Session, key: Path | None) -> SigningKey:
    """The private key in `key`, else the workspace's; UsageError where there is none."""
    from smartcity_pkg.bundle.keys import load_signing_key

    path = key or session.workspace.signing_key
    if not path.exists():
        raise UsageError(
            _("there is no signing key at {file}").format(file=path),
            _("make one: smartcity key new; or name yours with --key"),
        )
    return load_signing_key(path, _password(path))


def trusted_keys(session: Session, key: Path | None) -> TrustedKeys:
    """The public key in `key`, else all of the workspace's `keys/*.pub`."""
    from smartcity_pkg.bundle.keys import load_trusted

    paths = [key] if key else sorted(session.workspace.keys.glob("*.pub"))
    if not paths:
        raise UsageError(
            _("no trusted key: {folder} has no .pub file").format(folder=session.workspace.keys),
            _("put the public key of those who packed the bundle there, or name it with --key"),
        )
    return load_trusted(paths)


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
