"""Folders of backups that grow by pieces: on a server or any SSH host, and on this machine's disk.

A server's own `backups/` is one, a second place another; what is copied between them, and how it is
encrypted, is `copies`'.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Protocol

from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.core.i18n import os_text
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.install.backups import TIMEOUT_S

MANIFEST = "manifest.json"
PART = ".part"  # ends the name of a folder that is not whole yet
_ABSENT = 66  # EX_NOINPUT of sysexits.h

_NAMES = """# list a folder of backups
cd "$1" 2>/dev/null || exit 0
for folder in *; do [ ! -f "$folder/manifest.json" ] || echo "$folder"; done
"""
_SIZE = """# look at a copy
if [ -f "$1" ]; then wc -c <"$1"; else echo 0; fi
"""
_READ = f"""# read a piece of a backup
[ -f "$1" ] || exit {_ABSENT}
dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" 2>/dev/null
"""
_APPEND = """# write a piece of a backup
umask 077
mkdir -p "${1%/*}"
dd of="$1" oflag=seek_bytes seek="$2" conv=notrunc bs=1M iflag=fullblock 2>/dev/null || {
  set -- $(stat -f -c '%a %S' "${1%/*}")
  if [ $(($1 * $2)) -lt 16777216 ]; then exit 28; fi
  exit 1
}
"""
_SUM = """# read a copy back
sync "$1"
dd if="$1" iflag=nocache count=0 2>/dev/null || true
sha256sum <"$1"
"""
_PUBLISH = """# give a copy its name
umask 077
cd "$1"
cat >"$2/manifest.json"
sync "$2/manifest.json" "$2"
mv "$2" "$3"
sync .
"""


class Shelf(Protocol):
    """A folder of backups. Paths are below it, with `/`."""

    def names(self) -> tuple[str, ...]:
        """The backups that are whole, the oldest first."""

    def size_bytes(self, path: str) -> int:
        """The size of a file, 0 where there is none."""

    def read(self, path: str, offset: int, size_bytes: int) -> bytes:
        """A piece of a file, shorter at its end; RemoteCommandError where there is none."""

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write `data` from byte `offset` on; folders are made for the owner alone."""

    def sha256(self, path: str) -> str:
        """The digest of a file as the disk gives it back."""

    def drop(self, name: str) -> None:
        """Delete a folder; nothing where it is not there."""

    def publish(self, part: str, name: str, manifest: bytes) -> None:
        """Write the manifest into the folder `part` and give it the name `name`, synced."""


class HostShelf:
    """A folder of a host."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """The backups that are whole, the oldest first."""
        return tuple(sorted(self._host.run(script(_NAMES, self._folder)).text.split()))

    def size_bytes(self, path: str) -> int:
        """The size of a file, 0 where there is none."""
        return int(self._host.run(script(_SIZE, self._at(path))).text)

    def read(self, path: str, offset: int, size_bytes: int) -> bytes:
        """A piece of a file."""
        argv = script(_READ, self._at(path), str(offset), str(size_bytes))
        return self._host.run(argv, timeout_s=TIMEOUT_S).stdout

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write a piece."""
        argv = script(_APPEND, self._at(path), str(offset))
        self._host.run(argv, stdin=data, timeout_s=TIMEOUT_S)

    def sha256(self, path: str) -> str:
        """The digest of a file."""
        done = self._host.run(script(_SUM, self._at(path)), timeout_s=TIMEOUT_S)
        return done.text.partition(" ")[0]

    def drop(self, name: str) -> None:
        """Delete a folder."""
        self._host.run(("rm", "-rf", self._at(name)), timeout_s=TIMEOUT_S)

    def publish(self, part: str, name: str, manifest: bytes) -> None:
        """Make a folder whole."""
        self._host.run(script(_PUBLISH, self._folder, part, name), stdin=manifest)

    def _at(self, path: str) -> str:
        return f"{self._folder}/{path}"


class FolderShelf:
    """A folder of this machine, written as the user who runs smartcity: a disk, a network drive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """The backups that are whole, the oldest first."""
        return tuple(sorted(p.parent.name for p in self._folder.glob(f"*/{MANIFEST}")))

    def size_bytes(self, path: str) -> int:
        """The size of a file, 0 where there is none."""
        file = self._folder / path
        return file.stat().st_size if file.is_file() else 0

    def read(self, path: str, offset: int, size_bytes: int) -> bytes:
        """A piece of a file."""
        try:
            with (self._folder / path).open("rb") as file:
                file.seek(offset)
                return file.read(size_bytes)
        except FileNotFoundError as error:
            raise RemoteCommandError(f"{error.filename}: {os_text(error)}") from error

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write a piece."""
        file = self._folder / path
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.seek(offset)
            stream.write(data)

    def sha256(self, path: str) -> str:
        """The digest of a file."""
        with (self._folder / path).open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def drop(self, name: str) -> None:
        """Delete a folder."""
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def publish(self, part: str, name: str, manifest: bytes) -> None:
        """Make a folder whole."""
        atomic.write(self._folder / part / MANIFEST, manifest, 0o600)
        (self._folder / part).rename(self._folder / name)
        atomic.sync_directory(self._folder)
