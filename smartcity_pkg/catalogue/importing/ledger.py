"""What the import did and could not do, one row a matter, with its place in both files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import _

Kind = Literal["dropped", "changed", "secret", "missing", "note"]


@dataclass(frozen=True)
class Finding:
    """One matter: `at` in the source, `draft_at` in the draft; `todo` is what a person must do."""

    kind: Kind
    at: Path_
    what: str
    todo: str = ""
    draft_at: Path_ = ()


@dataclass
class Ledger:
    """The findings of one import, each once, in the order in which they were met."""

    findings: dict[Finding, None] = field(default_factory=dict)

    def dropped(self, at: Path_, what: str, todo: str = "", draft_at: Path_ | None = None) -> None:
        """Something is not in the draft any more."""
        self._add("dropped", at, what, todo, draft_at)

    def changed(self, at: Path_, what: str, todo: str = "", draft_at: Path_ | None = None) -> None:
        """Something is said in another way."""
        self._add("changed", at, what, todo, draft_at)

    def secret(self, at: Path_, what: str, todo: str = "", draft_at: Path_ | None = None) -> None:
        """A secret stood there."""
        self._add("secret", at, what, todo, draft_at)

    def missing(self, at: Path_, what: str, todo: str, draft_at: Path_ | None = None) -> None:
        """Something that an app must have is not in the source."""
        self._add("missing", at, what, todo, draft_at)

    def note(self, at: Path_, what: str) -> None:
        """Worth knowing; nothing need be done."""
        self._add("note", at, what, "", None)

    def unreadable(self, at: Path_) -> None:
        """A part has a form that Compose does not allow."""
        name = next((part for part in reversed(at) if isinstance(part, str)), "")
        what = _("“{name}” has a form that cannot be read").format(name=name[:60])
        self.dropped(at, what, _("write it again by hand, if the app needs it"))

    def _add(self, kind: Kind, at: Path_, what: str, todo: str, draft_at: Path_ | None) -> None:
        self.findings[Finding(kind, at, what, todo, at if draft_at is None else draft_at)] = None


def kind_word(kind: Kind) -> str:
    """What people call a kind of finding."""
    words = {
        "dropped": _("left out"),
        "changed": _("changed"),
        "secret": _("secret"),
        "missing": _("missing"),
        "note": _("note"),
    }
    return words[kind]
