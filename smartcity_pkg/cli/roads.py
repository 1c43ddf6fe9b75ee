"""The roads to servers, as `--to` and `--from` name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.registry.address import Address

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}

TO = typer.Option(
    "ssh",
    "--to",
    metavar="ROAD",
    help=_(
        "ssh; media:DIR: onto a disk, for a pemda offline; registry:HOST/NAME: push there, and let"
        " each server pull what it lacks."
    ),
)
FROM = typer.Option(
    None, "--from", metavar="media:DIR", help=_("Take the release from a disk, and ship it first.")
)
PART_SIZE = typer.Option(
    None,
    "--part-size",
    metavar="SIZE",
    help=_("On a disk: how large each part is (default: 64 MiB), like 100MiB or 1GiB."),
)
PARITY = typer.Option(
    None,
    "--parity",
    metavar="N",
    min=0,
    help=_("On a disk: parts added, so that any N bad or lost parts can be repaired."),
)


@dataclass(frozen=True)
class SshRoad:
    """From here to each server."""


@dataclass(frozen=True)
class MediaRoad:
    """A removable disk that is mounted at `folder`."""

    folder: Path


@dataclass(frozen=True)
class RegistryRoad:
    """The bundle is pushed to `address`; each server pulls the images that it lacks."""

    address: Address


Road = SshRoad | MediaRoad | RegistryRoad


def road(text: str, option: str) -> Road:
    """The road that `option` names with `text`; UsageError where there is no such road."""
    kind, colon, rest = text.partition(":")
    if text == "ssh":
        return SshRoad()
    if kind == "registry" and colon:
        from smartcity_pkg.bundle.registry.address import parse_address

        return RegistryRoad(parse_address(rest))
    if kind == "media" and colon and rest:
        return MediaRoad(Path(rest))
    raise _no_road(text, option, "ssh, media:DIR, registry:HOST/NAME")


def disk(text: str, option: str) -> Path:
    """The folder of a disk, the only road from which is read; UsageError where it is none."""
    kind, colon, rest = text.partition(":")
    if kind == "media" and colon and rest:
        return Path(rest)
    raise _no_road(text, option, "media:DIR")


def _no_road(text: str, option: str, known: str) -> UsageError:
    return UsageError(
        _("{option} is “{given}”, expected one of: {known}").format(
            option=option, given=text, known=known
        ),
        _("DIR is where the disk is mounted, like media:/media/usb"),
    )


def size_bytes(text: str | None, option: str) -> int | None:
    """A size like `64MiB`, `1GiB` or `500MB` in bytes; None where none is given. UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12})\s*(|[kmg]i?)b?", text.strip().lower())
    if match is None:
        raise UsageError(
            _("{option} is “{given}”, expected a size like 64MiB").format(option=option, given=text)
        )
    return int(match[1]) * _UNITS[match[2]]


def refuse(given: Mapping[str, object], when: str) -> None:
    """UsageError where options were given that mean nothing `when` (translated) so."""
    useless = [name for name, value in given.items() if value]
    if useless:
        raise UsageError(
            _("{options}: of no use {when}").format(options=", ".join(useless), when=when)
        )
