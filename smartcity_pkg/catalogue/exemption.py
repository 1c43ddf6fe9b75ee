"""Exemptions: which app may break which rule, why, and until when; and the verdict with them.

People write them in `policy.yaml` (`policy`); those that a release needs travel in it, so that a
server accepts exactly these. What is against a rule is found in `audit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator

from smartcity_pkg.catalogue.app import AppName, Model
from smartcity_pkg.core.i18n import _

MIN_REASON = 15
Path_ = tuple[str | int, ...]

ExemptibleRule = Literal[
    "SC020",
    "SC021",
    "SC022",
    "SC023",
    "SC024",
    "SC025",
    "SC026",
    "SC027",
    "SC028",
    "SC029",
    "SC030",
]
"""The rules of `audit` that a reason can lift. SC031 (what cannot be judged) is not among them."""


def _reason(text: str) -> str:
    if len(" ".join(text.split())) < MIN_REASON:
        raise ValueError(
            _(
                "expected a reason of at least {count} letters, for whoever checks this later"
            ).format(count=MIN_REASON)
        )
    return text


Reason = Annotated[str, AfterValidator(_reason)]


@dataclass(frozen=True)
class Breach:
    """Something that an app asks for, or lacks, against a rule; `text` is translated.

    `service` is "" for what stands beside the services; `path` leads to it in the Compose file.
    """

    rule: str
    app: str
    service: str
    path: Path_
    text: str

    @property
    def who(self) -> str:
        """`app`, or `app/service`."""
        return f"{self.app}/{self.service}" if self.service else self.app


class Exemption(Model):
    """An app (or one service of it) that may break one rule, why, and until which day."""

    app: AppName
    service: str | None = None
    rule: ExemptibleRule
    reason: Reason
    until: date | None = None

    def covers(self, breach: Breach) -> bool:
        """Whether this is about `breach`, whatever the day."""
        return (
            (self.app, self.rule) == (breach.app, breach.rule)
            and self.service in (None, breach.service)
        )  # fmt: skip

    def counts_on(self, today: date) -> bool:
        """Whether it has not expired; `until` is its last day."""
        return self.until is None or today <= self.until


def in_order(exemptions: Iterable[Exemption]) -> tuple[Exemption, ...]:
    """Each once, sorted by app, service and rule: the order in which they travel."""
    return tuple(sorted(set(exemptions), key=lambda e: (e.app, e.service or "", e.rule, e.reason)))


@dataclass(frozen=True)
class Verdict:
    """What is refused, and what an exemption allows."""

    refused: tuple[Breach, ...]
    allowed: tuple[tuple[Breach, Exemption], ...]

    @property
    def used(self) -> tuple[Exemption, ...]:
        """The exemptions that allowed something, in order."""
        return in_order(exemption for _breach, exemption in self.allowed)


def judge(breaches: Iterable[Breach], exemptions: Iterable[Exemption]) -> Verdict:
    """Refuse every breach that no exemption covers. Expired ones must have been taken out."""
    # The narrowest first: one that names the service says more than one that does not.
    known = sorted(exemptions, key=lambda e: e.service is None)
    refused: list[Breach] = []
    allowed: list[tuple[Breach, Exemption]] = []
    for breach in breaches:
        exemption = next((e for e in known if e.covers(breach)), None)
        if exemption is None:
            refused.append(breach)
        else:
            allowed.append((breach, exemption))
    return Verdict(tuple(refused), tuple(allowed))
