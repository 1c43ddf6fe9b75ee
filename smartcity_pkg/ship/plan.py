"""What of a bundle must travel to one server: a pure function of the bundle and the server's facts.

Sending is left to `ship.transfer`, patches and what the engine can give back to `ship.patching`.
A layer is passed over where the store holds it, or the engine:

- overlay2 and its kin find a layer by its ChainID (image-spec 1.1, config.md, "Layer ChainID"), so
  the whole beginning of some image there must be equal; the same layer on another parent travels.
- containerd's store finds content by digest, and holds pulled layers compressed: only an image that
  is there as a whole, under our unique reference, spares its layers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from smartcity_pkg.bundle.contents import Blob, BundleContents, PackedLayer
from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.core.errors import DiskFullError, PreflightError, UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB, bytes_text
from smartcity_pkg.engines.inspection import absent_layers
from smartcity_pkg.hosts.facts import FileSystem, ServerFacts
from smartcity_pkg.hosts.storescripts import Encoding
from smartcity_pkg.ship.recovery import Recovery, recoveries

# Documents up to this size travel together in one round trip; larger ones can resume.
SMALL_BYTES = 256 << 10
MARGIN_BYTES = 64 * MIB

# `engine` needs nothing; `recovered` is there too, but must come into the store to be loaded.
Where = Literal["store", "engine", "recovered", "wire"]


@dataclass(frozen=True)
class PlannedBlob:
    """One layer (or large document): where the server gets it from.

    `content` is the digest of the bytes as the store keeps them, `size_bytes` their number;
    `source` names the bundle's blob. On the wire go `wire_bytes` in `encoding`; for gzip, which is
    made on the way, they are an estimate, and `wire_digest` is None. A patch is applied to the
    layer `old`; `whole_bytes` are what would travel without it.
    """

    content: str
    size_bytes: int
    source: str
    where: Where
    encoding: Encoding
    wire_bytes: int
    wire_digest: str | None
    is_layer: bool = True
    old: str = ""
    whole_bytes: int = 0

    @property
    def part(self) -> str:
        """The key of the partial file: bytes of different encodings never mix."""
        return self.wire_digest or f"{self.content}.gz"


@dataclass(frozen=True)
class TransferPlan:
    """What travels to one server, and what does not need to.

    `recoveries` are done there before anything is sent; `bases` are stored layers that only patches
    need.
    """

    server: str
    blobs: tuple[PlannedBlob, ...]
    small: tuple[Blob, ...]
    small_present_bytes: int
    offered: bool
    recoveries: tuple[Recovery, ...] = ()
    bases: frozenset[str] = frozenset()

    @property
    def to_send(self) -> tuple[PlannedBlob, ...]:
        """The blobs that travel, in order."""
        return tuple(b for b in self.blobs if b.where == "wire")

    @property
    def total_bytes(self) -> int:
        """Bytes of content on the wire (commands and SSH itself come on top)."""
        return sum(b.wire_bytes for b in self.to_send) + sum(b.size_bytes for b in self.small)

    @property
    def saved_bytes(self) -> int:
        """Bytes that the whole release would have taken besides."""
        return self.present_bytes + self.patched_bytes

    @property
    def present_bytes(self) -> int:
        """Bytes that need not travel because the server has what they say."""
        spared = sum(b.wire_bytes for b in self.blobs if b.where != "wire")
        return spared + self.small_present_bytes

    @property
    def patched_bytes(self) -> int:
        """Bytes that patches spare."""
        return sum(b.whole_bytes - b.wire_bytes for b in self.to_send if b.encoding == "patch")

    @property
    def nothing_to_do(self) -> bool:
        """Whether the store already holds everything."""
        return self.offered and not self.to_send and not self.small


def plan_transfer(
    contents: BundleContents,
    server: str,
    facts: ServerFacts,
    *,
    trust_engine: bool = True,
    lost: Collection[str] = (),
) -> TransferPlan:
    """Decide for every blob that `server` needs of the release.

    `trust_engine=False` sends layers even if the engine has them (where it is in doubt); `lost` are
    layers that it has by name only. Raises DiskFullError where the server's disks cannot take the
    result, PreflightError where it lacks what a differential bundle builds upon, and
    UntrustedBundleError where the bundle lacks a layer of its release.
    """
    images = contents.release.images_on(server)
    in_engine = _held_by_engine(images, facts) if trust_engine else frozenset()
    blobs = [
        _planned_layer(_packed(contents, diff_id), facts, in_engine)
        for diff_id in dict.fromkeys(d for image in images for d in image.diff_ids)
    ]
    if contents.differential:
        made = {b.content: _built_upon(b, contents.layers[b.content], facts, lost) for b in blobs}
        blobs = [b for b in made.values() if b]
        _refuse_without_bases({c for c, b in made.items() if not b}, blobs, images, facts, server)
    wanted = sorted({b.digest: b for b in contents.small_blobs}.values(), key=lambda b: b.digest)
    blobs += [_planned_document(b, facts) for b in wanted if b.size_bytes > SMALL_BYTES]
    small = [b for b in wanted if b.size_bytes <= SMALL_BYTES]
    missing = tuple(b for b in small if facts.blobs.get(b.digest) != b.size_bytes)
    plan = TransferPlan(
        server=server,
        blobs=tuple(blobs),
        small=missing,
        small_present_bytes=sum(b.size_bytes for b in small) - sum(b.size_bytes for b in missing),
        offered=contents.release.name in facts.offers,
    )
    sizes = {d: layer.size_bytes for d, layer in contents.layers.items()}
    plan = with_recoveries(plan, facts, sizes)
    check_room(plan, images, facts)
    return plan


def _packed(contents: BundleContents, diff_id: str) -> PackedLayer:
    if diff_id not in contents.layers:
        raise UntrustedBundleError(
            _("the bundle lacks the layer {digest} of its release").format(digest=diff_id[:19]),
            _("pack the release again, and verify it: smartcity verify BUNDLE"),
        )
    return contents.layers[diff_id]


def _held_by_engine(images: Iterable[ReleaseImage], facts: ServerFacts) -> frozenset[str]:
    """The layers that the engine holds for every image that needs them."""
    held: set[str] = set()
    lacking: set[str] = set()
    chains = [image.diff_ids for image in facts.images]
    in_containerd = facts.engine is not None and facts.engine.containerd_store
    for image in images:
        if in_containerd:
            absent: tuple[str, ...] = () if _is_whole(image, facts) else image.diff_ids
        else:
            absent = absent_layers(image.diff_ids, (), chains)
        lacking.update(absent)
        held.update(image.diff_ids)
    return frozenset(held - lacking)


def _is_whole(image: ReleaseImage, facts: ServerFacts) -> bool:
    wanted = _familiar(image.reference)
    return any(
        found.diff_ids == image.diff_ids and wanted in map(_familiar, found.tags)
        for found in facts.images
    )


def _familiar(reference: str) -> str:
    """A reference as the engine shows it: Docker Hub's own prefix is left out."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


def _planned_layer(
    packed: PackedLayer, facts: ServerFacts, in_engine: frozenset[str]
) -> PlannedBlob:
    where: Where = "wire"
    if facts.blobs.get(packed.diff_id) == packed.size_bytes:
        where = "store"
    elif packed.diff_id in in_engine:
        where = "engine"
    as_it_rests = "zstd" in facts.tools
    return PlannedBlob(
        content=packed.diff_id,
        size_bytes=packed.size_bytes,
        source=packed.blob.digest,
        where=where,
        encoding="zstd" if as_it_rests else "gzip",
        wire_bytes=packed.blob.size_bytes if as_it_rests else packed.blob.size_bytes * 5 // 4,
        wire_digest=packed.blob.digest if as_it_rests else None,
    )


def _built_upon(
    blob: PlannedBlob, packed: PackedLayer, facts: ServerFacts, lost: Collection[str]
) -> PlannedBlob | None:
    """A layer of a differential bundle; None where what it is made of is not there."""
    if packed.whole or blob.where != "wire":
        return blob
    there = {layer for image in facts.images for layer in image.diff_ids} - set(lost)
    if blob.content in there:
        return replace(blob, where="recovered", wire_bytes=0)
    if packed.old and packed.old in there | facts.blobs.keys():
        return replace(
            blob,
            encoding="patch",
            wire_bytes=packed.blob.size_bytes,
            wire_digest=packed.blob.digest,
            old=packed.old,
            whole_bytes=packed.blob.size_bytes,
        )
    return None


def _refuse_without_bases(
    absent: Collection[str],
    blobs: Iterable[PlannedBlob],
    images: Iterable[ReleaseImage],
    facts: ServerFacts,
    server: str,
) -> None:
    if absent:
        names = sorted(i.source for i in images if not set(i.diff_ids).isdisjoint(absent))
        raise PreflightError(
            _("{server} lacks what this differential bundle builds upon, for: {images}").format(
                server=server, images=", ".join(names)
            ),
            _(
                "nothing was changed; bring a whole bundle, or one packed --since a receipt of "
                "this server"
            ),
        )
    if "zstd" not in facts.tools and any(b.encoding == "patch" for b in blobs):
        raise PreflightError(
            _("{server} has no zstd, which a differential bundle needs").format(server=server),
            _("install it there (apt-get install zstd), or bring a whole bundle"),
        )


def with_recoveries(
    plan: TransferPlan, facts: ServerFacts, sizes: Mapping[str, int]
) -> TransferPlan:
    """`plan` with what must come out of the engine for its blobs; `sizes` are raw, as known."""
    olds = {b.old for b in plan.blobs if b.old}
    contents = {b.content for b in plan.blobs}
    needed = olds | {b.content for b in plan.blobs if b.where == "recovered"}
    return replace(
        plan,
        recoveries=recoveries(needed - facts.blobs.keys(), facts, sizes) if needed else (),
        bases=frozenset(olds - contents),
    )


def _planned_document(blob: Blob, facts: ServerFacts) -> PlannedBlob:
    return PlannedBlob(
        content=blob.digest,
        size_bytes=blob.size_bytes,
        source=blob.digest,
        where="store" if facts.blobs.get(blob.digest) == blob.size_bytes else "wire",
        encoding="none",
        wire_bytes=blob.size_bytes,
        wire_digest=blob.digest,
        is_layer=False,
    )


def check_room(
    plan: TransferPlan, images: Iterable[ReleaseImage], facts: ServerFacts, extra_bytes: int = 0
) -> None:
    """Refuse before anything is sent what the disks cannot take.

    The store keeps each blob opened, and for a moment its encoded form too. `docker load` takes
    twice an image's size for a moment (measured). Each disk needs `extra_bytes` besides.
    """
    if not plan.to_send and not plan.small:
        return
    sending = {b.content: b for b in plan.blobs if b.where in ("wire", "recovered")}
    store_need = sum(b.size_bytes for b in sending.values()) + sum(b.size_bytes for b in plan.small)
    store_need += extra_bytes
    store_need += max((b.wire_bytes for b in sending.values()), default=0)
    loads = [
        {layer.diff_id: layer.size_bytes for layer in image.layers if layer.diff_id in sending}
        for image in images
    ]
    engine_need = sum({d: size for load in loads for d, size in load.items()}.values())
    engine_need += max((sum(load.values()) for load in loads), default=0) + extra_bytes
    store, engine = facts.store_disk, facts.engine_disk
    if engine is None or engine.device == store.device:
        _demand(plan.server, _("the store and Docker"), store, store_need + engine_need)
    else:
        _demand(plan.server, _("the store"), store, store_need)
        _demand(plan.server, "Docker", engine, engine_need)


def _demand(server: str, what: str, disk: FileSystem, need_bytes: int) -> None:
    need_bytes += MARGIN_BYTES
    if disk.free_bytes >= need_bytes:
        return
    raise DiskFullError(
        _("{server}: the disk of {what} has {free} free, {need} are needed").format(
            server=server,
            what=what,
            free=bytes_text(disk.free_bytes),
            need=bytes_text(need_bytes),
        ),
        _("nothing was sent; make room there (docker image prune, old logs), then ship again"),
    )
