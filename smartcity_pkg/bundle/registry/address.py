"""Where a bundle lies in a registry: `HOST/NAME[:TAG|@DIGEST]`, and how the host is spoken to.

Source: distribution-spec 1.1, "Pulling manifests" (the grammar of names and tags).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MOST_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Address:
    """A repository, and the tag or digest in it that was named ("" where none was)."""

    host: str
    name: str
    reference: str = ""

    def __str__(self) -> str:
        if not self.reference:
            return f"{self.host}/{self.name}"
        mark = "@" if digest.is_digest(self.reference) else ":"
        return f"{self.host}/{self.name}{mark}{self.reference}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host can only be this machine."""
        alone = self.host.rsplit(":", 1)[0] if not self.host.endswith("]") else self.host
        if alone == "localhost":
            return True
        try:
            return ipaddress.ip_address(alone.strip("[]")).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class Transport:
    """How a registry is spoken to: HTTPS with the machine's authorities or those in `ca_file`.

    `plain_http` is what a person asked for; a registry on this machine needs no asking.
    """

    plain_http: bool = False
    ca_file: Path | None = None

    def scheme(self, address: Address) -> str:
        """`http` or `https`."""
        plain = self.plain_http or (address.is_loopback and self.ca_file is None)
        return "http" if plain else "https"


def parse_address(text: str) -> Address:
    """The address that `text` writes; UsageError where it is none."""
    host, _slash, rest = text.partition("/")
    name, at, reference = rest.partition("@")
    if not at:
        name, _colon, reference = rest.partition(":")
    known = _TAG.fullmatch(reference) if not at else digest.is_digest(reference)
    if (
        not _HOST.fullmatch(host)
        or not ("." in host or ":" in host or host == "localhost")
        or not _NAME.fullmatch(name)
        or len(name) > _MOST_NAME_CHARACTERS
        or not (known or (reference == "" and text.endswith(name)))
    ):
        raise UsageError(
            _("“{text}” is no place in a registry").format(text=text),
            _("Write HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:…; names are lower-case."),
        )
    return Address(host, name, reference)
