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
    from smartcity_pkg.bundle.pack import Packed
    from smartcity_pkg.bundle.receipt import Receipt
    from smartcity_pkg.catalogue.release import Release


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
        "exemptions": [e.model_dump(mode="json") for e in release.exemptions],
    }
    if result.contents.differential:
        layers = result.contents.layers.values()
        held = sum(layer.held for layer in layers)
        patched = sum(bool(layer.old) for layer in layers)
        data |= {"held_layers": held, "patched_layers": patched}
        text = _("{held} layers left out, {patched} as patches, {whole} whole")
        facts.append(
            (
                _("differential"),
                text.format(held=held, patched=patched, whole=len(layers) - held - patched),
            )
        )
    signed = [s.key_id for s in result.contents.signatures]
    data["signed_by"] = signed
    if signed:
        title, following = (
            _("Packed and signed"),
            Line(_("Next: smartcity ship {region}").format(region=release.region), "good"),
        )
    else:
        title, following = (
            _("Packed, not signed"),
            Line(_("Next: smartcity sign {region}").format(region=release.region), "warn"),
        )
    return Result("packed", data, (Facts(title, facts), *allowed_by_policy(release), following))


def allowed_by_policy(release: Release) -> list[Part]:
    """The exemptions that travel in a release, if there are any."""
    allowed = [
        (f"{e.app}/{e.service}" if e.service else e.app, e.rule, e.reason)
        for e in release.exemptions
    ]
    heading = _("Allowed by policy.yaml; whoever installs will see it")
    return [Table(heading, (_("app"), _("rule"), _("reason")), allowed)] if allowed else []


def verified(contents: BundleContents, path: Path, receipt: Receipt, file: Path | None) -> Result:
    """The outcome of `verify`: it would have been refused otherwise."""
    blobs = len(contents.layers) + len(contents.small_blobs) + len(contents.sboms)
    sentence = _("{path}: signed by a trusted key, all {count} blobs are what was signed").format(
        path=path, count=blobs
    )
    data = {
        "bundle": str(path),
        "release": contents.release.name,
        "root_digest": contents.root_digest,
        "signed_by": [signer.key_id for signer in receipt.signers],
        "blobs": blobs,
        "receipt": receipt.model_dump(mode="json"),
        "receipt_file": str(file) if file else None,
    }
    facts = [
        (_("signed by"), ", ".join(signer.label for signer in receipt.signers)),
        (_("signatures that a release needs"), str(receipt.threshold)),
        (_("agreement"), receipt.grant.text),
        (_("catalogue's commit"), receipt.provenance.text if receipt.provenance else "-"),
        (_("ring digest"), receipt.ring_digest),
    ]
    parts: list[Part] = [Line(sentence, "good"), Facts("", facts)]
    if file:
        parts.append(Line(_("The receipt is in {file}").format(file=file), "good"))
    return Result("verified", data, parts)


def receipt_text(receipt: Receipt) -> str:
    """A receipt in one line."""
    return _("{signers}, checked {at} by {who}").format(
        signers=", ".join(signer.label for signer in receipt.signers),
        at=receipt.checked_at,
        who=receipt.by,
    )
