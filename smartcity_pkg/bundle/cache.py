"""Layers that were compressed before, and image configs, on this machine, by digest.

Beside a layer lies what it says about packages, and where its files are, so that it is read no
second time.

A layer is one file whose name says everything about it (`<diffID>-<digest>-<raw size>`), so it
appears by one rename and there is no index to go stale. The compressor's version and settings name
the folder: another compressor never mixes its bytes into a bundle. Where layers come from is for
`sources`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from smartcity_pkg.bundle import compression
from smartcity_pkg.bundle.contents import Blob, PackedLayer
from smartcity_pkg.bundle.oci import LAYER_ZSTD
from smartcity_pkg.bundle.patch.tarmap import MAP_VERSION, Entry, from_json, to_json
from smartcity_pkg.bundle.sbom.found import READER_VERSION, LayerPackages
from smartcity_pkg.bundle.sbom.layer import LayerScan
from smartcity_pkg.core import atomic, digest

_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})-([0-9]{1,15})")
_STALE_S = 24 * 3600
_CHECKSUM_BYTES = 32


class Documents:
    """The small blobs of releases that were shipped from here; several processes may use it."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "documents"

    def get(self, blob_digest: str) -> bytes | None:
        """A document, checked, or None."""
        return _checked(self._folder, blob_digest)

    def add(self, documents: Iterable[bytes]) -> None:
        """Keep these."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for data in documents:
            path = self._folder / digest.hex_of(digest.of_bytes(data))
            if not path.exists():
                atomic.write(path, data)


class LayerCache:
    """The folder; one object may be used from several threads, one folder by several processes."""

    def __init__(self, root: Path) -> None:
        self._layers = root / compression.ENCODER
        self._configs = root / "configs"
        self._images = root / "images"
        self._packages = root / f"packages-{READER_VERSION}"
        self._maps = root / f"maps-{MAP_VERSION}"
        for folder in (self._layers, self._configs, self._images, self._packages, self._maps):
            folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, tuple[PackedLayer, Path]] = {}
        self._scan()

    def layer(self, diff_id: str) -> PackedLayer | None:
        """The layer as it was packed before, or None; its presence, not its bytes, is checked."""
        known = self._known.get(diff_id)
        return known[0] if known and known[1].exists() else None

    def whole(self, diff_id: str) -> Path | None:
        """The file with the packed layer after its bytes were hashed; a damaged one is removed."""
        known = self._known.get(diff_id)
        if known is None or not known[1].exists():
            return None
        layer, path = known
        if path.stat().st_size == layer.blob.size_bytes and (
            digest.of_file(path) == layer.blob.digest
        ):
            return path
        path.unlink(missing_ok=True)
        del self._known[diff_id]
        return None

    def add(
        self,
        chunks: Iterable[bytes],
        wanted: Callable[[str], bool],
        read: Callable[[int], None] = lambda _size: None,
    ) -> PackedLayer | None:
        """Compress a raw layer's bytes while they come; keep it if `wanted(diffID)`, else None.

        What it says about packages is read and kept on the way. `read` is called with the size of
        each chunk. Memory does not grow with the layer.
        """
        raw, packed, raw_size, packed_size = hashlib.sha256(), hashlib.sha256(), 0, 0
        encoder = compression.compressor()
        scan = LayerScan()
        with self.scratch() as path, path.open("wb") as out:

            def put(data: bytes) -> int:
                packed.update(data)
                out.write(data)
                return len(data)

            for chunk in chunks:
                raw.update(chunk)
                raw_size += len(chunk)
                packed_size += put(encoder.compress(chunk))
                scan.feed(chunk)
                read(len(chunk))
            packed_size += put(encoder.flush())
            diff_id = f"sha256:{raw.hexdigest()}"
            if not wanted(diff_id):
                return None
            # Not synced: what the power takes away does not pass `whole`, and is made again.
            out.flush()
            blob = Blob(f"sha256:{packed.hexdigest()}", packed_size, LAYER_ZSTD)
            layer = PackedLayer(diff_id, raw_size, blob)
            name = f"{raw.hexdigest()}-{packed.hexdigest()}-{raw_size}"
            path.rename(self._layers / name)
        self._known[diff_id] = (layer, self._layers / name)
        if not scan.linked:  # else another pass is needed, when somebody asks
            self.add_packages(diff_id, scan.finish())
        return layer

    def packages(self, diff_id: str) -> LayerPackages | None:
        """What the layer says about packages, as it was read before, or None."""
        text = _kept(self._packages / digest.hex_of(diff_id))
        return LayerPackages.from_json(text) if text is not None else None

    def add_packages(self, diff_id: str, packages: LayerPackages) -> None:
        """Keep what a layer says about packages, with a checksum."""
        _keep(self._packages / digest.hex_of(diff_id), packages.to_json())

    def entries(self, diff_id: str) -> tuple[Entry, ...] | None:
        """Where the layer's entries lie, as it was read before, or None."""
        text = _kept(self._maps / digest.hex_of(diff_id))
        return from_json(text) if text is not None else None

    def add_entries(self, diff_id: str, entries: tuple[Entry, ...]) -> None:
        """Keep where a layer's entries lie, with a checksum."""
        _keep(self._maps / digest.hex_of(diff_id), to_json(entries))

    def config(self, config_digest: str) -> bytes | None:
        """An image config seen before, checked against its digest, or None."""
        return _checked(self._configs, config_digest)

    def add_config(self, data: bytes) -> str:
        """Keep an image config; gives its digest."""
        config_digest = digest.of_bytes(data)
        atomic.write(self._configs / digest.hex_of(config_digest), data)
        return config_digest

    def config_of(self, image_id: str) -> bytes | None:
        """The config of an image that an engine knows by another digest, or None."""
        with contextlib.suppress(FileNotFoundError):
            known = (self._images / digest.hex_of(image_id)).read_text()
            return self.config(known) if digest.is_digest(known) else None
        return None

    def remember(self, image_id: str, config: bytes) -> None:
        """Keep an image config, and that it belongs to `image_id`."""
        known = self.add_config(config)
        atomic.write(self._images / digest.hex_of(image_id), known.encode())

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new file inside the cache that is gone afterwards unless it was renamed."""
        descriptor, name = tempfile.mkstemp(suffix=".part", dir=self._layers)
        os.close(descriptor)
        path = Path(name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _scan(self) -> None:
        for path in sorted(self._layers.iterdir()):
            sweep(path)
            if match := _NAME.fullmatch(path.name):
                diff_id, packed, raw_size = match.groups()
                blob = Blob(f"sha256:{packed}", path.stat().st_size, LAYER_ZSTD)
                layer = PackedLayer(f"sha256:{diff_id}", int(raw_size), blob)
                self._known.setdefault(layer.diff_id, (layer, path))


def sweep(path: Path) -> None:
    """Remove `path` if a crash left it; a younger one may be another process's."""
    if path.suffix != ".part":
        return
    with contextlib.suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime > _STALE_S:
            path.unlink()


def _keep(path: Path, text: bytes) -> None:
    atomic.write(path, hashlib.sha256(text).digest() + zlib.compress(text))


def _kept(path: Path) -> bytes | None:
    """What `_keep` wrote; None where there is nothing, or it was damaged."""
    with contextlib.suppress(FileNotFoundError, zlib.error):
        data = path.read_bytes()
        checksum, text = data[:_CHECKSUM_BYTES], zlib.decompress(data[_CHECKSUM_BYTES:])
        if hashlib.sha256(text).digest() == checksum:
            return text
    return None


def _checked(folder: Path, blob_digest: str) -> bytes | None:
    """The file of `folder` that has a digest's hex digits as its name, unless its bytes lie."""
    with contextlib.suppress(FileNotFoundError):
        data = (folder / digest.hex_of(blob_digest)).read_bytes()
        if digest.of_bytes(data) == blob_digest:
            return data
    return None
