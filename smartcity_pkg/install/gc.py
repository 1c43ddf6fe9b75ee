"""Removes from a server what nothing needs any more, and says what that frees.

Kept are the current and the previous release, whatever running containers were made from, releases
that arrived and wait to be installed, all data, secrets and backups. What to remove is decided by
`plan`, a pure function; gathering and removing are around it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.engines.archive import staging_reference
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.hosts.surroundings import gather_all
from smartcity_pkg.install import installed, offers
from smartcity_pkg.install.journal import Journal, read_journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outcome import InstallOptions
from smartcity_pkg.install.place import Place

# `ship` takes no lock: content this young may belong to a shipment that is under way.
FRESH_S = 24 * 3600
_JOURNAL_ENTRIES = 100_000

# $1 the root, $2 the age in seconds. Prints `blob AGE SIZE NAME`, `part AGE SIZE NAME`, and
# `folder SIZE NAME` of releases; an unpacking that was cut counts as a folder.
_LIST = """# see what could be removed
now=$(date +%s)
sized() { while read -r time size name; do echo "$1 $((now - time)) $size $name"; done; }
if cd "$1/store/blobs/sha256" 2>/dev/null; then
  for f in *; do if [ -f "$f" ]; then echo "$f"; fi; done |
    xargs -r stat -c '%Y %s %n' 2>/dev/null | sized blob || true
fi
if cd "$1/store/parts" 2>/dev/null; then
  for f in *; do
    if [ -e "$f" ]; then echo "$(stat -c %Y "$f") $(du -s -B1 "$f" | cut -f1) $f"; fi
  done | sized part
fi
if cd "$1/releases" 2>/dev/null; then
  for f in *; do if [ -d "$f" ]; then echo "folder $(du -s -B1 "$f" | cut -f1) $f"; fi; done
fi
"""
# $1 a folder; names on standard input.
_REMOVE = """# remove what nothing needs
cd "$1" 2>/dev/null || exit 0
while read -r name; do rm -rf -- "./$name"; done
sync .
"""


@dataclass(frozen=True)
class Holdings:
    """What a server holds; sizes in bytes, ages in seconds.

    `offers` maps each offer to its release and the small blobs that it leads to; None where it
    cannot be read. `unpacked` are the readable releases among `folders`. `references` are the names
    of images that we ever loaded, `tags` those that the engine has now, `in_use` those that
    containers were made of. `origins` are releases that containers were made from.
    """

    current: str
    previous: str
    origins: frozenset[str]
    folders: Mapping[str, int]
    unpacked: Mapping[str, Release]
    offers: Mapping[str, tuple[Release, frozenset[str]] | None]
    blobs: Mapping[str, tuple[int, int]]
    parts: Mapping[str, tuple[int, int]]
    tags: frozenset[str]
    in_use: frozenset[str]
    references: frozenset[str]


@dataclass(frozen=True)
class Waste:
    """What goes. `why_blobs_stay` says why the store is left alone, "" where it is not."""

    folders: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    store_bytes: int = 0
    images_bytes: int = 0
    why_blobs_stay: str = ""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.folders or self.offers or self.images or self.blobs or self.parts)


@dataclass(frozen=True)
class GcReport:
    """What was removed (or would be), what is kept, and what the file systems gained."""

    server: str
    waste: Waste
    kept: tuple[str, ...]
    dry_run: bool
    freed_bytes: int = 0
    left: tuple[str, ...] = field(default_factory=tuple)


def kept_releases(have: Holdings) -> frozenset[str]:
    """The releases that stay: linked, running, or waiting to be installed."""
    return _may_start(have) | have.origins


def _may_start(have: Holdings) -> frozenset[str]:
    """The releases that an installation or rollback could start: they keep their images too."""
    linked = {have.current, have.previous} - {""}
    waiting = {n for n in have.offers if not have.current or _serial(n) > _serial(have.current)}
    return frozenset(linked | waiting)


def plan(have: Holdings, fresh_s: int = FRESH_S) -> Waste:
    """What nothing needs. `fresh_s`: seconds for which what nobody names is left alone."""
    kept = kept_releases(have)
    folders = [n for n in have.folders if n not in kept]
    gone_offers = [n for n, found in have.offers.items() if n not in kept and found is not None]
    stays = [found for n, found in have.offers.items() if n in kept]
    releases = [r for n, r in have.unpacked.items() if n in kept]
    releases += [found[0] for found in stays if found is not None]
    parts = [n for n, (age, _size) in have.parts.items() if age >= fresh_s]
    unknown = sorted(n for n in kept if n not in have.unpacked and not have.offers.get(n))
    unreadable = sorted({*unknown, *(n for n, found in have.offers.items() if found is None)})
    blobs: list[str] = []
    if not unreadable:
        named = {d for found in stays if found is not None for d in found[1]}
        named |= {d for r in releases for d in _content(r, have.tags)}
        dying = {
            d
            for n in gone_offers
            if (found := have.offers[n]) is not None
            for d in (*found[1], *_content(found[0], frozenset()))
        }
        blobs = [
            b for b, (age, _size) in have.blobs.items()
            if b not in named and (age >= fresh_s or b in dying)
        ]  # fmt: skip
    # A container that was never touched since keeps its release's files, not that release's images.
    needed = [r for r in releases if r.name in _may_start(have)]
    wanted = {i.reference for r in needed for i in r.images} | have.in_use
    images = have.tags & (have.references - wanted) if not unknown else frozenset()
    return Waste(
        folders=tuple(sorted(folders)),
        offers=tuple(sorted(gone_offers)),
        images=tuple(sorted(images)),
        blobs=tuple(sorted(blobs)),
        parts=tuple(sorted(parts)),
        store_bytes=sum(have.folders[n] for n in folders)
        + sum(have.blobs[b][1] for b in blobs)
        + sum(have.parts[p][1] for p in parts),
        images_bytes=_layers_bytes(have, images),
        why_blobs_stay=_("releases that cannot be read: {names}").format(
            names=", ".join(unreadable)
        )
        if unreadable
        else "",
    )


def _content(release: Release, in_engine: frozenset[str]) -> Iterable[str]:
    """The blobs of a release that are no documents: files, and layers that are not loaded yet.

    What the engine has needs no second copy; a shipment that was cut may have left one as a base.
    """
    yield release.files_digest
    for image in release.images:
        if image.reference not in in_engine:
            yield from image.diff_ids


def _layers_bytes(have: Holdings, images: Iterable[str]) -> int:
    """Bytes of layers that only `images` have, as far as releases say what they are made of."""
    known = [*have.unpacked.values(), *(found[0] for found in have.offers.values() if found)]
    there = [i for r in known for i in r.images if i.reference in have.tags]
    going, gone, stay = set(images), dict[str, int](), set[str]()
    for image in there:
        if image.reference in going:
            gone |= {la.diff_id: la.size_bytes for la in image.layers}
        else:
            stay |= set(image.diff_ids)
    return sum(size for diff_id, size in gone.items() if diff_id not in stay)


def _serial(name: str) -> int:
    number = name.partition("-")[0]
    return int(number) if number.isdigit() else 0


def gc(
    host: Host,
    server: str,
    *,
    dry_run: bool = False,
    fresh_s: int = FRESH_S,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> GcReport:
    """Remove what nothing needs; with `dry_run` only say what that is, without a lock.

    May be called again. Raises LockedError, EngineError.
    """
    chosen = options or InstallOptions()
    engine = engine or ComposeEngine(host, chosen.store)
    place = Place(host, server, chosen.store, engine, chosen.at_hand)
    progress(Step(_("Looking for what nothing needs on {server}").format(server=server)))
    if dry_run:
        have, _free = _holdings(place)
        return GcReport(server, plan(have, fresh_s), tuple(sorted(kept_releases(have))), True)
    with Lock(host, chosen.store) as lock:
        have, before = _holdings(place)
        waste = plan(have, fresh_s)
        journal = Journal(host, chosen.store, run=uuid.uuid4().hex[:12], by=this_process())
        journal.release = have.current
        if not waste.nothing:
            with journal.step("gc"):
                progress(Step(_("Removing it")))
                lock.check()
                _remove(place, waste)
        after, free = _holdings(place)
    left = tuple(sorted(after.tags & set(waste.images)))
    kept = tuple(sorted(kept_releases(have)))
    return GcReport(server, waste, kept, False, max(0, free - before), left)


def _remove(place: Place, waste: Waste) -> None:
    """Offers first: what is cut in between leaves content that nobody names, never the reverse."""
    store = place.store
    receipts = (f"{name}.receipt" for name in waste.offers)
    _remove_in(place, str(store.offers), [*(f"{n}.json" for n in waste.offers), *receipts])
    _remove_in(place, str(store.releases), waste.folders)
    for reference in waste.images:
        # One that a container of somebody else uses stays, and is reported.
        place.host.run(("docker", "image", "rm", reference), check=False)
    Store(place.host, store).remove(waste.blobs)
    _remove_in(place, str(store.parts), waste.parts)


def _remove_in(place: Place, folder: str, names: Iterable[str]) -> None:
    lines = "".join(f"{name}\n" for name in names)
    if lines:
        place.host.run(script(_REMOVE, folder), stdin=lines.encode(), timeout_s=600)


def _holdings(place: Place) -> tuple[Holdings, int]:
    """What the server holds, and the free bytes of the file systems of store and engine."""
    facts, around = gather_all(place.host, place.store)
    place.engine.check(facts)
    found = installed.look(place)
    blobs: dict[str, tuple[int, int]] = {}
    parts: dict[str, tuple[int, int]] = {}
    folders: dict[str, int] = {}
    listed = place.host.run(script(_LIST, str(place.store.root)), timeout_s=600)
    for line in listed.text.splitlines():
        kind, *numbers = line.split(" ", 3 if not line.startswith("folder") else 2)
        if kind == "blob" and len(numbers[2]) == 64:
            blobs[f"sha256:{numbers[2]}"] = int(numbers[0]), int(numbers[1])
        elif kind == "part":
            parts[numbers[2]] = int(numbers[0]), int(numbers[1])
        elif kind == "folder":
            folders[numbers[1]] = int(numbers[0])
    unpacked = installed.readable(place, found.folders)
    offered = {name: _offered(place, name) for name in offers.release_names(place)}
    known = [*unpacked.values(), *(o[0] for o in offered.values() if o)]
    loaded = {
        e.subject
        for e in read_journal(place.host, place.store, last=_JOURNAL_ENTRIES)
        if e.step == "load"
    }
    images = [i for r in known for i in r.images]
    disks = {d.device: d.free_bytes for d in (facts.store_disk, facts.engine_disk) if d}
    have = Holdings(
        current=found.current,
        previous=found.previous,
        origins=frozenset(filter(None, (place.origin(c.files) for c in around.containers))),
        folders=folders,
        unpacked=unpacked,
        offers=offered,
        blobs=blobs,
        parts=parts,
        tags=frozenset(tag for image in facts.images for tag in image.tags),
        in_use=frozenset(c.image for c in around.containers),
        references=frozenset(
            loaded | {i.reference for i in images} | {staging_reference(i) for i in images}
        ),
    )
    return have, sum(disks.values())


def _offered(place: Place, name: str) -> tuple[Release, frozenset[str]] | None:
    try:
        contents = offers.look_into(place, name)
    except UntrustedBundleError:
        return None
    small = {b.digest for b in contents.small_blobs}
    return contents.release, frozenset({contents.root_digest, *small})
