"""What changes between two bundles: apps, configuration, packages, and bytes to send.

Both bundles are checked for soundness, not for who signed them: `verify` does that. Images belong
together by their names without tags, configuration files by their paths.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.inspect import repository
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.sbom.cyclonedx import Sbom
from smartcity_pkg.bundle.sbom.versions import is_later
from smartcity_pkg.bundle.structure import files_of
from smartcity_pkg.bundle.verify import sbom_of, sound_contents
from smartcity_pkg.catalogue.release import Release, ReleaseImage

Change = Literal["added", "removed", "changed"]
PackageFate = Literal["added", "removed", "upgraded", "downgraded", "changed"]
# A rendered file's name on a server begins with a hash of its content.
_HASHED = re.compile(r"/files/[0-9a-f]{16}-")
_MOST_DIFF_BYTES = 1 << 20


@dataclass(frozen=True)
class AppChange:
    """One app: its versions ("" where it is not there), its servers, and what changes.

    "changed" with equal versions and servers means that its images or its configuration change, so
    that it will be restarted.
    """

    app: str
    change: Change
    before: str
    after: str
    servers_before: tuple[str, ...]
    servers_after: tuple[str, ...]


@dataclass(frozen=True)
class FileChange:
    """One configuration file; `diff` are the lines of a unified diff, none where it is no text."""

    path: str
    change: Change
    diff: tuple[str, ...]


@dataclass(frozen=True)
class PackageChange:
    """One package: its versions in the image before and after, none where it is not there."""

    kind: str
    name: str
    arch: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def change(self) -> PackageFate:
        """What happens to it; "changed" where no rule says which version is the later."""
        if not self.before or not self.after:
            return "added" if self.after else "removed"
        if len(self.before) > 1 or len(self.after) > 1:
            return "changed"
        later = is_later(self.kind, self.after[0], self.before[0])
        return "changed" if later is None else "upgraded" if later else "downgraded"


@dataclass(frozen=True)
class ImageChange:
    """One image: its references ("" where it is not there), and the packages that change."""

    image: str
    before: str
    after: str
    packages: tuple[PackageChange, ...]


@dataclass(frozen=True)
class ServerBytes:
    """What a server that holds the first release lacks of the second one. Sizes in bytes.

    `packed_bytes` is what its layers take on the wire, `size_bytes` what they take on the server;
    `documents_bytes` are configuration, image configs and the like.
    """

    server: str
    layers: int
    packed_bytes: int
    size_bytes: int
    documents_bytes: int


@dataclass(frozen=True)
class BundleDifference:
    """Everything that changes from `before` to `after`; `unchanged_images` stay as they are."""

    before: Release
    after: Release
    apps: tuple[AppChange, ...]
    files: tuple[FileChange, ...]
    images: tuple[ImageChange, ...]
    unchanged_images: int
    servers: tuple[ServerBytes, ...]


@dataclass(frozen=True)
class _Side:
    contents: BundleContents
    files: dict[str, bytes]
    sboms: dict[str, Sbom]

    @property
    def release(self) -> Release:
        return self.contents.release


def compare(before: Path, after: Path) -> BundleDifference:
    """What changes from the bundle at `before` to that at `after`.

    UntrustedBundleError where one is malformed; InputError where there is none.
    """
    old, new = _side(before), _side(after)
    pairs = list(_pairs(old.release, new.release))
    changed = [
        (name, a, b) for name, a, b in pairs if not a or not b or a.config_digest != b.config_digest
    ]
    return BundleDifference(
        before=old.release,
        after=new.release,
        apps=tuple(_apps(old.release, new.release)),
        files=tuple(_files(old.files, new.files)),
        images=tuple(_image(name, a, b, old, new) for name, a, b in changed),
        unchanged_images=len(pairs) - len(changed),
        servers=tuple(_servers(old.contents, new.contents)),
    )


def _side(path: Path) -> _Side:
    with open_bundle(path) as bundle:
        contents = sound_contents(bundle)
        files = files_of(contents.release, bundle.read)
        sboms = {i.reference: sbom_of(bundle, contents, i) for i in contents.release.images}
        return _Side(contents, files, sboms)


def _apps(old: Release, new: Release) -> Iterator[AppChange]:
    for name in sorted({a.app for a in (*old.apps, *new.apps)}):
        was = [a for a in old.apps if a.app == name]
        is_now = [a for a in new.apps if a.app == name]
        before = {a.server: old.identity(a) for a in was}
        after = {a.server: new.identity(a) for a in is_now}
        old_version, new_version = (x[0].version if x else "" for x in (was, is_now))
        if before == after and old_version == new_version:
            continue
        change: Change = "changed"
        if not was or not is_now:
            change = "added" if is_now else "removed"
        servers = tuple(sorted(before)), tuple(sorted(after))
        yield AppChange(name, change, old_version, new_version, *servers)


def _files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[FileChange]:
    before, after = _by_place(old), _by_place(new)
    for place in sorted(before.keys() | after.keys()):
        was, is_now = before.get(place, []), after.get(place, [])
        if (
            len(was) > 1 or len(is_now) > 1
        ):  # two files of one name: only equal ones belong together
            common = set(was) & set(is_now)
            was, is_now = ([p for p in paths if p not in common] for paths in (was, is_now))
        if len(was) == len(is_now) == 1:
            if old[was[0]] != new[is_now[0]]:
                diff = _diff(was[0], is_now[0], old[was[0]], new[is_now[0]])
                yield FileChange(is_now[0], "changed", diff)
            continue
        for path in was:
            yield FileChange(path, "removed", _diff(path, "", old[path], b""))
        for path in is_now:
            yield FileChange(path, "added", _diff("", path, b"", new[path]))


def _by_place(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Paths by what they are without the hashes in their names."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        places[_HASHED.sub("/files/", path)].append(path)
    return places


def _diff(before: str, after: str, old: bytes, new: bytes) -> tuple[str, ...]:
    if len(old) + len(new) > _MOST_DIFF_BYTES:
        return ()
    try:
        was, is_now = (data.decode().splitlines() for data in (old, new))
    except UnicodeDecodeError:
        return ()
    names = before or "/dev/null", after or "/dev/null"
    return tuple(difflib.unified_diff(was, is_now, *names, lineterm=""))


_Pair = tuple[str, ReleaseImage | None, ReleaseImage | None]


def _pairs(old: Release, new: Release) -> Iterator[_Pair]:
    """Images that belong together, by name; of several with one name the equal ones first."""
    names: dict[str, tuple[list[ReleaseImage], list[ReleaseImage]]] = defaultdict(lambda: ([], []))
    for side, release in enumerate((old, new)):
        for image in release.images:
            names[repository(image.source)][side].append(image)
    for name in sorted(names):
        was, is_now = names[name]
        for same in ("config_digest", "source"):
            for a in list(was):
                b = next((b for b in is_now if getattr(b, same) == getattr(a, same)), None)
                if b is not None:
                    was.remove(a)
                    is_now.remove(b)
                    yield name, a, b
        for at in range(max(len(was), len(is_now))):
            yield (
                name,
                was[at] if at < len(was) else None,
                is_now[at] if at < len(is_now) else None,
            )


def _image(
    name: str, before: ReleaseImage | None, after: ReleaseImage | None, old: _Side, new: _Side
) -> ImageChange:
    was = _versions(old.sboms[before.reference]) if before else {}
    is_now = _versions(new.sboms[after.reference]) if after else {}
    changes = []
    for key in sorted(was.keys() | is_now.keys()):
        gone, come = was.get(key, set()), is_now.get(key, set())
        if gone != come:
            both = gone & come
            changes.append(
                PackageChange(*key, tuple(sorted(gone - both)), tuple(sorted(come - both)))
            )
    return ImageChange(
        name,
        before.reference if before else "",
        after.reference if after else "",
        tuple(changes),
    )


def _versions(sbom: Sbom) -> dict[tuple[str, str, str], set[str]]:
    versions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for package in sbom.packages:
        versions[package.kind, package.name, package.arch].add(package.version)
    return versions


def _servers(old: BundleContents, new: BundleContents) -> Iterator[ServerBytes]:
    known = {blob.digest for blob in old.small_blobs}
    for server in sorted({app.server for app in new.release.apps}):
        held = {d for image in old.release.images_on(server) for d in image.diff_ids}
        wanted = {d for image in new.release.images_on(server) for d in image.diff_ids}
        lacking = [new.layers[d] for d in sorted(wanted - held)]
        first = not old.release.on_server(server)
        yield ServerBytes(
            server=server,
            layers=len(lacking),
            packed_bytes=sum(x.blob.size_bytes for x in lacking),
            size_bytes=sum(x.size_bytes for x in lacking),
            documents_bytes=sum(
                b.size_bytes for b in new.small_blobs if first or b.digest not in known
            ),
        )
