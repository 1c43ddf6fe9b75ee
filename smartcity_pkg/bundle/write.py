"""Writing a bundle's files, as a directory or one tar: whole under its name, or not at all.

What the files are is decided in `pack`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from smartcity_pkg.bundle import ustar
from smartcity_pkg.bundle.layout import FilePart, looks_like_bundle
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import SmartCityError, UsageError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.progress import Progress, Transfer

_COPY_BYTES = 8 << 20

Content = bytes | Path | FilePart
"""What a file gets: these bytes, a copy of a file, or what lies in a bundle already."""


def check_output(path: Path) -> None:
    """UsageError where a bundle written to `path` would replace something that is no bundle."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir()) and not is_tar(path)):
        return
    if path.is_dir() is is_tar(path) or not looks_like_bundle(path):
        raise UsageError(
            _("{path} exists and is no bundle of this form").format(path=path),
            _("Choose another name; a name that ends in .tar makes one file."),
        )


def is_tar(path: Path) -> bool:
    """Whether a bundle at `path` is one file; its name alone decides."""
    return path.suffix == ".tar"


def write_bundle(
    path: Path, files: Mapping[str, Content], progress: Progress, *, tar: bool | None = None
) -> int:
    """Write `files` by name; gives the bytes that they take.

    `tar` says which form it gets; None leaves that to the path's name.

    What lies in a bundle's directory already is linked, where the file system can.
    A crash or a full disk leaves what was at `path` before. Raises SmartCityError where the disk
    is full or may not be written.
    """
    total = sum(_size(content) for content in files.values())
    done = 0
    with _writing(path), atomic.replacing(path) as part:
        as_tar = is_tar(path) if tar is None else tar
        sink = _TarSink(part) if as_tar else _FolderSink(part)
        try:
            for name in sorted(files):
                for written in sink.put(name, files[name]):
                    done += written
                    progress(Transfer("write", _("Writing the bundle"), done, total))
            sink.finish()
        finally:
            sink.close()
    return total


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SmartCityError(
            _("{path} cannot be written: {why}").format(path=path, why=os_text(error)),
            _("Check the free space and the permissions, or choose another place."),
        ) from error


class _TarSink:
    """The files as one tar. Modes are set apart from umask."""

    def __init__(self, part: Path) -> None:
        self._file = part.open("xb")

    def put(self, name: str, content: Content) -> Iterator[int]:
        size_bytes = _size(content)
        self._file.write(ustar.header(name, size_bytes))
        yield from _copy(content, self._file)
        self._file.write(ustar.padding(size_bytes))

    def finish(self) -> None:
        self._file.write(ustar.END)
        _settle(self._file)

    def close(self) -> None:
        self._file.close()


class _FolderSink:
    """The files in a directory."""

    def __init__(self, part: Path) -> None:
        self._root = part
        self._folders = {part}
        self._make(part)

    def put(self, name: str, content: Content) -> Iterator[int]:
        path = self._root / name
        for folder in reversed(path.relative_to(self._root).parents):
            self._make(self._root / folder)
        if isinstance(content, FilePart) and _linked(content, path):
            yield content.size_bytes
            return
        with path.open("xb") as file:
            yield from _copy(content, file)
            _settle(file)

    def finish(self) -> None:
        for folder in sorted(self._folders, reverse=True):
            atomic.sync_directory(folder)

    def close(self) -> None:
        """Every file is closed already."""

    def _make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self._folders.add(folder)


def _size(content: Content) -> int:
    if isinstance(content, FilePart):
        return content.size_bytes
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _linked(content: FilePart, path: Path) -> bool:
    """Whether `path` is now a second name of the file that `content` is all of."""
    if content.offset or content.path.stat().st_size != content.size_bytes:
        return False
    try:
        os.link(content.path, path, follow_symlinks=False)
    except OSError:
        return False  # another file system, or one without links
    return True


def _copy(content: Content, file: BinaryIO) -> Iterator[int]:
    """Append `content` to `file`; yields the size of each piece."""
    if isinstance(content, bytes):
        file.write(content)
        yield len(content)
        return
    part = content if isinstance(content, FilePart) else FilePart(content, 0, _size(content))
    file.flush()
    with part.path.open("rb") as source:
        offset, end = part.offset, part.offset + part.size_bytes
        while sent := os.sendfile(
            file.fileno(), source.fileno(), offset, min(_COPY_BYTES, end - offset)
        ):
            offset += sent
            yield sent
    file.seek(0, os.SEEK_END)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
