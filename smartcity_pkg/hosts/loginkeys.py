"""The private keys that a login offers: of a file, of ~/.ssh, of ssh-agent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import paramiko

from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts import hostkeys
from smartcity_pkg.hosts.address import SshAddress


def login_keys(address: SshAddress, notes: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    """The keys to offer, in OpenSSH's order; what cannot be used is said in `notes`.

    With a `key_file` only that key: from the file, or from the agent where a passphrase locks it.
    """
    if not address.key_file:
        yield from _agent_keys(None)
        for path in sorted((Path.home() / ".ssh").glob("id_*")):
            if path.suffix != ".pub" and (key := _load(path, notes)):
                yield str(path), key
        return
    path = Path(address.key_file).expanduser()
    if key := _load(path, notes):
        yield str(path), key
    elif path.is_file():
        yield from _agent_keys(path.with_name(path.name + ".pub"))


def _load(path: Path, notes: list[str]) -> paramiko.PKey | None:
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException):
        notes.append(
            _("{file} is locked by a passphrase: unlock it first with ssh-add {file}").format(
                file=path
            )
        )
    except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        notes.append(_("{file} cannot be read: {why}").format(file=path, why=error))
    return None


def _agent_keys(public: Path | None) -> Iterator[tuple[str, paramiko.PKey]]:
    """What ssh-agent holds; only the key of the file `public` where that exists."""
    only = None
    if public and public.is_file():
        with contextlib.suppress(ValueError):
            only = hostkeys.parse_key(public.read_text()).blob
    for key in paramiko.Agent().get_keys():
        if only in (None, key.asbytes()):
            yield f"ssh-agent {key.fingerprint}", key
