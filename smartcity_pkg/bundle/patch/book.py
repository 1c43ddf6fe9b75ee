"""The patches that can be made here: between layers of which this machine has the bytes.

Which of them are worth their time for a server is for `ship`; a patch, once made, lies in the cache
by what it leads from and to.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from smartcity_pkg.bundle import compression
from smartcity_pkg.bundle.cache import Documents, LayerCache, sweep
from smartcity_pkg.bundle.contents import Blob, BlobReader, BundleContents, PackedLayer
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.oci import LAYER_PATCH
from smartcity_pkg.bundle.patch.encode import FORM, MOST_CARE, Layer, TooLargeError, encode
from smartcity_pkg.bundle.patch.matching import likeness
from smartcity_pkg.bundle.patch.tarmap import Entry, NoTarError, RawLayer
from smartcity_pkg.bundle.structure import contents_of
from smartcity_pkg.core import digest

# A layer that travels in fewer bytes is not worth the look.
LEAST_BYTES = 24 << 10
# A patch has at most this share of the whole layer's bytes.
MOST_SHARE = 0.75
_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})-([0-9a-f]{64})-([0-9]{1,12})(-perl)?")
# A base that is like less than this much of the new layer is no base.
_LEAST_LIKENESS = 0.1
# What is at hand may be this much less alike: bringing another out of the engine takes seconds.
_NEARLY = 0.9

OpenRaw = Callable[[str], Iterator[bytes] | None]


@dataclass(frozen=True)
class Patch:
    """Makes the layer `new` of the layer `old` (diffIDs); `blob` are its bytes.

    `care_bytes` is with how much care it was made, and `perl` whether for servers that have Perl
    (`encode`).
    """

    old: str
    new: str
    blob: Blob
    care_bytes: int = MOST_CARE
    perl: bool = False


class PatchBook:
    """Patches in the folder of packed layers. `sources` give the raw bytes of layers by diffID;
    `documents` are what servers have been sent from here besides layers.

    One folder may be used by several processes. Threads that share a book hold its `lock`: a patch
    is made once, for all servers.
    """

    def __init__(self, root: Path, sources: Sequence[OpenRaw] = ()) -> None:
        self.lock = threading.Lock()
        self._cache = LayerCache(root)
        self.documents = Documents(root)
        self._sources = (*sources, self._from_cache)
        self._folder = root / f"patches-{FORM}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[tuple[str, str, bool], Patch] = {}
        self._bases: dict[tuple[str, frozenset[str], frozenset[str]], str | None] = {}
        for path in sorted(self._folder.iterdir()):
            sweep(path)
            if match := _NAME.fullmatch(path.name):
                old, new, packed = (f"sha256:{part}" for part in match.groups()[:3])
                blob = Blob(packed, path.stat().st_size, LAYER_PATCH)
                self._remember(Patch(old, new, blob, int(match[4]), bool(match[5])))

    def base_for(
        self, new: str, candidates: Collection[str], at_hand: Collection[str] = ()
    ) -> str | None:
        """The one of `candidates` that is most like `new`; None where none is.

        One that is `at_hand` on the server is taken before others that are only a little more so.
        """
        key = (new, frozenset(candidates), frozenset(at_hand).intersection(candidates))
        if key not in self._bases:
            self._bases[key] = self._most_alike(*key)
        return self._bases[key]

    def _most_alike(
        self, new: str, candidates: frozenset[str], at_hand: frozenset[str]
    ) -> str | None:
        candidates -= {new}
        entries = self._entries(new) if candidates else None
        if entries is None:
            return None
        scores = {}
        for old in sorted(candidates):
            others = self._entries(old)
            scores[old] = likeness(others, entries) if others else 0.0
        least = _LEAST_LIKENESS * sum(e.end - e.start for e in entries)
        alike = [old for old, score in scores.items() if score > least]
        best = max(alike, key=scores.__getitem__, default=None)
        if best is None:
            return None
        near = [o for o in alike if o in at_hand and scores[o] >= _NEARLY * scores[best]]
        return max(near, key=scores.__getitem__, default=best)

    def size_of(self, diff_id: str) -> int | None:
        """The raw size in bytes of a layer that was packed here, or None."""
        layer = self._cache.layer(diff_id)
        return layer.size_bytes if layer else None

    def known(self, old: str, new: str, *, perl: bool = False) -> Patch | None:
        """The patch if it was made before, for servers with or without Perl, and is whole."""
        patch = self._known.get((old, new, perl))
        if patch is None:
            return None
        path = self.path(patch)
        if path.exists() and digest.of_file(path) == patch.blob.digest:
            return patch
        path.unlink(missing_ok=True)
        del self._known[old, new, perl]
        return None

    def make(
        self,
        old: str,
        new: str,
        limit_bytes: int,
        care_bytes: int = MOST_CARE,
        *,
        perl: bool = False,
    ) -> Patch | None:
        """The patch, made once; None where it would have more than `limit_bytes`.

        One that was made with less care than `care_bytes` is made again.
        """
        made = self.known(old, new, perl=perl)
        if made and made.care_bytes >= care_bytes:
            return made
        with ExitStack() as stack:
            layers = []
            for diff_id in (old, new):
                raw, entries = self._raw(diff_id), self._entries(diff_id)
                if raw is None or entries is None:
                    return None
                layers.append(Layer(stack.enter_context(closing(raw)), entries))
            before, after = layers
            out = stack.enter_context(tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part"))
            spill = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
            try:
                size_bytes = encode(
                    before, after, out.file, spill, limit_bytes, care_bytes, perl=perl
                )
            except TooLargeError:
                return None
            out.flush()
            packed = digest.of_file(Path(out.name))
            patch = Patch(old, new, Blob(packed, size_bytes, LAYER_PATCH), care_bytes, perl)
            if not self.path(patch).exists():
                self.path(patch).hardlink_to(out.name)
        self._remember(patch)
        return patch

    def open(self, blob_digest: str) -> BinaryIO | None:
        """The bytes of a patch of this book, or None; whoever sends them checks them."""
        for patch in self._known.values():
            if patch.blob.digest == blob_digest:
                return self.path(patch).open("rb")
        return None

    def path(self, patch: Patch) -> Path:
        """The file of a patch of this book."""
        digests = (patch.old, patch.new, patch.blob.digest)
        name = "-".join((*map(digest.hex_of, digests), str(patch.care_bytes)))
        return self._folder / (name + "-perl" * patch.perl)

    def _remember(self, patch: Patch) -> None:
        """Of two patches between the same layers, the one made with more care."""
        key = (patch.old, patch.new, patch.perl)
        other = self._known.get(key)
        if other is None or other.care_bytes < patch.care_bytes:
            self._known[key] = patch

    def _entries(self, diff_id: str) -> tuple[Entry, ...] | None:
        kept = self._cache.entries(diff_id)
        if kept is not None:
            return kept
        raw = self._raw(diff_id)
        if raw is None:
            return None
        with closing(raw):
            try:
                entries = raw.entries()
            except NoTarError:
                return None
        self._cache.add_entries(diff_id, entries)
        return entries

    def _raw(self, diff_id: str) -> RawLayer | None:
        for source in self._sources:
            chunks = source(diff_id)
            if chunks is not None:
                with contextlib.suppress(compression.CorruptLayerError):
                    return RawLayer(chunks, self._folder)
        return None

    def _from_cache(self, diff_id: str) -> Iterator[bytes] | None:
        layer, path = self._cache.layer(diff_id), self._cache.whole(diff_id)
        if layer is None or path is None:
            return None
        return _opened(path.open("rb"), layer.size_bytes)


def layers_of(bundle: BlobReader, contents: BundleContents) -> OpenRaw:
    """The layers of an open bundle, as a source of a book."""

    def raw(diff_id: str) -> Iterator[bytes] | None:
        packed = contents.layers.get(diff_id)
        if packed is None or not packed.whole:
            return None
        return _opened(bundle.open(packed.blob.digest), packed.size_bytes)

    return raw


def layers_at(path: Path) -> OpenRaw:
    """The layers of the bundle at `path`, which is opened when one is asked for."""

    def raw(diff_id: str) -> Iterator[bytes] | None:
        with open_bundle(path) as bundle:
            contents = contents_of(bundle.root.digest, bundle.read)
            if (packed := contents.layers.get(diff_id)) is None or not packed.whole:
                return None
        return _reopened(path, packed)

    return raw


def _reopened(path: Path, packed: PackedLayer) -> Iterator[bytes]:
    with open_bundle(path) as bundle:
        yield from _opened(bundle.open(packed.blob.digest), packed.size_bytes)


def _opened(stream: BinaryIO, limit_bytes: int) -> Iterator[bytes]:
    with closing(stream):
        yield from compression.decompressed(stream, limit_bytes)
