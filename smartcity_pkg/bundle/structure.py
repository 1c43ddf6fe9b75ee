"""Whether everything that a root leads to fits together, down to the last digest: no I/O.

The same walk judges a bundle and a server's store. Who signed the root is for `trust`; hashing the
layers themselves is left to `verify`, and to the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from smartcity_pkg.bundle import grant as grants
from smartcity_pkg.bundle import oci, strictjson, ustar
from smartcity_pkg.bundle.contents import Blob, BundleContents, PackedLayer, Signature
from smartcity_pkg.bundle.sbom import cyclonedx
from smartcity_pkg.catalogue import release as releases
from smartcity_pkg.catalogue.release import Layer, Release, ReleaseImage
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _

# The second has differential bundles; a bundle of whole layers is of the first.
FORMAT_VERSION = "1"
DIFFERENTIAL_VERSION = "2"

Read = Callable[[str], bytes]


def release_of(root_digest: str, read: Read) -> Release:
    """The release that a root leads to, everything on the way checked; for a server's store.

    Layers are not read: the release names them by diffID, and in a store they rest under it. The
    images' CycloneDX documents are not there.
    """
    return contents_of(root_digest, read).release


def contents_of(
    root_digest: str, read: Read, signatures: tuple[Signature, ...] = ()
) -> BundleContents:
    """All that a root leads to; `read` gives a blob's bytes, and need not check them.

    Raises UntrustedBundleError where a blob is not what its digest says, where a document is
    malformed, and where documents contradict each other. Signatures are passed on unchecked.
    """
    return _Walk(root_digest, read).contents(signatures)


def files_of(release: Release, read: Read) -> dict[str, bytes]:
    """The rendered files of a release by path, each checked against the release."""
    data = read(release.files_digest)
    if digest.of_bytes(data) != release.files_digest:
        raise broken(_("the rendered files are not what the release says"))
    try:
        files = ustar.unpack(data)
    except ustar.BadTarError as error:
        raise broken(_("the rendered files are damaged: {why}").format(why=error)) from error
    if {name: digest.of_bytes(content) for name, content in files.items()} != release.files:
        raise broken(_("the rendered files are not what the release says"))
    return files


def check_grant_fits(data: bytes, release: Release) -> None:
    """UntrustedBundleError where the grant `data` is for another pemda, or not for an app."""
    try:
        grant, _envelope = grants.parse(data)
    except grants.BadGrantError as error:
        raise broken(_("the grant is damaged: {why}").format(why=error)) from error
    if grant.region != release.region:
        raise UntrustedBundleError(
            _("the grant is for region {grant}, the release for region {release}").format(
                grant=grant.region, release=release.region
            ),
            _("Do not use this bundle. Get it again, and ask whoever packed it."),
        )
    if apps := grant.uncovered(a.app for a in release.apps):
        raise UntrustedBundleError(
            _("the agreement {number} does not cover: {apps}").format(
                number=grant.pks.number, apps=", ".join(apps)
            ),
            _("Do not use this bundle. Get it again, and ask whoever packed it."),
        )


def sbom_title(reference: str) -> str:
    """The file name that tools give to the document of an image."""
    return reference.replace("/", "_").replace(":", "_") + ".cdx.json"


class _Walk:
    """One pass from the root down; collects blobs and layers, and refuses at the first fault."""

    def __init__(self, root_digest: str, read: Read) -> None:
        self._root_digest = root_digest
        self._read = read
        self._small: dict[str, Blob] = {}
        self._sboms: dict[str, Blob] = {}
        self._layers: dict[str, PackedLayer] = {}
        self._packed: dict[str, str] = {}
        self._grant = b""

    def contents(self, signatures: tuple[Signature, ...]) -> BundleContents:
        what = _("the root index")
        data = self._read(self._root_digest)
        root = oci.parse(oci.Index, self._known(data, self._root_digest, what), what)
        self._small[self._root_digest] = Blob(self._root_digest, len(data), oci.INDEX)
        version = root.annotations.get(oci.FORMAT, "-")
        known = (FORMAT_VERSION, DIFFERENTIAL_VERSION)
        if version not in known or root.media_type != oci.INDEX:
            raise UntrustedBundleError(
                _("the bundle has format {found}, and only {known} are understood").format(
                    found=version[:20], known=", ".join(known)
                ),
                _("Use the version of smartcity that packed it, or a newer one."),
            )
        images = [m for m in root.manifests if m.artifact_type is None]
        artifacts = [m for m in root.manifests if m.artifact_type is not None]
        if [a.artifact_type for a in artifacts] != [releases.MEDIA_TYPE]:
            raise broken(_("it must hold one release, and nothing unknown beside it"))
        release = self._release(artifacts[0])
        if len(images) != len(release.images):
            raise broken(_("its images are not those of its release"))
        for entry, image in zip(images, release.images, strict=True):
            self._image(entry, image)
        whole = all(layer.whole for layer in self._layers.values())
        if whole != (version == FORMAT_VERSION):
            raise broken(_("its layers are not those of its format"))
        return BundleContents(
            root_digest=self._root_digest,
            release=release,
            layers=dict(sorted(self._layers.items())),
            small_blobs=tuple(self._small[d] for d in sorted(self._small)),
            signatures=signatures,
            grant=self._grant,
            sboms=self._sboms,
        )

    def _release(self, entry: oci.Descriptor) -> Release:
        what = _("the release")
        manifest = oci.parse(oci.Manifest, self._blob(entry, oci.MANIFEST, what), what)
        data = self._blob(manifest.config, releases.MEDIA_TYPE, what)
        try:
            strictjson.loads(data)
            release = Release.model_validate_json(data)
        except (strictjson.UnsafeJsonError, ValidationError) as error:
            raise broken(
                _("the release is damaged: {why}").format(why=oci.reason(error))
            ) from error
        if release.to_json() != data or manifest.artifact_type != releases.MEDIA_TYPE:
            raise broken(_("the release is not written in the one way that is allowed"))
        carried = [release.files_digest, *([release.grant_digest] if release.grant_digest else [])]
        if [layer.digest for layer in manifest.layers[: len(carried)]] != carried:
            raise broken(_("the rendered files are not what the release says"))
        if release.grant_digest:
            self._grant = self._blob(manifest.layers[1], grants.MEDIA_TYPE, _("the grant"))
            check_grant_fits(self._grant, release)
        files = manifest.layers[0]
        self._documents(manifest.layers[len(carried) :], release)
        tar = self._blob(files, releases.FILES_MEDIA_TYPE, _("the archive of rendered files"))
        files_of(release, lambda _digest: tar)
        return release

    def _documents(self, entries: Sequence[oci.Descriptor], release: Release) -> None:
        """The images' CycloneDX documents: named only, as they stay in the bundle."""
        expected = [
            (i.sbom_digest, cyclonedx.MEDIA_TYPE, {oci.IMAGE: i.reference, oci.TITLE: title})
            for i in release.images
            for title in (sbom_title(i.reference),)
        ]
        if [(e.digest, e.media_type, e.annotations) for e in entries] != expected:
            raise broken(_("the lists of packages are not those that the release names"))
        for entry, image in zip(entries, release.images, strict=True):
            blob = Blob(entry.digest, entry.size, entry.media_type)
            if self._sboms.setdefault(image.reference, blob) != blob:
                raise broken(_("the lists of packages are not those that the release names"))

    def _image(self, entry: oci.Descriptor, image: ReleaseImage) -> None:
        what = _("the image {reference}").format(reference=image.reference)
        manifest = oci.parse(oci.Manifest, self._blob(entry, oci.MANIFEST, what), what)
        data = self._blob(manifest.config, oci.CONFIG, what)
        config = oci.parse(oci.ImageConfig, data, what)
        named = (entry.annotations.get(oci.REF_NAME), entry.annotations.get(oci.SOURCE))
        if (
            named != (image.reference, image.source)
            or image.reference != releases.pinned(image.source, image.config_digest)
            or manifest.config.digest != image.config_digest
            or tuple(config.rootfs.diff_ids) != image.diff_ids
            or (config.architecture, config.os) != (image.architecture, image.os)
            or entry.platform != oci.Platform(architecture=image.architecture, os=image.os)
            or len(manifest.layers) != len(image.layers)
        ):
            raise broken(_("{what} is not what the release says").format(what=what))
        for packed, layer in zip(manifest.layers, image.layers, strict=True):
            found = self._layer(packed, layer, what)
            same = self._layers.setdefault(layer.diff_id, found) == found
            if not same or self._packed.setdefault(packed.digest, layer.diff_id) != layer.diff_id:
                raise _unknown_way(what, layer)

    def _layer(self, packed: oci.Descriptor, layer: Layer, what: str) -> PackedLayer:
        blob = Blob(packed.digest, packed.size, packed.media_type)
        if packed.media_type == oci.LAYER_ZSTD:
            return PackedLayer(layer.diff_id, layer.size_bytes, blob)
        if packed.media_type == oci.LAYER_PATCH:
            old = packed.annotations.get(oci.BASE, "")
            if digest.is_digest(old) and old != layer.diff_id:
                return PackedLayer(layer.diff_id, layer.size_bytes, blob, old)
        held = (packed.digest, packed.size) == (layer.diff_id, layer.size_bytes)
        if packed.media_type == oci.LAYER_HELD and held:
            blob = Blob(packed.digest, 0, packed.media_type)
            return PackedLayer(layer.diff_id, layer.size_bytes, blob)
        raise _unknown_way(what, layer)

    def _blob(self, entry: oci.Descriptor, media_type: str, what: str) -> bytes:
        if entry.media_type != media_type:
            raise broken(
                _("{what} has the type {found}, expected {expected}").format(
                    what=what, found=entry.media_type[:100], expected=media_type
                )
            )
        data = self._read(entry.digest)
        if len(data) != entry.size:
            raise broken(_("{what} has another size than expected").format(what=what))
        self._small[entry.digest] = Blob(entry.digest, entry.size, media_type)
        return self._known(data, entry.digest, what)

    def _known(self, data: bytes, blob_digest: str, what: str) -> bytes:
        if digest.of_bytes(data) != blob_digest:
            raise broken(
                _("{what} was changed: its bytes are not those of {digest}").format(
                    what=what, digest=blob_digest[:19]
                )
            )
        return data


def _unknown_way(what: str, layer: Layer) -> UntrustedBundleError:
    return broken(
        _("{what}: the layer {layer} is stored in two ways, or in an unknown one").format(
            what=what, layer=layer.diff_id[:19]
        )
    )


def broken(message: str) -> UntrustedBundleError:
    """The error for a bundle that is not sound; `message` is translated and says what and where."""
    return UntrustedBundleError(
        _("the bundle is damaged: {why}").format(why=message),
        _("Get it again from whoever packed it."),
    )
