"""Pushed and pulled bundles as results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text
from smartcity_pkg.ui.presenter import Facts, Line, Result

if TYPE_CHECKING:
    from smartcity_pkg.bundle.registry.pull import Pulled
    from smartcity_pkg.bundle.registry.push import Pushed


def pushed(result: Pushed, place: str) -> Result:
    """The outcome of `push`."""
    root = result.contents.root_digest
    sent = _("{size} in {count} blobs").format(
        size=bytes_text(result.sent_bytes), count=result.sent_blobs
    )
    facts = [
        (_("place"), place),
        (_("release"), result.contents.release.name),
        (_("tags"), ", ".join(result.tags)),
        (_("root"), root),
        (_("sent"), sent),
        (_("taken from another repository there"), str(result.mounted_blobs)),
        (_("there already"), str(result.present_blobs)),
    ]
    data = {
        "place": place,
        "release": result.contents.release.name,
        "tags": list(result.tags),
        "root_digest": root,
        "sent_bytes": result.sent_bytes,
        "sent_blobs": result.sent_blobs,
        "mounted_blobs": result.mounted_blobs,
        "present_blobs": result.present_blobs,
    }
    return Result("pushed", data, (Facts(_("Pushed"), facts),))


def pulled(result: Pulled, place: str) -> Result:
    """The outcome of `pull`."""
    release = result.contents.release
    facts = [
        (_("bundle"), str(result.path)),
        (_("release"), release.name),
        (_("root"), result.contents.root_digest),
        (_("size"), bytes_text(result.size_bytes)),
        (_("received"), bytes_text(result.received_bytes)),
        (_("taken from bundles beside it"), bytes_text(result.reused_bytes)),
    ]
    data = {
        "place": place,
        "bundle": str(result.path),
        "release": release.name,
        "region": release.region,
        "root_digest": result.contents.root_digest,
        "signed_by": [s.key_id for s in result.contents.signatures],
        "size_bytes": result.size_bytes,
        "received_bytes": result.received_bytes,
        "reused_bytes": result.reused_bytes,
    }
    following = Line(_("Next: smartcity ship {region}").format(region=release.region), "good")
    return Result("pulled", data, (Facts(_("Pulled and verified"), facts), following))
