"""Rendered files, bundles and keys as results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.core import digest
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, number_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.keys import SigningKey
    from smartcity_pkg.bundle.pack import Packed


def rendered_files(files: Mapping[str, bytes], folder: Path, *, pinned: bool) -> Result:
    """The outcome of `render`."""
    rows = [(name, number_text(len(data))) for name, data in sorted(files.items())]
    parts: list[Part] = [Table(str(folder), (_("file"), _("bytes")), rows, frozenset({1}))]
    if not pinned:
        parts.append(
            Line(
                _("Images keep the apps' own tags; give --images to pin them as a release does."),
                "warn",
            )
        )
    listed = [{"path": n, "digest": digest.of_bytes(d)} for n, d in sorted(files.items())]
    return Result("rendered", {"folder": str(folder), "pinned": pinned, "files": listed}, parts)


def packed(result: Packed) -> Result:
    """The outcome of `pack`."""
    release = result.contents.release
    facts = [
        (_("bundle"), str(result.path)),
        (_("release"), release.name),
        (_("root"), result.contents.root_digest),
        (_("size"), bytes_text(result.size_bytes)),
        (_("layers packed before"), f"{result.reused_layers} / {len(result.contents.layers)}"),
    ]
    data = {
        "bundle": str(result.path),
        "release": release.name,
        "serial": release.serial,
        "region": release.region,
        "root_digest": result.contents.root_digest,
        "size_bytes": result.size_bytes,
        "reused_layers": result.reused_layers,
        "layers": len(result.contents.layers),
    }
    following = Line(_("Next: smartcity ship {region}").format(region=release.region), "good")
    return Result("packed", data, (Facts(_("Packed and signed"), facts), following))


def verified(contents: BundleContents, path: Path) -> Result:
    """The outcome of `verify`: it would have been refused otherwise."""
    keys = [s.key_id for s in contents.signatures]
    blobs = len(contents.layers) + len(contents.small_blobs) + len(contents.sboms)
    sentence = _("{path}: signed by a trusted key, all {count} blobs are what was signed").format(
        path=path, count=blobs
    )
    data = {
        "bundle": str(path),
        "release": contents.release.name,
        "root_digest": contents.root_digest,
        "signed_by": keys,
        "blobs": blobs,
    }
    return Result("verified", data, (Line(sentence, "good"),))


def key_made(key: SigningKey, private: Path, public: Path) -> Result:
    """The outcome of `key new`."""
    facts = [
        (_("private key (keep it secret)"), str(private)),
        (_("public key (give it to pemda)"), str(public)),
        (_("key id"), key.key_id),
    ]
    data = {"private": str(private), "public": str(public), "key_id": key.key_id}
    return Result("key", data, (Facts(_("A new signing key"), facts),))
