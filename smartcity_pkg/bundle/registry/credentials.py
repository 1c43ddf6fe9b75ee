"""Who we are to a registry: from two environment variables, else from docker's config.json.

Never from the command line, where every user of the machine could read it. Programs that keep
passwords for docker (credHelpers) are not asked.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

USER_VARIABLE = "SMARTCITY_REGISTRY_USER"
PASSWORD_VARIABLE = "SMARTCITY_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Credentials:
    """A user and a password or access token; `repr` and `str` show neither."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of a Basic `Authorization` header (RFC 7617)."""
        pair = f"{self.user}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


def find_credentials(host: str, environment: Mapping[str, str]) -> Credentials | None:
    """The credentials for `host`, or None to go without.

    Raises UsageError where only one of the two variables is set, InputError where docker's file is
    damaged.
    """
    user, password = (environment.get(v, "") for v in (USER_VARIABLE, PASSWORD_VARIABLE))
    if user and password:
        return Credentials(user, password)
    if user or password:
        raise UsageError(
            _("of {user} and {password} only one is set").format(
                user=USER_VARIABLE, password=PASSWORD_VARIABLE
            ),
            _("set both, or none to use what “docker login” wrote"),
        )
    home = environment.get("HOME", "")
    folder = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    path = Path(folder) / "config.json"
    return _of_docker(path, host) if folder and path.is_file() else None


def _of_docker(path: Path, host: str) -> Credentials | None:
    try:
        data = path.read_bytes()
        config = strictjson.loads(data, _MAX_BYTES)
        listed = config.get("auths")
        known: Mapping[str, Any] = {} if listed is None else listed
        names = [n for h in (host, f"https://{host}", f"http://{host}") for n in (h, f"{h}/v1/")]
        entries = [known.get(name) for name in names]
        found = [entry.get("auth") for entry in entries if entry is not None]
        if not found or not found[0]:
            return None
        pair = base64.b64decode(found[0], validate=True).decode()
        user, password = pair.split(":", 1)
    except (OSError, AttributeError, TypeError, ValueError, binascii.Error) as error:
        # The cause may quote what it could not read, and that may be a password.
        raise InputError(
            Problem(_("docker's list of credentials cannot be read"), str(path)),
            _("log in again with “docker login”, or set {user} and {password}").format(
                user=USER_VARIABLE, password=PASSWORD_VARIABLE
            ),
        ) from (error if isinstance(error, OSError) else None)
    return Credentials(user, password.rstrip("\0"))
