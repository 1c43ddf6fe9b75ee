"""Layers as image builders write them, entry by entry, and some that nobody should write."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable

from smartcity_pkg.bundle.sbom.image import ImagePackages, image_packages
from smartcity_pkg.bundle.sbom.layer import layer_packages

# One entry: a path and its content; or what it links to.
HardLink = type("HardLink", (str,), {})
Symlink = type("Symlink", (str,), {})
FOLDER = object()
Entries = Iterable[tuple[str, object]]


def tar(entries: Entries, form: int = tarfile.PAX_FORMAT) -> bytes:
    """The entries in their order; a path may stand twice."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for path, content in entries:
            info = tarfile.TarInfo(path)
            data = b""
            if content is FOLDER:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, HardLink | Symlink):
                info.type = tarfile.LNKTYPE if isinstance(content, HardLink) else tarfile.SYMTYPE
                info.linkname = str(content)
            else:
                assert isinstance(content, bytes)
                data, info.size = content, len(content)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def read(*layers: bytes) -> ImagePackages:
    """What an image of these layers holds."""
    return image_packages([layer_packages(lambda raw=raw: [raw]) for raw in layers])


def names(*layers: bytes) -> list[str]:
    """`name version` of every package, sorted by purl."""
    found = read(*layers)
    assert found.unread == ()
    return [f"{c.package.name} {c.package.version}" for c in found.components]


def dpkg(*packages: str, state: str = "install ok installed") -> bytes:
    """Stanzas for `name=version` texts, as dpkg writes its status file."""
    return b"\n".join(
        f"Package: {name}\nStatus: {state}\nPriority: optional\nSection: libs\n"
        f"Architecture: amd64\nVersion: {version}\nDepends: libc6\n"
        f"Description: words\n More words: with a colon\n .\n Version: 9.9\n".encode()
        for name, _equals, version in (p.partition("=") for p in packages)
    )


def metadata(name: str, version: str, *more: str) -> bytes:
    """A Python package's METADATA."""
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more]
    return ("\n".join(head) + "\n\nName: not-this\nVersion: 0\n").encode()


def package_json(name: str, version: str, **more: object) -> bytes:
    """An npm package's package.json."""
    return json.dumps({"name": name, "version": version, **more}, indent=2).encode()
