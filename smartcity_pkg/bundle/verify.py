"""Verifying a whole bundle: signatures, structure, and every byte of every blob, read once.

The verdicts are `trust`'s and `structure`'s; this module brings them the bytes and hashes what is
too large to hold. Signatures come first: nothing behind an untrusted root is even parsed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from smartcity_pkg.bundle import compression, oci, trust
from smartcity_pkg.bundle.checked import CheckedBundles, file_state
from smartcity_pkg.bundle.contents import BundleContents, PackedLayer
from smartcity_pkg.bundle.layout import Bundle, PartedTar, open_bundle, reading
from smartcity_pkg.bundle.sbom import cyclonedx
from smartcity_pkg.bundle.sbom.cyclonedx import BadSbomError, Sbom
from smartcity_pkg.bundle.structure import broken
from smartcity_pkg.bundle.trust import TrustedKeys, contents_of, genuine_signatures
from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer, no_progress

_MOST_THREADS = 4


def verify(
    source: Path | PartedTar,
    trusted: TrustedKeys,
    progress: Progress = no_progress,
    *,
    checked: CheckedBundles | None = None,
    again: bool = True,
) -> BundleContents:
    """What the bundle at `source` holds, after all of it was checked; only proven signatures.

    Each layer is decompressed while it is read, and its diffID and size are checked as well; one
    that would open to more than its size is stopped there. Whether the grant holds today is for
    whoever installs. Memory does not grow with the bundle. That its layers are whole is noted in
    `checked`, and not `again` found out where that says so of this very file.
    Raises UntrustedBundleError with what is wrong and where; InputError where there is no bundle.
    """
    state = file_state(source)
    with open_bundle(source) as bundle:
        genuine = genuine_signatures(bundle.root.digest, bundle.signatures, trusted)
        contents = sound_contents(bundle)
        root, release = bundle.root.digest, contents.release
        trust.check_attestation(root, release, contents.attestation, trusted)
        trust.check_grant(contents.grant, trusted)
        for image in contents.release.images:
            sbom_of(bundle, contents, image)
        if checked is None or again or not checked.knows(root, state):
            _check_layers(bundle, contents.layers.values(), progress)
            if checked is not None and file_state(source) == state:
                checked.add(root, state)
        return replace(contents, signatures=genuine)


def sound_contents(bundle: Bundle) -> BundleContents:
    """What an open bundle holds: all but its layers' bytes is read and checked.

    Signatures are not checked. Raises UntrustedBundleError, also for a blob that nothing leads to
    and for one whose size is another than expected.
    """
    contents = contents_of(bundle.root.digest, bundle.read, bundle.signatures)
    contents = replace(contents, attestation=bundle.attestation)
    root = oci.parse(oci.Index, bundle.read(bundle.root.digest), _("the root index"))
    if bundle.images != oci.images_of(root):
        raise broken(_("{name} names other images than the root").format(name=oci.INDEX_FILE))
    expected = {blob.digest: blob.size_bytes for blob in contents.small_blobs}
    expected |= {p.blob.digest: p.blob.size_bytes for p in contents.layers.values() if not p.held}
    expected |= {blob.digest: blob.size_bytes for blob in contents.sboms.values()}
    expected |= {d: bundle.blobs[d] for d in bundle.signature_blobs}
    if bundle.root.size != expected[bundle.root.digest]:
        raise broken(_("the root index has another size than expected"))
    for blob_digest in sorted(expected.keys() | bundle.blobs.keys()):
        short = blob_digest[:19]
        if blob_digest not in bundle.blobs:
            raise broken(_("{digest} is missing").format(digest=short))
        if blob_digest not in expected:
            raise broken(_("nothing in it leads to {digest}").format(digest=short))
        if bundle.blobs[blob_digest] != expected[blob_digest]:
            raise broken(_("{digest} has another size than expected").format(digest=short))
    return contents


def sbom_of(bundle: Bundle, contents: BundleContents, image: ReleaseImage) -> Sbom:
    """What the image's CycloneDX document says; UntrustedBundleError where it is of another image.

    The document was hashed on the way: `Bundle.read` gives no others.
    """
    try:
        sbom = cyclonedx.parse(bundle.read(contents.sboms[image.reference].digest))
    except BadSbomError as error:
        raise broken(
            _("the list of packages of {image}: {why}").format(image=image.reference, why=error)
        ) from error
    if sbom.config_digest != image.config_digest:
        raise broken(
            _("the list of packages of {image} is that of another image").format(
                image=image.reference
            )
        )
    return sbom


def _check_layers(bundle: Bundle, layers: Iterable[PackedLayer], progress: Progress) -> None:
    # The largest first, so that the last thread does not begin the longest work.
    carried = (layer for layer in layers if not layer.held)
    ordered = sorted(carried, key=lambda layer: (-layer.size_bytes, layer.diff_id))
    total = sum(layer.blob.size_bytes for layer in ordered)
    count = _Count(total, progress)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        futures = [
            pool.submit(_check_patch if layer.old else _check_layer, bundle, layer, count)
            for layer in ordered
        ]
        try:
            for future in futures:
                future.result()
        finally:
            count.stop.set()
            pool.shutdown(cancel_futures=True)


class _Count:
    """Bytes read so far, from several threads; `stop` ends their work early."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            self._progress(Transfer("verify", _("Checking the bundle"), self._done, self._total))


class _Hashing:
    """A stream that hashes and counts what is read through it."""

    def __init__(self, stream: BinaryIO, count: _Count) -> None:
        self._stream, self._count = stream, count
        self.hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        self._count.add(len(data))
        return data


def _check_patch(bundle: Bundle, layer: PackedLayer, count: _Count) -> None:
    """Its own bytes alone: what it makes is checked by the server, which has the old layer."""
    with reading(bundle.path), bundle.open(layer.blob.digest) as stream:
        packed = _Hashing(stream, count)
        while packed.read(digest.CHUNK_BYTES):
            if count.stop.is_set():
                return
    if f"sha256:{packed.hash.hexdigest()}" != layer.blob.digest:
        raise broken(_("the layer {layer} was changed").format(layer=layer.diff_id[:19]))


def _check_layer(bundle: Bundle, layer: PackedLayer, count: _Count) -> None:
    raw, raw_size = hashlib.sha256(), 0
    short = layer.diff_id[:19]
    with reading(bundle.path), bundle.open(layer.blob.digest) as stream:
        packed = _Hashing(stream, count)
        try:
            for chunk in compression.decompressed(packed, layer.size_bytes):
                raw.update(chunk)
                raw_size += len(chunk)
                if count.stop.is_set():
                    return
        except compression.CorruptLayerError as error:
            raise broken(_("the layer {layer}: {why}").format(layer=short, why=error)) from error
    if f"sha256:{packed.hash.hexdigest()}" != layer.blob.digest:
        raise broken(_("the layer {layer} was changed").format(layer=short))
    if f"sha256:{raw.hexdigest()}" != layer.diff_id or raw_size != layer.size_bytes:
        raise broken(_("the layer {layer} opens to other bytes").format(layer=short))
