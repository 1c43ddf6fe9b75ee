"""Preflight as a command of its own: collects what the rules look at, keeps it, judges it later.

Nothing is changed on the server, and no lock is taken. The release is the one that the store
offers, whoever signed it: what may run is decided when it is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from smartcity_pkg.bundle.grant import parse
from smartcity_pkg.bundle.trust import files_of
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.hosts.surroundings import gather_all
from smartcity_pkg.install import images, installed, offers, preflight
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.question import Finding, Question


class SavedFacts(BaseModel):
    """What the rules looked at, as a file: `check --save-facts`, `check --facts`."""

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    schema_version: Literal[1] = 1
    question: Question


@dataclass(frozen=True)
class CheckReport:
    """What the rules say of one server; `release` is "" where only the server was judged."""

    server: str
    release: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> str:
        """The worst of the findings."""
        levels = {f.level for f in self.findings}
        return next((level for level in ("block", "warn") if level in levels), "pass")


def collect(
    place: Place,
    release_name: str | None = None,
    names: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
) -> Question:
    """Ask the server everything that the rules look at.

    The release is `release_name`, else the newest that has arrived, else the one that runs, else
    none. PreflightError where the named one is not there.
    """
    facts, around = gather_all(place.host, place.store, names)
    asked = Question(server=place.server, facts=facts, clock_s=clock(), around=around)
    if release_name is None and not facts.offers:
        return asked
    contents = offers.look_into(place, offers.choose(place, release_name))
    release = contents.release
    found = installed.look(place)
    known = installed.read_known(place, found)
    missing = release.images_on(place.server)
    if facts.engine is not None and facts.engine.compose_version:
        missing = images.images_to_load(place, release)
    return Question(
        server=place.server,
        facts=facts,
        clock_s=asked.clock_s,
        release=release,
        files=files_of(release, lambda d: offers.read_blob(place, d)),
        before=known.get(found.current),
        missing=missing,
        grant=parse(contents.grant)[0],
        around=around,
    )


def judged(question: Question) -> CheckReport:
    """What every rule says."""
    release = question.release.name if question.release else ""
    return CheckReport(question.server, release, preflight.judge_all(question))


def save(path: Path, question: Question) -> None:
    """Keep what the rules look at, readable by its owner alone: it holds the configuration."""
    text = SavedFacts(question=_plain(question)).model_dump_json(indent=1)
    atomic.write(path, text.encode() + b"\n", 0o600)


def _plain(question: Question) -> Question:
    """The same with dicts: pydantic does not write read-only views of them."""
    facts, around = question.facts, question.around
    return replace(
        question,
        facts=replace(facts, blobs=dict(facts.blobs), parts=dict(facts.parts)),
        around=around and replace(around, names=dict(around.names), inodes=dict(around.inodes)),
    )


def load(path: Path) -> Question:
    """What `save` kept; InputError where the file is another one, or cannot be read."""
    try:
        return SavedFacts.model_validate_json(path.read_bytes()).question
    except OSError as error:
        why = os_text(error)
        raise InputError(
            Problem(_("the file cannot be read: {why}").format(why=why), str(path)),
            _("make such a file: smartcity check PEMDA --save-facts FILE"),
        ) from error
    except ValidationError as error:
        raise InputError(
            Problem(_("it holds no saved facts of a server"), str(path)),
            _("make such a file: smartcity check PEMDA --save-facts FILE"),
        ) from error
