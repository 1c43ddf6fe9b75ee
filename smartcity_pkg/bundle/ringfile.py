"""The ring file, `keys/trusted.yaml`: its form, and what it says as a `Ring`.

A person may write it, or let `smartcity key trust` and `key revoke` do so; comments stay. With
`public_key` in each entry it is whole in itself and may be carried to other workspaces. What a ring
means is `ring`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.keys import load_public
from smartcity_pkg.bundle.ring import Ring, RingKey, Role
from smartcity_pkg.catalogue import edit, yamlfile
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.faults import by_place
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError
from smartcity_pkg.core.i18n import _

FILE_NAME = "trusted.yaml"
KeyId = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*$", max_length=100)]
_HEADER = """\
# Who may sign releases and grants for this workspace (docs/formats.md, "The ring of trusted keys").
# Compare the ring's digest with whoever gave you this file: smartcity key list
"""


class Revocation(Model):
    """When and why a key was given up; from then on it counts for nothing, old bundles included."""

    date: date
    reason: str = Field(min_length=1, max_length=300)


class RingEntry(Model):
    """One key: by its public half here, by a file beside the ring, or by its id."""

    name: str = Field("", max_length=100)
    id: KeyId | None = None
    file: FileName | None = None
    public_key: str | None = Field(None, min_length=1, max_length=4096)
    roles: tuple[Role, ...] = Field(min_length=1)
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: Revocation | None = None

    @model_validator(mode="after")
    def _is_some_key(self) -> RingEntry:
        if self.id is None and self.file is None and self.public_key is None:
            raise ValueError(_("it names no key; expected public_key, file or id"))
        if self.file is not None and self.public_key is not None:
            raise ValueError(_("it has both file and public_key; keep one of them"))
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError(_("its last day is before its first"))
        return self


class RingFile(Model):
    """The whole file."""

    schema_version: Literal[1]
    threshold: int = Field(1, ge=1, le=16)
    keys: tuple[RingEntry, ...] = Field(min_length=1)


def load_ring(path: Path) -> Ring:
    """The ring in the file at `path`; InputError lists every fault with its line.

    Key files are looked for in the same folder.
    """
    document = yamlfile.read(path)
    content = yamlfile.validate(document, RingFile)
    reader = _Reader(path.parent, document)
    keys = [reader.key(index, entry) for index, entry in enumerate(content.keys)]
    problems = [*reader.problems, *_contradictions(content, keys, document)]
    if problems:
        raise InputError(by_place(problems))
    return Ring(tuple(key for key in keys if key is not None), content.threshold)


def new_ring_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """The text of a ring file that holds `entries`."""
    return _HEADER + yamlfile.dump({"schema_version": 1, "threshold": 1, "keys": list(entries)})


def entry_of(key: RingKey) -> dict[str, Any]:
    """A key as the file says it, its public half included."""
    entry: dict[str, Any] = {"name": key.name} if key.name else {}
    entry |= {"id": key.key_id, "public_key": ecdsa.line_of_pem(key.pem)}
    entry["roles"] = sorted(key.roles)
    if key.valid_from:
        entry["valid_from"] = key.valid_from.isoformat()
    if key.valid_until:
        entry["valid_until"] = key.valid_until.isoformat()
    return entry


def add_key(path: Path, key: RingKey) -> None:
    """Append `key` to the ring file; comments and order stay."""
    place = len(load_ring(path).keys)
    edit.edited(path, {("keys", place): entry_of(key)}).write()


def revoke_key(path: Path, key_id: str, day: date, reason: str) -> None:
    """Write into the ring file that the key `key_id`, which it must hold, counts no longer."""
    place = [key.key_id for key in load_ring(path).keys].index(key_id)
    revoked = {"date": day.isoformat(), "reason": reason}
    edit.edited(path, {("keys", place, "revoked"): revoked}).write()


class _Reader:
    """Makes keys of entries, and collects what is wrong with them."""

    def __init__(self, folder: Path, document: yamlfile.Document) -> None:
        self._folder = folder
        self._document = document
        self.problems: list[Problem] = []

    def key(self, index: int, entry: RingEntry) -> RingKey | None:
        """The key of an entry; None where it is at fault."""
        try:
            pem = self._pem(entry)
        except SmartCityError as error:
            field = "file" if entry.file else "public_key"
            self._fault(index, field, error.message, error.hint)
            return None
        if pem is None and entry.revoked is None:
            self._fault(
                index,
                "id",
                _("no public key with this id is in {folder}").format(folder=self._folder),
                _("put its .pub file there, or write public_key (smartcity key export shows it)"),
            )
            return None
        found = ecdsa.key_id(pem) if pem else entry.id
        if entry.id is not None and found != entry.id:
            self._fault(
                index,
                "id",
                _("the key's id is {found}, not {said}").format(found=found, said=entry.id),
                _("correct the id, or the key; ask whoever gave them to you"),
            )
            return None
        assert found is not None
        return RingKey(
            key_id=found,
            pem=pem or b"",
            name=entry.name,
            roles=frozenset(entry.roles),
            valid_from=entry.valid_from,
            valid_until=entry.valid_until,
            revoked=entry.revoked.date if entry.revoked else None,
            reason=entry.revoked.reason if entry.revoked else "",
        )

    def _pem(self, entry: RingEntry) -> bytes | None:
        if entry.public_key is not None:
            return ecdsa.pem_of_line(entry.public_key)
        if entry.file is not None:
            return load_public(self._folder / entry.file)
        for path in sorted(self._folder.glob("*.pub")):
            pem = load_public(path)
            if ecdsa.key_id(pem) == entry.id:
                return pem
        return None

    def _fault(self, index: int, field: str, message: str, hint: str) -> None:
        self.problems.append(self._document.problem(("keys", index, field), message, hint))


def _contradictions(
    content: RingFile, keys: list[RingKey | None], document: yamlfile.Document
) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, key in enumerate(keys):
        if key is not None and seen.setdefault(key.key_id, index) != index:
            yield document.problem(
                ("keys", index),
                _("the key {key} stands here twice").format(key=key.label),
                _("keep one of the two"),
            )
    releasing = sum("release" in entry.roles for entry in content.keys)
    if content.threshold > releasing:
        yield document.problem(
            ("threshold",),
            _("{needed} keys must sign a release, and only {count} may").format(
                needed=content.threshold, count=releasing
            ),
            _("lower the threshold, or trust more keys with the role “release”"),
        )
