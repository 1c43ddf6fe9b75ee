"""Images in files: a directory or a tar that can be read at any place; nothing is unpacked.

`layout` and `archive` find out which images there are; reading them is the same for both.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from smartcity_pkg.bundle import compression, strictjson
from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sources.source import (
    SourceImage,
    familiar,
    image_of,
    missing,
    not_found,
)
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer


@dataclass(frozen=True)
class StoredImage:
    """An image in files: what it is called, and which files it is made of."""

    names: frozenset[str]
    config: str
    layers: tuple[str, ...]


class ImageFiles(Protocol):
    """Files by name; raises InputError for one that is missing."""

    path: Path

    def open(self, name: str) -> io.BufferedReader:
        """A stream over one file."""


def open_files(path: Path) -> ImageFiles:
    """The files of a directory or of a tar; InputError where it is neither."""
    try:
        return FolderFiles(path) if path.is_dir() else TarFiles(path)
    except (OSError, tarfile.TarError) as error:
        raise bad_source(
            path,
            _("neither a folder nor an uncompressed tar file: {why}").format(why=error),
            _("If it is compressed, decompress it first (gunzip, unzstd)."),
        ) from error


class FolderFiles:
    """The files of a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, name: str) -> io.BufferedReader:
        """A stream over one file."""
        try:
            return (self.path / name).open("rb")
        except OSError as error:
            raise bad_source(self.path, _("{name} is missing").format(name=name)) from error


class TarFiles:
    """The files of an uncompressed tar; links inside it (old `docker save`) are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - lives as long as this object
        self._members = {m.name.removeprefix("./"): m for m in self._tar}

    def open(self, name: str) -> io.BufferedReader:
        """A stream over one file."""
        try:
            stream = self._tar.extractfile(self._members[name])
        except (KeyError, tarfile.TarError) as error:
            raise bad_source(self.path, _("{name} is missing").format(name=name)) from error
        if stream is None:
            raise bad_source(self.path, _("{name} is no file").format(name=name))
        return cast(io.BufferedReader, stream)

    def __contains__(self, name: str) -> bool:
        return name in self._members


@dataclass(frozen=True)
class _Bar:
    """How far compressing is: bytes as they rest in the source, `before` of them done already."""

    progress: Progress
    before: int
    total: int

    def show(self, done: int) -> None:
        text = _("Compressing layers")
        self.progress(Transfer("compress", text, self.before + done, self.total))


class StoredSource:
    """An `ImageSource` over files."""

    def __init__(self, files: ImageFiles, images: Sequence[StoredImage]) -> None:
        self._files = files
        self._images = images

    def resolve(
        self, references: Sequence[str], cache: LayerCache, progress: Progress
    ) -> dict[str, SourceImage]:
        """See `ImageSource`."""
        lost = [r for r in references if self._stored(r) is None]
        if lost:
            known = [name for image in self._images for name in image.names]
            raise not_found(lost, str(self._files.path), known)
        return {reference: self._resolved(reference)[0] for reference in references}

    def fetch(self, images: Sequence[SourceImage], cache: LayerCache, progress: Progress) -> None:
        """See `ImageSource`."""
        wanted, _configs = missing(images, cache)
        places: dict[str, str] = {}
        for image in images:
            found, config, stored = self._resolved(image.reference)
            if found != image:
                raise bad_source(
                    self._files.path,
                    _("the image {reference} has changed meanwhile").format(
                        reference=image.reference
                    ),
                )
            cache.add_config(config)
            places |= zip(image.diff_ids, stored.layers, strict=True)
        total = sum(self._size(places[diff_id]) for diff_id in wanted)
        done = 0
        for diff_id in sorted(wanted):
            done += self._add(places[diff_id], diff_id, cache, _Bar(progress, done, total))

    def _size(self, name: str) -> int:
        with self._files.open(name) as stream:
            return stream.seek(0, os.SEEK_END)

    def _add(self, name: str, diff_id: str, cache: LayerCache, bar: _Bar) -> int:
        """Compress one layer into the cache; gives its size as it rests here."""
        try:
            with self._files.open(name) as stream:
                chunks = compression.raw_chunks(stream)
                added = cache.add(chunks, diff_id.__eq__, lambda _size: bar.show(stream.tell()))
                size_bytes = stream.seek(0, os.SEEK_END)
        except compression.CorruptLayerError as error:
            raise bad_source(
                self._files.path, _("{name} is damaged: {why}").format(name=name, why=error)
            ) from error
        if added is None:
            raise bad_source(
                self._files.path,
                _("{name} is not the layer {layer} that its image names").format(
                    name=name, layer=diff_id[:19]
                ),
            )
        bar.show(size_bytes)
        return size_bytes

    def _stored(self, reference: str) -> StoredImage | None:
        wanted = familiar(reference)
        return next((i for i in self._images if wanted in i.names), None)

    def _resolved(self, reference: str) -> tuple[SourceImage, bytes, StoredImage]:
        stored = self._stored(reference)
        if stored is None:
            raise not_found([reference], str(self._files.path), [])
        config = read_small(self._files, stored.config)
        image = image_of(reference, digest.of_bytes(config), config)
        if len(image.diff_ids) != len(stored.layers):
            raise bad_source(
                self._files.path,
                _("the image {reference} names {found} layers, its config {expected}").format(
                    reference=reference, found=len(stored.layers), expected=len(image.diff_ids)
                ),
            )
        return image, config, stored


def read_small(files: ImageFiles, name: str) -> bytes:
    """A document of at most 16 MiB; InputError where it is missing or larger."""
    with files.open(name) as stream:
        data = stream.read(strictjson.MAX_BYTES + 1)
    if len(data) > strictjson.MAX_BYTES:
        raise bad_source(files.path, _("{name} is too large").format(name=name))
    return data


def bad_source(path: Path, message: str, hint: str = "") -> InputError:
    """The error for files that hold no images, or damaged ones."""
    return InputError(
        Problem(message, str(path)), hint or _("Make the file again, and check the disk.")
    )
