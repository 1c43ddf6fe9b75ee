"""Reading the stream that an engine exports: layers are compressed into the cache as they come.

Layers are known by their content: the names differ between engines (`ID/layer.tar` on 20.10), and
manifest.json, which maps them, comes last. Nothing is unpacked; only what was asked for is kept.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from pydantic import ValidationError

from smartcity_pkg.bundle import compression, strictjson
from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sources.archive import MANIFEST_FILE, saved_images
from smartcity_pkg.bundle.sources.compressing import Compressing
from smartcity_pkg.bundle.sources.source import familiar
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer

_DOCUMENT_BYTES = 4 << 20
_DOCUMENTS_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_BLOB_NAME = re.compile(r"blobs/sha256/([0-9a-f]{64})")


@dataclass(frozen=True)
class SavedConfig:
    """The config of one exported image, and what the image is called."""

    names: frozenset[str]
    config: bytes


def read_export(
    chunks: Iterator[bytes],
    size_bytes: int,
    layers: set[str],
    cache: LayerCache,
    progress: Progress,
) -> list[SavedConfig]:
    """Put those of the export's layers that are in `layers` into the cache; give its configs.

    `size_bytes` is an estimate, for progress alone. EngineError where the export is cut short or
    damaged. Whether all of `layers` came is for the caller to see in the cache.
    """
    counted = _Counted(chunks, size_bytes, progress)
    try:
        with (
            Compressing(cache) as compressing,
            tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|", bufsize=_CHUNK_BYTES) as tar,
        ):
            reader = _Export(layers, cache, compressing)
            for member in tar:
                if member.isreg():
                    stream = cast(io.BufferedReader, tar.extractfile(member))
                    reader.take(member.name.removeprefix("./"), member.size, stream)
        configs = reader.configs()
    except (
        tarfile.TarError,
        compression.CorruptLayerError,
        strictjson.UnsafeJsonError,
        ValidationError,
        KeyError,
    ) as error:
        raise EngineError(
            _("the engine's export is damaged or was cut short: {why}").format(why=error),
            _("Look into the engine's log; its disk may be full. Then run the command again."),
        ) from error
    counted.finish()
    return configs


class _Export:
    """What is kept of an export while it streams by."""

    def __init__(self, layers: set[str], cache: LayerCache, compressing: Compressing) -> None:
        self._layers = layers
        self._cache = cache
        self._compressing = compressing
        self._documents: dict[str, bytes] = {}
        self._room = _DOCUMENTS_BYTES

    def take(self, name: str, size_bytes: int, stream: io.BufferedReader) -> None:
        """Look at one file of the export."""
        head = stream.peek(4)[:4]
        if size_bytes <= min(_DOCUMENT_BYTES, self._room) and head[:1] in (b"{", b"["):
            data = stream.read()
            self._documents[name] = data
            self._room -= len(data)
            if self._wanted(digest.of_bytes(data)):  # a layer whose first file is called {…
                self._compressing.add(iter([data]), self._wanted)
        elif compression.is_compressed(head):
            self._compressing.add(compression.raw_chunks(stream), self._wanted)
        elif match := _BLOB_NAME.fullmatch(name):
            if self._wanted(f"sha256:{match.group(1)}"):
                self._compressing.add(compression.raw_chunks(stream), self._wanted)
        elif name.endswith("/layer.tar"):
            self._take_nameless(stream)

    def configs(self) -> list[SavedConfig]:
        """The configs that manifest.json names; KeyError where one did not come."""
        return [
            SavedConfig(
                frozenset(familiar(tag) for tag in image.repo_tags or ()),
                self._documents[image.config],
            )
            for image in saved_images(self._documents[MANIFEST_FILE])
        ]

    def _wanted(self, diff_id: str) -> bool:
        return diff_id in self._layers and self._cache.layer(diff_id) is None

    def _take_nameless(self, stream: io.BufferedReader) -> None:
        """A layer whose name says nothing: hash it first, to compress only what is wanted."""
        with self._cache.scratch() as path, path.open("w+b") as spool:
            diff_id = digest.of_chunks(_copied(stream, spool.write))
            if self._wanted(diff_id):
                spool.seek(0)
                self._compressing.add(digest.read_chunks(spool), self._wanted)


def _copied(stream: io.BufferedReader, write: Callable[[bytes], int]) -> Iterator[bytes]:
    for chunk in digest.read_chunks(stream):
        write(chunk)
        yield chunk


class _Counted:
    """Chunks as a file to read, with progress."""

    def __init__(self, chunks: Iterator[bytes], total: int, progress: Progress) -> None:
        self._chunks = chunks
        self._rest = b""
        self._done, self._total, self._progress = 0, total, progress

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        self._done += len(data)
        self._report(max(self._total, self._done))
        return data

    def finish(self) -> None:
        """All that is needed has come."""
        self._report(self._done)

    def _report(self, total: int) -> None:
        self._progress(
            Transfer("export", _("Reading images from the Docker Engine"), self._done, total)
        )
