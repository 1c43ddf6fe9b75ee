"""Backups in a second place and back: encrypted here to the pemda's age key, verified there.

Encrypting happens on the machine that runs smartcity, because a server has no age; what leaves for
the second place is readable with the identity alone. A plain copy resumes where it stopped; an
encrypted one begins anew, because age makes a new key for each file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.core.errors import EngineError, SmartCityError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer, no_progress
from smartcity_pkg.install.backups import Backup, Manifest, Stored, read_manifest
from smartcity_pkg.install.shelf import MANIFEST, PART, Shelf

_PIECE_BYTES = 8 << 20
PLAIN, ENCRYPTED = "data", "data.age"


@dataclass(frozen=True)
class Copied:
    """One backup that a second place holds now. `sent_bytes` is 0 where it was there already."""

    name: str
    app: str
    size_bytes: int
    sent_bytes: int
    recipient: str


def new_identity() -> tuple[str, str]:
    """A new age key: the identity, which is a secret, and the recipient, which is not."""
    from pyrage import x25519

    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def check_recipient(text: str) -> str:
    """`text` if it is an age recipient; UsageError."""
    _recipient(text)
    return text


def whole(shelf: Shelf) -> tuple[Backup, ...]:
    """The backups of a shelf, the oldest first; what has no readable manifest is passed by."""
    found = []
    for name in shelf.names():
        manifest = _manifest(shelf, name)
        if manifest is not None:
            found.append(Backup(name=name, manifest=manifest))
    return tuple(found)


def copy(
    source: Shelf,
    backup: Backup,
    target: Shelf,
    *,
    recipient: str = "",
    progress: Progress = no_progress,
) -> Copied:
    """Bring a server's backup to a second place, and read it back there.

    With `recipient` (`age1…`) only its identity opens the copy. May be called again: what is there
    is left alone. EngineError where the copy is not what was read.
    """
    m = backup.manifest
    there = _manifest(target, backup.name)
    if there and there.stored and (there.sha256, there.stored.recipient) == (m.sha256, recipient):
        return Copied(backup.name, m.app, m.size_bytes, 0, recipient)
    if there:
        target.drop(backup.name)
    part, file = f"{backup.name}{PART}", ENCRYPTED if recipient else PLAIN
    watch = _watch(progress, backup)
    if recipient:
        target.drop(part)
        writer = _Writer(target, f"{part}/{file}")
        reader = _Reader(source, f"{backup.name}/{PLAIN}", m.size_bytes, watch)
        _age(lambda r, w: _pyrage().encrypt_io(r, w, [_recipient(recipient)]), reader, writer)
        read, written, size = reader.sum.hexdigest(), writer.sum.hexdigest(), writer.size
        sent = size
    else:
        sent = _resume(source, f"{backup.name}/{PLAIN}", target, f"{part}/{file}", m, watch)
        read, written, size = m.sha256, m.sha256, m.size_bytes
    if read != m.sha256 or target.sha256(f"{part}/{file}") != written:
        target.drop(part)
        raise _garbled(backup)
    stored = Stored(file="data.age" if recipient else "data", size_bytes=size, sha256=written,
                    recipient=recipient)  # fmt: skip
    told = m.model_copy(update={"stored": stored})
    target.publish(part, backup.name, told.model_dump_json().encode() + b"\n")
    return Copied(backup.name, m.app, size, sent, recipient)


def fetch(
    source: Shelf,
    backup: Backup,
    target: Shelf,
    *,
    identity: str = "",
    progress: Progress = no_progress,
) -> int:
    """Bring a backup from a second place onto a server, opened; the bytes that were sent.

    `identity` is the age identity that an encrypted copy needs. UsageError where it is missing or
    not the right one; EngineError where the copy is damaged.
    """
    m = backup.manifest
    here = _manifest(target, backup.name)
    if here is not None and here.sha256 == m.sha256:
        return 0
    if here is not None:
        target.drop(backup.name)
    stored = stored_of(backup)
    part, path = f"{backup.name}{PART}", f"{backup.name}/{stored.file}"
    watch = _watch(progress, backup)
    if stored.recipient:
        keys = _identities(identity, backup)
        target.drop(part)
        writer = _Writer(target, f"{part}/{PLAIN}")
        reader = _Reader(source, path, stored.size_bytes, watch)
        _age(lambda r, w: _pyrage().decrypt_io(r, w, keys), reader, writer)
        sent = writer.size
    else:
        sent = _resume(source, path, target, f"{part}/{PLAIN}", m, watch)
    if target.sha256(f"{part}/{PLAIN}") != m.sha256:
        target.drop(part)
        raise _garbled(backup)
    told = m.model_copy(update={"stored": None})
    target.publish(part, backup.name, told.model_dump_json(exclude={"stored"}).encode() + b"\n")
    return sent


def stored_of(backup: Backup) -> Stored:
    """How a backup rests where it was found; a folder copied by hand is as the server made it."""
    m = backup.manifest
    return m.stored or Stored(file="data", size_bytes=m.size_bytes, sha256=m.sha256)


def proven(shelf: Shelf, backup: Backup) -> bool:
    """Whether a copy is what was written; no identity is needed for that."""
    stored = stored_of(backup)
    return shelf.sha256(f"{backup.name}/{stored.file}") == stored.sha256


# -- bytes ----------------------------------------------------------------------------------------


class _Reader(io.RawIOBase):
    """A file of a shelf as a stream of pieces."""

    def __init__(self, shelf: Shelf, path: str, size: int, watch: Callable[[int], None]) -> None:
        self.sum = hashlib.sha256()
        self.error: Exception | None = None
        self._shelf, self._path, self._size, self._watch = shelf, path, size, watch
        self._at, self._left = 0, b""

    def read(self, size: int = -1) -> bytes:
        if not self._left and self._at < self._size:
            try:
                self._left = self._shelf.read(self._path, self._at, _PIECE_BYTES)
            except Exception as error:
                self.error = error  # pyrage would make an error of its own of it
                raise OSError from error
            self._at += len(self._left)
            self.sum.update(self._left)
            self._watch(self._at)
        size = len(self._left) if size < 0 else size
        piece, self._left = self._left[:size], self._left[size:]
        return piece


class _Writer(io.RawIOBase):
    """A file of a shelf that grows by pieces."""

    def __init__(self, shelf: Shelf, path: str) -> None:
        self.sum, self.size = hashlib.sha256(), 0
        self.error: Exception | None = None
        self._shelf, self._path, self._held = shelf, path, bytearray()

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._held += piece
        if len(self._held) >= _PIECE_BYTES:
            self.finish()
        return len(piece)

    def finish(self) -> None:
        """Write what is held; called at the end too, so that an empty file comes to be."""
        piece = bytes(self._held)
        self._held.clear()
        try:
            self._shelf.append(self._path, self.size, piece)
        except Exception as error:
            self.error = error
            raise OSError from error
        self.size += len(piece)
        self.sum.update(piece)


def _resume(
    source: Shelf, path: str, target: Shelf, to: str, m: Manifest, watch: Callable[[int], None]
) -> int:
    """Copy what `target` lacks of a file; the bytes that were sent.

    What it has is trusted until the whole is read back; if that is wrong, all is sent again.
    """
    at = target.size_bytes(to)
    if at > m.size_bytes or (at == m.size_bytes and target.sha256(to) != m.sha256):
        target.drop(to.partition("/")[0])
        at = 0
    sent = 0
    while at < m.size_bytes:
        piece = source.read(path, at, min(_PIECE_BYTES, m.size_bytes - at))
        if not piece:
            break  # shorter than its manifest says: the sum tells
        target.append(to, at, piece)
        at += len(piece)
        sent += len(piece)
        watch(at)
    return sent


def _age(work: Callable[[_Reader, _Writer], None], reader: _Reader, writer: _Writer) -> None:
    """Run one act of pyrage; what failed on a shelf is raised as it was."""
    pyrage = _pyrage()
    try:
        work(reader, writer)
        writer.finish()
    except (pyrage.DecryptError, pyrage.EncryptError, OSError) as error:
        for known in (reader.error, writer.error):
            if known is not None:
                raise known from error
        raise UsageError(
            _("the copy does not open with this identity, or it is damaged"),
            _("give the identity file (AGE-SECRET-KEY-…) of the recipient that the copy names"),
        ) from error


def _identities(text: str, backup: Backup) -> list[Any]:
    """The identities of an age identity file."""
    from pyrage import x25519

    lines = [x.strip() for x in text.splitlines() if x.strip() and not x.startswith("#")]
    try:
        keys = [x25519.Identity.from_str(line) for line in lines]
    except _pyrage().IdentityError:
        keys = []
    if not keys:
        raise UsageError(
            _("the copy {name} is encrypted to {recipient}").format(
                name=backup.name, recipient=stored_of(backup).recipient
            ),
            _("give the identity file that the pemda keeps: --identity FILE"),
        )
    return keys


def _recipient(text: str) -> Any:
    from pyrage import x25519

    try:
        return x25519.Recipient.from_str(text)
    except _pyrage().RecipientError as error:
        raise UsageError(
            _("“{given}” is no age recipient, expected age1…").format(given=text),
            _("make a key: smartcity backup key"),
        ) from error


def _pyrage() -> Any:
    import pyrage

    return pyrage


def _manifest(shelf: Shelf, name: str) -> Manifest | None:
    try:
        return read_manifest(shelf.read(f"{name}/{MANIFEST}", 0, 1 << 16))
    except SmartCityError:
        return None


def _watch(progress: Progress, backup: Backup) -> Callable[[int], None]:
    total = stored_of(backup).size_bytes
    text = _("Copying {name}").format(name=backup.name)
    return lambda done: progress(Transfer("backup", text, done, total))


def _garbled(backup: Backup) -> EngineError:
    return EngineError(
        _("the copy of {name} is not what was written").format(name=backup.name),
        _("nothing is kept of it; check the disks (dmesg, smartctl), then copy again"),
    )
