"""What preflight is asked, and one thing that it finds: the values between collectors and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from smartcity_pkg.bundle.grant import Grant
from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.surroundings import Surroundings

Level = Literal["pass", "warn", "block"]


@dataclass(frozen=True)
class Finding:
    """What one rule says, with numbers, and the cure. Both texts are translated.

    A `warn` stops an installation until it is accepted by the rule's name; with `told_only` it is
    reported and no more.
    """

    rule: str
    level: Level
    text: str
    hint: str = ""
    told_only: bool = False


@dataclass(frozen=True)
class Question:
    """All that the rules look at.

    `release` is None where only the server itself is to be judged. `files` are the release's
    rendered files by path; `grant` is what the release may run under, `before` the release that
    runs now, `missing` are the images to be loaded, `clock_s` is our own time (Unix) when the facts
    were gathered.
    """

    server: str
    facts: ServerFacts
    clock_s: float
    release: Release | None = None
    files: Mapping[str, bytes] | None = None
    before: Release | None = None
    missing: tuple[ReleaseImage, ...] = ()
    grant: Grant | None = None
    around: Surroundings | None = None
