"""Where a patch, or what the engine still has, spares more time than it costs.

A patch needs its base in the store. Where the base is in the engine alone, `docker save` brings it
there, which takes seconds for each image: on a fast link sending a small layer whole is quicker.
The decision is a pure function of sizes, the link and measured rates; making patches is for the
book (`bundle.patch`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.patch.book import LEAST_BYTES, MOST_SHARE, Patch, PatchBook
from smartcity_pkg.bundle.patch.encode import MOST_CARE, SOME_CARE
from smartcity_pkg.core.errors import DiskFullError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.core.units import bytes_text
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.ship.plan import PlannedBlob, TransferPlan, check_room, with_recoveries
from smartcity_pkg.ship.recovery import recoveries

# What is known of no link is taken for one of these, in Mbit/s.
USUAL_MBPS = 10.0
# What a patch has of the whole layer's bytes, before it is made.
_USUAL_SHARE = 0.05
_APPLY_BYTES_S, _APPLY_LEAST_S = 80e6, 0.3
# Making a patch on two cores: reading and the quick level, and what gets more care.
_QUICK_BYTES_S, _CAREFUL_BYTES_S = 60e6, 7e6
_CARE_AT_1_MBPS = 240 << 20
_TOOLS = frozenset(("zstd", "tar", "dd"))


@dataclass(frozen=True)
class Option:
    """A layer that need not travel whole: made of `old`; `size_bytes` travel (a guess at first).

    `old` equal to the layer's own diffID means that the engine has the layer itself.
    """

    blob: PlannedBlob
    old: str
    size_bytes: int
    patch: Patch | None = None

    @property
    def unmade(self) -> bool:
        """Whether a patch has yet to be made."""
        return self.patch is None and self.old != self.blob.content


def worthwhile(
    options: Iterable[Option], facts: ServerFacts, sizes: Mapping[str, int], link_mbps: float
) -> tuple[Option, ...]:
    """Those of `options` that make the whole shipment quicker on a link of `link_mbps`.

    `sizes` are raw sizes of layers in bytes, as far as known. An image is saved for all the layers
    that it gives back, so these stand or fall together.
    """
    chosen = {o.blob.content: o for o in options}
    stored = {o.blob.content for o in chosen.values() if o.old in facts.blobs}
    kept = [chosen[c] for c in sorted(stored) if _gain_s(chosen[c], link_mbps) > 0]
    wanted = {o.old for c, o in chosen.items() if c not in stored}
    for recovery in recoveries(wanted, facts, sizes):
        group = [
            o for c, o in sorted(chosen.items()) if c not in stored and o.old in recovery.layers
        ]
        if sum(_gain_s(o, link_mbps) for o in group) > recovery.seconds:
            kept += group
    return tuple(sorted(kept, key=lambda o: o.blob.content))


def care_for(link_mbps: float) -> int:
    """How many bytes of a layer are worth the encoder's care: a slow link has the time for it."""
    return min(max(SOME_CARE, int(_CARE_AT_1_MBPS / link_mbps)), MOST_CARE)


def apply_s(size_bytes: int) -> float:
    """How long a server makes a layer of so many bytes out of a patch, in seconds."""
    return _APPLY_LEAST_S + size_bytes / _APPLY_BYTES_S


def _gain_s(option: Option, link_mbps: float) -> float:
    """What the option spares, in seconds; bringing its base out of the engine comes on top."""
    size_bytes = option.blob.size_bytes
    gain_s = (option.blob.wire_bytes - option.size_bytes) * 8 / (link_mbps * 1e6)
    if option.old != option.blob.content:
        gain_s -= apply_s(size_bytes)
    if option.unmade:
        gain_s -= size_bytes / _QUICK_BYTES_S
        gain_s -= min(size_bytes, care_for(link_mbps)) / _CAREFUL_BYTES_S
    return gain_s


def with_options(
    plan: TransferPlan, options: Collection[Option], facts: ServerFacts, sizes: Mapping[str, int]
) -> TransferPlan:
    """`plan` with `options` in place of whole layers; all patches are made."""
    by_content = {o.blob.content: o for o in options}
    blobs = tuple(_planned(b, by_content.get(b.content)) for b in plan.blobs)
    return with_recoveries(replace(plan, blobs=blobs), facts, sizes)


def _planned(blob: PlannedBlob, option: Option | None) -> PlannedBlob:
    if option is None:
        return blob
    if option.patch is None:
        return replace(blob, where="recovered")
    made = option.patch.blob
    return replace(
        blob,
        source=made.digest,
        encoding="patch",
        wire_bytes=made.size_bytes,
        wire_digest=made.digest,
        old=option.old,
        whole_bytes=blob.wire_bytes,
    )


class Patcher:
    """Improves transfer plans with the patches of a book; may be shared by threads."""

    def __init__(
        self, book: PatchBook, link_mbps: float | None = None, progress: Progress = no_progress
    ) -> None:
        self.book = book
        self._link_mbps = link_mbps or USUAL_MBPS
        self._progress = progress

    def improved(
        self,
        plan: TransferPlan,
        contents: BundleContents,
        facts: ServerFacts,
        lost: Collection[str] = (),
    ) -> TransferPlan:
        """`plan`, quicker where that can be had; layers made of `lost` ones travel whole."""
        if not facts.tools >= _TOOLS or facts.engine is None:
            return plan
        held = {layer for image in facts.images for layer in image.diff_ids}
        held = (held | facts.blobs.keys()) - set(lost)
        perl = "perl" in facts.tools
        with self.book.lock:
            sizes = self._sizes(held, contents)
            stored = facts.blobs.keys() & held
            options = [o for b in plan.to_send if (o := self._option(b, held, sizes, stored, perl))]
            options = list(worthwhile(options, facts, sizes, self._link_mbps))
            made = [self._made(o, perl) for o in options]
        final = worthwhile([o for o in made if o], facts, sizes, self._link_mbps)
        better = with_options(plan, final, facts, sizes)
        extra = sum(sizes.get(base, 0) for base in better.bases)
        extra += max((r.image_bytes for r in better.recoveries), default=0)
        try:
            images = contents.release.images_on(plan.server)
            check_room(better, images, facts, extra_bytes=extra)
        except DiskFullError:  # it went in without this
            return plan
        return better

    def _option(
        self,
        blob: PlannedBlob,
        held: Collection[str],
        sizes: Mapping[str, int],
        stored: Collection[str],
        perl: bool,
    ) -> Option | None:
        if not blob.is_layer or blob.encoding == "patch":
            return None
        if blob.content in held:
            return Option(blob, blob.content, 0)
        bases = [h for h in held if h in sizes]
        guess = Option(blob, "", int(blob.wire_bytes * _USUAL_SHARE))
        # Layers are read for a base only where a patch can pay, or was made before.
        pays = blob.wire_bytes >= LEAST_BYTES and (
            _gain_s(guess, self._link_mbps) > 0
            or any(self.book.known(base, blob.content, perl=perl) for base in bases)
        )
        old = self.book.base_for(blob.content, bases, stored) if pays else None
        if old is None:
            return None
        patch = self.book.known(old, blob.content, perl=perl)
        size_bytes = patch.blob.size_bytes if patch else guess.size_bytes
        return Option(blob, old, size_bytes, patch)

    def _made(self, option: Option, perl: bool) -> Option | None:
        if not option.unmade:
            return option
        self._progress(
            Step(
                _("Making a patch for a layer of {size}").format(
                    size=bytes_text(option.blob.wire_bytes)
                )
            )
        )
        limit = int(option.blob.wire_bytes * MOST_SHARE)
        care = care_for(self._link_mbps)
        patch = self.book.make(option.old, option.blob.content, limit, care, perl=perl)
        return replace(option, size_bytes=patch.blob.size_bytes, patch=patch) if patch else None

    def _sizes(self, held: Iterable[str], contents: BundleContents) -> dict[str, int]:
        known = {d: layer.size_bytes for d, layer in contents.layers.items()}
        return known | {d: size for d in held if (size := self.book.size_of(d)) is not None}
