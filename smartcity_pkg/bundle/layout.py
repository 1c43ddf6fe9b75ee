"""Opening a bundle, a directory or one tar, and reading its blobs in place.

Nothing is unpacked and no link is followed. The form is checked here (names, the tar's every
header, index.json, where the signatures are); what the blobs mean is for `structure`, whether they
are genuine for `trust` and `verify`.
"""

from __future__ import annotations

import bisect
import contextlib
import io
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from smartcity_pkg.bundle import dsse, oci, ustar
from smartcity_pkg.bundle.contents import Signature
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.structure import broken
from smartcity_pkg.bundle.trust import MAX_SIGNATURES
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem, UntrustedBundleError
from smartcity_pkg.core.i18n import _, os_text

MAX_SMALL_BYTES = 64 << 20
MAX_FILES = 20_000
_MAX_INDEX_BYTES = 4 << 20


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file on the disk: all of it, or a member of a tar."""

    path: Path
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class PartedTar:
    """A bundle's tar that lies in several files, in order; `path` names it in messages."""

    path: Path
    parts: tuple[FilePart, ...]


class Files(Protocol):
    """The files of a layout by name, whatever they rest in."""

    sizes: dict[str, int]

    def open(self, name: str) -> BinaryIO:
        """A stream over one file; may be called from several threads."""

    def place(self, name: str) -> FilePart:
        """Where its bytes lie on the disk; not to be asked of a `PartedTar`."""

    def close(self) -> None:
        """Give back what is held open."""


class Bundle:
    """An open bundle: a `BlobReader`. Made by `open_bundle`."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files
        self.blobs = _blob_sizes(files)
        self.root, self.beside, self.images = self._top_index()
        self.signature_manifest = self.beside.get(oci.KIND_SIGNATURES)
        self.attestation_manifest = self.beside.get(oci.KIND_ATTESTATIONS)
        self.signatures, signature_blobs = self._signatures()
        self.attestation, attestation_blobs = self._attestation()
        self.signature_blobs = signature_blobs | attestation_blobs

    def open(self, blob_digest: str) -> BinaryIO:
        """A stream over one blob as it rests; its bytes are not checked."""
        self._require(blob_digest)
        with reading(self.path):
            return self._files.open(oci.blob_name(blob_digest))

    def read(self, blob_digest: str) -> bytes:
        """A small blob (up to 64 MiB), whole and checked against its digest."""
        self._require(blob_digest)
        if self.blobs[blob_digest] > MAX_SMALL_BYTES:
            raise broken(
                _("{digest} is larger than a document may be").format(digest=blob_digest[:19])
            )
        with reading(self.path), self.open(blob_digest) as stream:
            data = stream.read(MAX_SMALL_BYTES + 1)
        if digest.of_bytes(data) != blob_digest:
            raise broken(
                _("the bytes of {digest} are not what its name says").format(
                    digest=blob_digest[:19]
                )
            )
        return data

    def close(self) -> None:
        """Close the files; may be called twice."""
        self._files.close()

    def _require(self, blob_digest: str) -> None:
        if blob_digest not in self.blobs:
            raise broken(_("{digest} is missing").format(digest=blob_digest[:19]))

    @property
    def sizes(self) -> Mapping[str, int]:
        """Every file of the layout by name, and its size in bytes."""
        return self._files.sizes

    def place(self, name: str) -> FilePart:
        """Where the bytes of one file of the layout lie on the disk; not in a `PartedTar`."""
        return self._files.place(name)

    def _top_index(
        self,
    ) -> tuple[oci.Descriptor, dict[str, oci.Descriptor], tuple[oci.Descriptor, ...]]:
        """What index.json names: the root, what stands beside it by kind, and the images."""
        for name, most in ((oci.LAYOUT_FILE, 64), (oci.INDEX_FILE, _MAX_INDEX_BYTES)):
            if self._files.sizes.get(name, most + 1) > most:
                raise broken(_("{name} is missing or too large").format(name=name))
        with reading(self.path):
            with self._files.open(oci.LAYOUT_FILE) as stream:
                layout = stream.read(64)
            with self._files.open(oci.INDEX_FILE) as stream:
                data = stream.read(_MAX_INDEX_BYTES)
        if layout != oci.LAYOUT_BYTES:
            raise broken(_("{name} is not what it must be").format(name=oci.LAYOUT_FILE))
        entries = oci.parse(oci.Index, data, oci.INDEX_FILE).manifests
        named = [entry for entry in entries if oci.KIND in entry.annotations]
        images = tuple(entry for entry in entries if oci.KIND not in entry.annotations)
        beside = {entry.annotations[oci.KIND]: entry for entry in named}
        root = beside.pop(oci.KIND_ROOT, None)
        # index.json is not signed: it may say only what is expected, in one way only. That the
        # images are those of the root is checked with the root, in `verify`.
        if root is None or data != oci.top_index_json(root, beside, images):
            raise broken(
                _("{name} must name one root and its signatures").format(name=oci.INDEX_FILE)
            )
        return root, beside, images

    def _signatures(self) -> tuple[tuple[Signature, ...], frozenset[str]]:
        """The signatures, unchecked, and the digests of the blobs that they are made of."""
        entry = self.signature_manifest
        if entry is None:
            return (), frozenset()
        what = _("the manifest of signatures")
        manifest = oci.parse(oci.Manifest, self.read(entry.digest), what)
        if len(manifest.layers) > MAX_SIGNATURES:
            raise broken(_("it has too many signatures"))
        signatures: list[Signature] = []
        for layer in manifest.layers:
            signature = layer.annotations.get(oci.COSIGN_SIGNATURE, "")
            key_id = layer.annotations.get(oci.KEY_ID, "")
            signatures.append(Signature(key_id, self.read(layer.digest), signature))
        return tuple(signatures), self._beside(entry, manifest, what)

    def _attestation(self) -> tuple[Envelope | None, frozenset[str]]:
        """The provenance, unchecked, and the digests of the blobs that it is made of."""
        entry = self.attestation_manifest
        if entry is None:
            return None, frozenset()
        what = _("the manifest of the provenance")
        manifest = oci.parse(oci.Manifest, self.read(entry.digest), what)
        if [layer.media_type for layer in manifest.layers] != [oci.DSSE]:
            raise broken(_("{what} must name one envelope").format(what=what))
        try:
            envelope = dsse.parse(self.read(manifest.layers[0].digest))
        except dsse.BadEnvelopeError as error:
            raise broken(_("the provenance is damaged: {why}").format(why=error)) from error
        return envelope, self._beside(entry, manifest, what)

    def _beside(self, entry: oci.Descriptor, manifest: oci.Manifest, what: str) -> frozenset[str]:
        """The digests of the blobs of a manifest beside the root, all of them checked."""
        self.read(manifest.config.digest)  # says nothing to us; still every byte is checked
        blobs = (entry, manifest.config, *manifest.layers)
        for blob in blobs:
            if self.blobs.get(blob.digest) != blob.size:
                raise broken(_("{what} names a wrong size").format(what=what))
        return frozenset(b.digest for b in blobs)


@contextmanager
def open_bundle(source: Path | PartedTar) -> Iterator[Bundle]:
    """The bundle at `source`, to read while the context lasts.

    Raises InputError where there is nothing, or something that is no bundle; UntrustedBundleError
    where a bundle is malformed.
    """
    path = source.path if isinstance(source, PartedTar) else source
    try:
        files = _Tar(source.parts) if isinstance(source, PartedTar) else _files_at(source)
    except OSError as error:
        raise InputError(
            Problem(_("the bundle cannot be read: {why}").format(why=os_text(error)), str(path)),
            _("Check the path, and that the disk is connected."),
        ) from error
    try:
        yield Bundle(path, files)
    finally:
        files.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell a failing disk under the bundle at `path` in our words."""
    try:
        yield
    except OSError as error:
        raise UntrustedBundleError(
            _("{path}: reading failed: {why}").format(path=path, why=os_text(error)),
            _("The disk may be damaged, or was removed. Copy the bundle again."),
        ) from error


def looks_like_bundle(path: Path) -> bool:
    """Whether `path` is the directory or tar of a bundle, judged by its outer form only."""
    if path.is_dir():
        return (path / oci.LAYOUT_FILE).is_file() and (path / oci.INDEX_FILE).is_file()
    with path.open("rb") as stream:
        return stream.read(len(oci.BLOBS)) == oci.BLOBS.encode()


class _Directory:
    """The files of a directory: regular ones only, opened without following links."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}
        for folder, names in (("", {"blobs"}), ("blobs", {"sha256"}), ("blobs/sha256", set())):
            self._scan(folder, names)

    def _scan(self, folder: str, folders: set[str]) -> None:
        with os.scandir(self._root / folder) as entries:
            for entry in itertools.islice(entries, MAX_FILES + 1):
                name = f"{folder}/{entry.name}".lstrip("/")
                if entry.name in folders and entry.is_dir(follow_symlinks=False):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise broken(_("{name} is no regular file").format(name=ascii(name[:200])))
                self.sizes[name] = entry.stat(follow_symlinks=False).st_size

    def open(self, name: str) -> BinaryIO:
        descriptor = os.open(self._root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise broken(_("{name} is no regular file").format(name=ascii(name[:200])))
        return os.fdopen(descriptor, "rb", buffering=0)

    def place(self, name: str) -> FilePart:
        return FilePart(self._root / name, 0, self.sizes[name])

    def close(self) -> None:
        """Nothing is held open."""


class _Tar:
    """The files of one tar, which may lie in several parts; indexed once and read in place."""

    def __init__(self, parts: Sequence[FilePart]) -> None:
        self._pieces = _Pieces(parts)
        self._places: dict[str, ustar.Member] = {}
        try:
            whole = io.BufferedReader(_Slice(self._pieces, 0, self._pieces.size_bytes))
            members: Iterable[ustar.Member] = ustar.members(whole, self._pieces.size_bytes)
            self._places = {m.name: m for m in itertools.islice(members, MAX_FILES + 1)}
        except ustar.BadTarError as error:
            self.close()
            raise broken(_("the tar file is malformed: {why}").format(why=error)) from error
        self.sizes = {m.name: m.size_bytes for m in self._places.values()}

    def open(self, name: str) -> BinaryIO:
        place = self._places[name]
        return io.BufferedReader(_Slice(self._pieces, place.offset, place.size_bytes), 256 << 10)

    def place(self, name: str) -> FilePart:
        place = self._places[name]
        (whole,) = self._pieces.parts
        return FilePart(whole.path, whole.offset + place.offset, place.size_bytes)

    def close(self) -> None:
        self._pieces.close()


class _Pieces:
    """Open files, read as if they were one. By position: threads do not disturb each other."""

    def __init__(self, parts: Sequence[FilePart]) -> None:
        self.parts = tuple(parts)
        self._ends = list(itertools.accumulate(part.size_bytes for part in parts))
        self.size_bytes = self._ends[-1]
        self._files = contextlib.ExitStack()
        with self._files as files:
            opened = [files.enter_context(part.path.open("rb", buffering=0)) for part in parts]
            self._files = files.pop_all()
        self._descriptors = [file.fileno() for file in opened]

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Bytes from `offset` on, at most `size_bytes` and never beyond the end of a piece."""
        index = bisect.bisect_right(self._ends, offset)
        if index == len(self.parts):
            return b""
        part, end = self.parts[index], self._ends[index]
        at = part.offset + offset - (end - part.size_bytes)
        return os.pread(self._descriptors[index], min(size_bytes, end - offset), at)

    def close(self) -> None:
        self._files.close()


class _Slice(io.RawIOBase):
    """A range of `_Pieces` as a stream."""

    def __init__(self, pieces: _Pieces, offset: int, size_bytes: int) -> None:
        super().__init__()
        self._pieces, self._begin, self._position = pieces, offset, offset
        self._end = offset + size_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._position, os.SEEK_END: self._end}
        self._position = bases[whence] + offset
        return self._position - self._begin

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._end - self._position))
        data = self._pieces.read(self._position, wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _files_at(path: Path) -> Files:
    if path.is_dir():
        if not looks_like_bundle(path):
            raise _no_bundle(path)
        return _Directory(path)
    with path.open("rb") as stream:
        block = stream.read(ustar.BLOCK_BYTES)
        size_bytes = os.fstat(stream.fileno()).st_size
    # A damaged first header is still a bundle, though a bad one; a text or a gzip is none.
    if block[257:262] != b"ustar" and not block.startswith(oci.BLOBS.encode()):
        raise _no_bundle(path)
    return _Tar([FilePart(path, 0, size_bytes)])


def _no_bundle(path: Path) -> InputError:
    return InputError(
        Problem(_("this is no bundle: neither a layout directory nor its tar"), str(path)),
        _("Name the directory or the .tar that “smartcity pack” wrote."),
    )


def _blob_sizes(files: Files) -> dict[str, int]:
    """The blobs by digest; anything else than the layout's own two files is refused."""
    if len(files.sizes) > MAX_FILES:
        raise broken(_("it has more than {count} files").format(count=MAX_FILES))
    blobs: dict[str, int] = {}
    for name, size_bytes in files.sizes.items():
        blob_digest = oci.digest_of_name(name)
        if blob_digest is not None:
            blobs[blob_digest] = size_bytes
        elif name not in (oci.LAYOUT_FILE, oci.INDEX_FILE):
            raise broken(_("{name} does not belong in a bundle").format(name=ascii(name[:200])))
    return blobs
