"""Pulling: a bundle out of a registry, the same bytes that were pushed, and only if it is trusted.

Signatures come first, documents next, layers last, into a folder that has no name yet; the whole is
verified there by the code that verifies every bundle, and only then takes its place. A layer that
a bundle on this machine has is copied from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.contents import Blob, BundleContents
from smartcity_pkg.bundle.layout import MAX_SMALL_BYTES, Bundle, open_bundle
from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.push import LATEST, at_once, side_tag
from smartcity_pkg.bundle.registry.transfers import download
from smartcity_pkg.bundle.structure import broken
from smartcity_pkg.bundle.trust import TrustedKeys, contents_of, genuine_signatures
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.bundle.write import check_output, write_bundle
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import RegistryError, SmartCityError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.core.progress import Progress, Step, Transfer, no_progress

_MOST_MANIFESTS = 10_000
_MOST_PARTS = 100
_ACCEPT = ", ".join((oci.INDEX, oci.MANIFEST))


@dataclass(frozen=True)
class Pulled:
    """A bundle that was pulled, verified and written. `reused_bytes` came from other bundles."""

    path: Path
    contents: BundleContents
    size_bytes: int
    received_bytes: int
    reused_bytes: int


def pull(
    repository: Repository,
    trusted: TrustedKeys,
    output: Path | Callable[[Release], Path],
    work: Path,
    progress: Progress = no_progress,
) -> Pulled:
    """Pull the bundle at the repository's address and write it to `output` (as in `pack`).

    It grows in a folder of its own in `work` that is removed in any case. Raises
    UntrustedBundleError where no trusted key signed it or a byte is wrong: then nothing is left.
    RegistryError, LoginError and UnreachableError as the registry has it.
    """
    if isinstance(output, Path):
        check_output(output)
    progress(Step(_("Pulling from {address}").format(address=repository.address)))
    with _scratch(work) as folder:
        pulling = _Pulling(repository, folder, progress)
        root = pulling.root(trusted)
        contents = pulling.documents(root)
        path = output if isinstance(output, Path) else output(contents.release)
        check_output(path)
        pulling.layers(contents, _bundles_beside(path))
        verified = verify(folder, trusted, progress)
        files: dict[str, bytes | Path] = {
            str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()
        }
        size_bytes = write_bundle(path, files, progress)
    return Pulled(path, verified, size_bytes, pulling.received, pulling.reused)


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    """A new folder in `place`, or above it as long as that is not there; gone afterwards."""
    place = next(p for p in (place, *place.absolute().parents) if p.is_dir())
    try:
        made = TemporaryDirectory(prefix=".pull.", suffix=".part", dir=place)
    except OSError as error:
        raise SmartCityError(
            _("{path} cannot be written: {why}").format(path=place, why=os_text(error)),
            _("Check the free space and the permissions, or choose another place."),
        ) from error
    with made as name:
        yield Path(name)


def _bundles_beside(path: Path) -> list[Path]:
    """Bundles in the folder where this one goes: releases of the same pemda, as a rule."""
    folder = path.parent
    return (
        sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
    )


class _Pulling:
    """A bundle that grows in a folder."""

    def __init__(self, repository: Repository, folder: Path, progress: Progress) -> None:
        self._repository, self._folder, self._progress = repository, folder, progress
        self._lock = threading.Lock()
        self._done = self._total = 0
        self.received = self.reused = 0
        (folder / oci.BLOBS).mkdir(parents=True)

    # -- first: who signed what -----------------------------------------------------------------

    def root(self, trusted: TrustedKeys) -> str:
        """The digest of the root, after its signatures were found genuine."""
        reference = self._repository.address.reference or LATEST
        found = self._manifest(reference, oci.INDEX)
        if found is None:
            raise RegistryError(
                _("there is no {address}").format(address=self._repository.address),
                _("Check the name and the tag; “{tag}” was looked for.").format(tag=reference),
            )
        root_digest = self._keep(found)
        if digest.is_digest(reference) and reference != root_digest:
            raise broken(_("the registry sent other bytes than {digest}").format(digest=reference))
        index = [
            oci.described(root_digest, len(found), oci.INDEX, annotations=_kind(oci.KIND_ROOT))
        ]
        (self._folder / oci.LAYOUT_FILE).write_bytes(oci.LAYOUT_BYTES)
        for kind in oci.KINDS_BESIDE:
            index += self._beside(root_digest, kind)
            (self._folder / oci.INDEX_FILE).write_bytes(oci.index_json(index))
            with open_bundle(self._folder) as bundle:
                genuine_signatures(bundle.root.digest, bundle.signatures, trusted)
        return root_digest

    def _beside(self, root_digest: str, kind: str) -> list[dict[str, Any]]:
        """The entry of index.json for the signatures or attestations, all of it fetched."""
        data = self._manifest(side_tag(root_digest, kind), oci.MANIFEST)
        if data is None:
            return []
        listed = oci.parse(oci.Manifest, data, _("what stands beside it"))
        parts = {part.digest: part for part in (listed.config, *listed.layers)}
        if len(parts) > _MOST_PARTS or sum(p.size for p in parts.values()) > MAX_SMALL_BYTES:
            raise broken(_("it has too many signatures"))
        for part in parts.values():
            self._small(part)
        return [oci.described(self._keep(data), len(data), oci.MANIFEST, annotations=_kind(kind))]

    # -- then: what it is made of ---------------------------------------------------------------

    def documents(self, root_digest: str) -> BundleContents:
        """All documents that the root leads to, fetched and found to fit together."""
        root = oci.parse(oci.Index, self._read(root_digest), _("the root index"))
        if len(root.manifests) > _MOST_MANIFESTS:
            raise broken(_("it names too many images"))
        at_once(self._repository, self._fetch_manifest, {e.digest for e in root.manifests})
        small: dict[str, oci.Descriptor] = {}
        for entry in root.manifests:
            listed = oci.parse(oci.Manifest, self._read(entry.digest), _("a manifest"))
            small[listed.config.digest] = listed.config
            if entry.artifact_type is not None:
                small |= {layer.digest: layer for layer in listed.layers}
        at_once(self._repository, lambda d: self._small(small[d]), sorted(small))
        contents = contents_of(root_digest, self._read)
        with open_bundle(self._folder) as bundle:
            data = oci.top_index_json(bundle.root, bundle.beside, oci.images_of(root))
        (self._folder / oci.INDEX_FILE).write_bytes(data)
        return contents

    # -- last: the layers -----------------------------------------------------------------------

    def layers(self, contents: BundleContents, beside: Sequence[Path]) -> None:
        """Every layer, from bundles on this machine or the registry."""
        blobs = {packed.blob.digest: packed.blob for packed in contents.layers.values()}
        self._total = sum(blob.size_bytes for blob in blobs.values())
        with ExitStack() as stack:
            others: list[Bundle] = []
            for path in beside:
                with suppress(SmartCityError, OSError):  # not every file here is a bundle
                    others.append(stack.enter_context(open_bundle(path)))
            ordered = sorted(blobs, key=lambda d: (-blobs[d].size_bytes, d))
            at_once(self._repository, lambda d: self._layer(blobs[d], others), ordered)

    def _layer(self, blob: Blob, others: Sequence[Bundle]) -> None:
        if any(self._copied(blob, other) for other in others if blob.digest in other.blobs):
            with self._lock:
                self.reused += blob.size_bytes
            self._count(blob.size_bytes)
            return
        path = self._folder / oci.blob_name(blob.digest)
        download(self._repository, blob.digest, blob.size_bytes, path, self._arrived)

    def _copied(self, blob: Blob, other: Bundle) -> bool:
        """Take a layer out of another bundle, if it is what its name says."""
        path = self._folder / oci.blob_name(blob.digest)
        with suppress(SmartCityError, OSError):
            with other.open(blob.digest) as source, path.open("xb") as out:
                found = digest.of_chunks(_through(digest.read_chunks(source), out.write))
            if found == blob.digest and path.stat().st_size == blob.size_bytes:
                return True
        path.unlink(missing_ok=True)
        return False

    # -- parts ----------------------------------------------------------------------------------

    def _manifest(self, reference: str, media_type: str) -> bytes | None:
        url = self._repository.url("manifests", reference)
        answer = self._repository.ask("GET", url, (200, 404), headers={"Accept": _ACCEPT})
        if answer.status == 404:
            return None
        found = answer.headers.get("content-type", "").partition(";")[0]
        if found != media_type:
            raise RegistryError(
                _("{address} is no bundle: it is {found}, expected {expected}").format(
                    address=self._repository.address, found=found[:100], expected=media_type
                ),
                _("Name a place to which “smartcity push” has pushed."),
            )
        with self._lock:
            self.received += len(answer.body)
        return answer.body

    def _fetch_manifest(self, blob_digest: str) -> None:
        data = self._manifest(blob_digest, oci.MANIFEST)
        if data is None or digest.of_bytes(data) != blob_digest:
            raise broken(_("{digest} is missing").format(digest=blob_digest[:19]))
        self._keep(data)

    def _small(self, entry: oci.Descriptor) -> None:
        """A blob that is held in memory; its size is limited by what its descriptor says."""
        if entry.size > MAX_SMALL_BYTES:
            raise broken(
                _("{digest} is larger than a document may be").format(digest=entry.digest[:19])
            )
        path = self._folder / oci.blob_name(entry.digest)
        if not path.exists():
            download(self._repository, entry.digest, entry.size, path, self._received_only)

    def _read(self, blob_digest: str) -> bytes:
        try:
            return (self._folder / oci.blob_name(blob_digest)).read_bytes()
        except FileNotFoundError as error:
            raise broken(_("{digest} is missing").format(digest=blob_digest[:19])) from error

    def _keep(self, data: bytes) -> str:
        kept = digest.of_bytes(data)
        (self._folder / oci.blob_name(kept)).write_bytes(data)
        return kept

    def _received_only(self, size_bytes: int) -> None:
        with self._lock:
            self.received += max(size_bytes, 0)

    def _arrived(self, size_bytes: int) -> None:
        self._received_only(size_bytes)
        self._count(size_bytes)

    def _count(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            self._progress(Transfer("pull", _("Pulling layers"), self._done, self._total))


def _kind(kind: str) -> dict[str, str]:
    return {oci.KIND: kind}


def _through(chunks: Iterator[bytes], write: Callable[[bytes], int]) -> Iterator[bytes]:
    for chunk in chunks:
        write(chunk)
        yield chunk
