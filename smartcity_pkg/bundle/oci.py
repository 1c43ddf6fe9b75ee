"""The documents of an OCI image layout as far as a bundle uses them: shapes, reading, writing.

What they must say for a bundle to be trusted is decided in `trust`. Sources: image-spec 1.1
(descriptor.md, manifest.md, image-index.md, config.md, image-layout.md) and cosign's
SIGNATURE_SPEC.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
# Of differential bundles: a patch to another layer, and one that every server has.
LAYER_PATCH = "application/vnd.smartcity.layer.v1.patch"
LAYER_HELD = "application/vnd.smartcity.layer.v1.held"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"

REF_NAME = "org.opencontainers.image.ref.name"
SOURCE = "io.smartcity.image.source"
IMAGE = "io.smartcity.image.reference"
BASE = "io.smartcity.layer.base"
TITLE = "org.opencontainers.image.title"
FORMAT = "io.smartcity.bundle.format"
KEY_ID = "io.smartcity.key.id"
COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature"
KIND = "kind"
KIND_ROOT = "dev.cosignproject.cosign/imageIndex"
KIND_SIGNATURES = "dev.cosignproject.cosign/sigs"
KIND_ATTESTATIONS = "dev.cosignproject.cosign/atts"
# What may stand beside the root in index.json, in this order.
KINDS_BESIDE = (KIND_SIGNATURES, KIND_ATTESTATIONS)
PREDICATE_TYPE = "predicateType"

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
BLOBS = "blobs/sha256/"
LAYOUT_BYTES = b'{"imageLayoutVersion":"1.0.0"}'
_BLOB_NAME = re.compile(r"blobs/sha256/([0-9a-f]{64})")


def _digest(text: str) -> str:
    if not digest.is_digest(text):
        raise ValueError(_("“{text}” is no sha256 digest").format(text=text[:80]))
    return text


Digest = Annotated[str, AfterValidator(_digest)]


class _Document(BaseModel):
    """Immutable; strict about types, and ignores what later versions of OCI may add."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Platform(_Document):
    """What an image runs on."""

    architecture: str
    os: str


class Descriptor(_Document):
    """Where to find a blob and what it is."""

    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: int = Field(ge=0)
    artifact_type: str | None = Field(None, alias="artifactType")
    platform: Platform | None = None
    annotations: dict[str, str] = {}


class Index(_Document):
    """An image index; also index.json."""

    schema_version: int = Field(alias="schemaVersion", ge=2, le=2)
    media_type: str = Field(INDEX, alias="mediaType")
    manifests: list[Descriptor]
    annotations: dict[str, str] = {}


class Manifest(_Document):
    """An image manifest; also of the release, and of signatures."""

    schema_version: int = Field(alias="schemaVersion", ge=2, le=2)
    media_type: str = Field(MANIFEST, alias="mediaType")
    artifact_type: str | None = Field(None, alias="artifactType")
    config: Descriptor
    layers: list[Descriptor]


class RootFs(_Document):
    """The layers of an image, by diffID, lowest first."""

    diff_ids: list[Digest] = []


class ImageConfig(_Document):
    """The part of an image config that says what the image is made of."""

    architecture: str
    os: str
    rootfs: RootFs


D = TypeVar("D", bound=_Document)


def parse(model: type[D], data: bytes, what: str) -> D:
    """`data` as `model`; UntrustedBundleError names `what` where it is not.

    `what` is translated by the caller.
    """
    try:
        return model.model_validate(strictjson.loads(data))
    except (strictjson.UnsafeJsonError, ValidationError) as error:
        raise UntrustedBundleError(
            _("{what} is damaged: {why}").format(what=what, why=reason(error)),
            _("Get the bundle again from whoever packed it."),
        ) from error


def blob_name(blob_digest: str) -> str:
    """The path of a blob inside a layout."""
    return BLOBS + digest.hex_of(blob_digest)


def digest_of_name(name: str) -> str | None:
    """The digest that a path inside a layout says, or None if it is no blob's path."""
    match = _BLOB_NAME.fullmatch(name)
    return f"sha256:{match.group(1)}" if match else None


def descriptor(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """The descriptor of `data` as JSON."""
    return described(digest.of_bytes(data), len(data), media_type, **more)


def described(blob_digest: str, size_bytes: int, media_type: str, **more: Any) -> dict[str, Any]:
    """A descriptor as JSON; `more` are its optional members, by their JSON names."""
    return {"mediaType": media_type, "digest": blob_digest, "size": size_bytes, **more}


def manifest_json(config: dict[str, Any], layers: list[dict[str, Any]], **more: Any) -> bytes:
    """The canonical bytes of an image manifest."""
    return digest.canonical_json(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
    )


def index_json(manifests: list[dict[str, Any]], **more: Any) -> bytes:
    """The canonical bytes of an image index."""
    return digest.canonical_json(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more}
    )


def top_index_json(
    root: Descriptor,
    beside: Mapping[str, Descriptor] = MappingProxyType({}),
    images: Iterable[Descriptor] = (),
) -> bytes:
    """The bytes of index.json: the root and, `beside` it, its signatures, as cosign finds them.

    The images of the root come after them, as other tools (skopeo, podman) find images by name;
    cosign passes by what has no `kind`.
    """
    entries = [
        described(root.digest, root.size, INDEX, annotations={KIND: KIND_ROOT}),
    ]
    for kind in KINDS_BESIDE:
        if entry := beside.get(kind):
            annotations = {KIND: kind}
            entries.append(described(entry.digest, entry.size, MANIFEST, annotations=annotations))
    for image in images:
        more: dict[str, Any] = {"annotations": image.annotations}
        if image.platform is not None:
            more["platform"] = image.platform.model_dump()
        entries.append(described(image.digest, image.size, MANIFEST, **more))
    return index_json(entries)


def images_of(root: Index) -> tuple[Descriptor, ...]:
    """The entries of a root index that are images; the rest are artifacts."""
    return tuple(entry for entry in root.manifests if entry.artifact_type is None)


def reason(error: Exception) -> str:
    """Why a document was refused, in one line: of several faults, the first."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}"
    return str(error)
