"""Pushing: a verified bundle becomes an image index in a registry, its signatures beside it.

Blobs first, then what names them, then the signatures, and the tags last, so that a tag never leads
to something that is not whole. Signatures go where cosign looks for them: the tag
`sha256-<hex>.sig` (SIGNATURE_SPEC.md, "Storage"), attestations `sha256-<hex>.att`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.layout import Bundle, open_bundle
from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.known import KnownBlobs
from smartcity_pkg.bundle.registry.transfers import upload
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, Transfer, no_progress

LATEST = "latest"
SUFFIXES = {oci.KIND_SIGNATURES: "sig", oci.KIND_ATTESTATIONS: "att"}
_THREADS = 3


@dataclass(frozen=True)
class Pushed:
    """What a push did. Blobs were sent, mounted from another repository, or there already."""

    contents: BundleContents
    tags: tuple[str, ...]
    sent_blobs: int
    sent_bytes: int
    mounted_blobs: int
    present_blobs: int


@dataclass(frozen=True)
class _Manifest:
    """One manifest to put, under its digest or a tag."""

    digest: str
    media_type: str
    reference: str


def side_tag(root_digest: str, kind: str) -> str:
    """The tag of what stands beside the root in index.json: its signatures, its attestations."""
    return f"sha256-{digest.hex_of(root_digest)}.{SUFFIXES[kind]}"


def push(
    path: Path,
    repository: Repository,
    trusted: TrustedKeys,
    known: KnownBlobs | None = None,
    progress: Progress = no_progress,
) -> Pushed:
    """Push the bundle at `path`, tagged with the address's tag, else by release and as `latest`.

    The bundle is verified first. Raises UntrustedBundleError as `verify` does; RegistryError,
    LoginError and UnreachableError as the registry has it. May be called again at any time.
    """
    return push_verified(path, verify(path, trusted, progress), repository, known, progress)


def push_verified(
    path: Path,
    contents: BundleContents,
    repository: Repository,
    known: KnownBlobs | None = None,
    progress: Progress = no_progress,
) -> Pushed:
    """As `push`, for a bundle whose verified `contents` are at hand."""
    if contents.differential:
        raise UsageError(
            _("{bundle} is differential: a registry needs whole layers").format(bundle=path),
            _("pack the release again without --since, and push that"),
        )
    named = repository.address.reference
    tags = (named,) if named else (contents.release.name, LATEST)
    with open_bundle(path) as bundle:
        blobs, manifests = _content(bundle, contents, tags)
        moving = _Moving(bundle, repository, known, progress)
        progress(Step(_("Pushing to {address}").format(address=repository.address)))
        moving.all(sorted(blobs, key=lambda d: (-bundle.blobs[d], d)))
        for manifest in manifests:
            _put(repository, manifest, bundle.read(manifest.digest))
    if known is not None:
        known.remember(blobs, repository.address.name)
    return Pushed(
        contents,
        tags,
        moving.sent_blobs,
        moving.sent_bytes,
        moving.mounted_blobs,
        len(blobs) - moving.sent_blobs - moving.mounted_blobs,
    )


def _content(
    bundle: Bundle, contents: BundleContents, tags: Sequence[str]
) -> tuple[set[str], list[_Manifest]]:
    """The blobs, and the manifests in the order in which they may be put."""
    blobs = {packed.blob.digest for packed in contents.layers.values()}
    blobs |= {document.digest for document in contents.sboms.values()}
    manifests: list[_Manifest] = []
    for small in contents.small_blobs:
        if small.media_type == oci.MANIFEST:
            manifests.append(_Manifest(small.digest, small.media_type, small.digest))
        elif small.media_type != oci.INDEX:
            blobs.add(small.digest)
    root = contents.root_digest
    manifests.append(_Manifest(root, oci.INDEX, root))
    for entry in bundle.beside.values():
        listed = oci.parse(oci.Manifest, bundle.read(entry.digest), _("what stands beside it"))
        blobs |= {listed.config.digest, *(layer.digest for layer in listed.layers)}
        tag = side_tag(root, entry.annotations[oci.KIND])
        manifests.append(_Manifest(entry.digest, oci.MANIFEST, tag))
    manifests += [_Manifest(root, oci.INDEX, tag) for tag in tags if tag != root]
    return blobs, manifests


def _put(repository: Repository, manifest: _Manifest, data: bytes) -> None:
    url = repository.url("manifests", manifest.reference)
    headers = {"Content-Type": manifest.media_type}
    repository.ask("PUT", url, (201,), headers=headers, body=data)


class _Moving:
    """Blobs on their way up, several at a time; counts what moved."""

    def __init__(
        self,
        bundle: Bundle,
        repository: Repository,
        known: KnownBlobs | None,
        progress: Progress,
    ) -> None:
        self._bundle, self._repository = bundle, repository
        self._known, self._progress = known, progress
        self._lock = threading.Lock()
        self._done, self._total = 0, 0
        self.sent_blobs = self.sent_bytes = self.mounted_blobs = 0

    def all(self, blobs: Sequence[str]) -> None:
        """Bring the registry every blob that it lacks, in this order."""
        self._total = sum(self._bundle.blobs[d] for d in blobs)
        if self._known is not None:
            holders = {self._known.holder(d, self._repository.address.name) for d in blobs}
            self._repository.scopes |= {f"repository:{h}:pull" for h in holders if h}
        at_once(self._repository, self._one, blobs)

    def _one(self, blob_digest: str) -> None:
        size_bytes = self._bundle.blobs[blob_digest]
        url = self._repository.url("blobs", blob_digest)
        if self._repository.ask("HEAD", url, (200, 404)).status == 200:
            self._count(size_bytes)
            return
        holder = None
        if self._known is not None:
            holder = self._known.holder(blob_digest, self._repository.address.name)
        sent = upload(
            self._repository,
            blob_digest,
            lambda: self._bundle.open(blob_digest),
            self._count,
            holder,
            self._progress,
        )
        with self._lock:
            self.sent_blobs += sent
            self.sent_bytes += size_bytes if sent else 0
            self.mounted_blobs += not sent
        if not sent:
            self._count(size_bytes)

    def _count(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            text = _("Pushing blobs")
            self._progress(Transfer("push", text, self._done, self._total))


def at_once(repository: Repository, work: Callable[[str], None], blobs: Iterable[str]) -> None:
    """Do `work` for each blob in a few threads; the first failure, or Ctrl-C, ends the others."""
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(work, blob_digest) for blob_digest in blobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            repository.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
