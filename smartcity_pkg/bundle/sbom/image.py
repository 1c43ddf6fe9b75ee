"""The layers of an image laid over each other: which packages are there in the end.

Source: image-spec 1.1, layer.md, "Applying Changesets" and "Whiteouts".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smartcity_pkg.bundle.sbom.found import Found, LayerPackages, Package, path_hash
from smartcity_pkg.bundle.sbom.purl import purl

_DOC = "usr/share/doc"
_MOST_LINKS = 4  # copyright files: a link to a folder, whose file is a link, and so on
_MOST_PLACES = 20
_DATABASES = ("var/lib/dpkg/", "lib/apk/", "usr/lib/apk/")


@dataclass(frozen=True)
class Component:
    """One package of an image; `places` are files that describe it, where there is one for each."""

    purl: str
    package: Package
    places: tuple[str, ...]


@dataclass(frozen=True)
class ImagePackages:
    """Everything that an image's layers say. `components` are sorted by purl, each once.

    `system` are fields of os-release; `unread` says what could not be read, in fixed words.
    """

    components: tuple[Component, ...]
    system: dict[str, str]
    unread: tuple[str, ...]


def image_packages(layers: Sequence[LayerPackages]) -> ImagePackages:
    """What an image of `layers` (lowest first) holds."""
    files = dict(_visible(layers))
    system = next(
        (files[p].system for p in ("etc/os-release", "usr/lib/os-release") if p in files), {}
    )
    packages: dict[str, Package] = {}
    places: dict[str, list[str]] = defaultdict(list)
    for path, found in sorted(files.items()):
        for package in found.packages:
            if package.kind == "deb" and not package.licences:
                names = _licences(files, package.name)
                package = package.model_copy(update={"licences": names})  # noqa: PLW2901
            name = purl(package, system)
            packages.setdefault(name, package)
            if not path.startswith(_DATABASES):
                places[name].append(path)
    components = tuple(
        Component(name, packages[name], tuple(places[name][:_MOST_PLACES]))
        for name in sorted(packages)
    )
    unread = sorted({text for layer in layers for text in layer.unread})
    return ImagePackages(components, system, tuple(unread))


def _visible(layers: Sequence[LayerPackages]) -> Iterator[tuple[str, Found]]:
    """The files that no layer above hides; hard links into lower layers are followed."""
    below: dict[str, Found] = {}
    for at, layer in enumerate(layers):
        for path, found in layer.found.items():
            named = below.get(found.same_as, Found()) if found.same_as else found
            if not _hidden(path, layers[at + 1 :]):
                yield path, named
        below |= layer.found


def _hidden(path: str, above: Sequence[LayerPackages]) -> bool:
    if not above:
        return False
    itself = path_hash(path)
    folders = [path_hash("")]
    end = path.find("/")
    while end >= 0:
        folders.append(path_hash(path[:end]))
        end = path.find("/", end + 1)
    return any(
        itself in layer.hides or any(f in layer.hides or f in layer.opaque for f in folders)
        for layer in above
    )


def _licences(files: dict[str, Found], name: str) -> tuple[str, ...]:
    """The licences in a Debian package's copyright file, through links between such folders."""
    for _link in range(_MOST_LINKS):
        folder = files.get(f"{_DOC}/{name}")
        if folder is None or not folder.doc_of:
            found = files.get(f"{_DOC}/{name}/copyright", Found())
            if not found.doc_of:
                return found.licences
            name = found.doc_of
        else:
            name = folder.doc_of
    return ()
