"""The roads on which `ship` reaches servers, as they are written after `--to`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.registry.address import Address

FORMS = "ssh, registry:HOST/NAME"


@dataclass(frozen=True)
class SshRoad:
    """`ssh`: from here to each server."""


@dataclass(frozen=True)
class RegistryRoad:
    """`registry:HOST/NAME`: pushed there; each server pulls the images that it lacks."""

    address: Address


Road = SshRoad | RegistryRoad


def road(text: str) -> Road:
    """The road that `text` names; UsageError where there is no such road."""
    kind, _colon, rest = text.partition(":")
    if text == "ssh":
        return SshRoad()
    if kind == "registry":
        from smartcity_pkg.bundle.registry.address import parse_address

        return RegistryRoad(parse_address(rest))
    raise UsageError(
        _("“{text}” is no road to servers").format(text=text),
        _("known: {forms}").format(forms=FORMS),
    )
