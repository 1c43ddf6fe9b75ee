"""What is inside a bundle, and what changes between two, as results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import bytes_text, number_text
from smartcity_pkg.ui.presenter import Document, Facts, Line, Part, Result, Table
from smartcity_pkg.ui.views.bundle import allowed_by_policy, receipt_text

if TYPE_CHECKING:
    from smartcity_pkg.bundle.compare import BundleDifference, ImageChange
    from smartcity_pkg.bundle.inspect import BundleSummary, ImageSummary, LayerSummary
    from smartcity_pkg.bundle.receipt import Receipt
    from smartcity_pkg.bundle.sbom.found import Package
    from smartcity_pkg.catalogue.release import Release, ReleaseImage

# What package managers call themselves is no word to translate.
_KINDS = {"deb": "dpkg", "apk": "apk", "pypi": "Python", "npm": "npm"}
_MOST_LICENCES = 12


def bundle_contents(summary: BundleSummary, path: Path, receipt: Receipt | None = None) -> Result:
    """The outcome of `inspect`; `receipt` lies beside the bundle, and may be of another one."""
    kept = receipt if receipt and receipt.root_digest == summary.root_digest else None
    layers = _layers(summary)
    parts = (_facts(summary, path, kept), _apps(summary), _images(summary), _layer_table(layers))
    data = _data(summary, path, layers)
    data["receipt"] = kept.model_dump(mode="json") if kept else None
    return Result(
        "bundle", data, (*parts, *allowed_by_policy(summary.release), *_licences(summary))
    )


def sbom_shown(image: ReleaseImage, document: bytes, out: Path | None) -> Result:
    """The outcome of `inspect --sbom`: the document itself, or where it was written."""
    data: dict[str, Any] = {"image": image.reference, "digest": image.sbom_digest}
    if out is None:
        data["document"] = json.loads(document)
        return Result("sbom", data, (Document(document.decode()),))
    data["file"] = str(out)
    text = _("{file}: the packages of {image}, as CycloneDX 1.6").format(
        file=out, image=image.reference
    )
    return Result("sbom", data, (Line(text, "good"),))


def bundles_differ(found: BundleDifference, *, with_config: bool) -> Result:
    """The outcome of `diff`."""
    parts: list[Part] = [
        Facts(
            "",
            [(_("before"), _release_text(found.before)), (_("after"), _release_text(found.after))],
        )
    ]
    if not found.apps and not found.files and not found.images:
        parts.append(Line(_("Apps, configuration and images are the same."), "good"))
    if found.apps:
        parts.append(_changed_apps(found))
    if found.files:
        rows = [(f.path, _change_text(f.change)) for f in found.files]
        parts.append(Table(_("Configuration"), (_("file"), _("change")), rows))
        if with_config:
            parts += _diff_lines(found)
    parts += [part for image in found.images for part in _changed_image(image)]
    parts.append(_bytes_to_send(found))
    return Result("bundle-diff", _diff_data(found), parts)


def _facts(summary: BundleSummary, path: Path, receipt: Receipt | None) -> Facts:
    release = summary.release
    kinds = ", ".join(f"{_KINDS[k]} {number_text(n)}" for k, n in summary.kinds.items())
    facts = [
        (_("bundle"), str(path)),
        (_("release"), _release_text(release)),
        (_("root"), summary.root_digest),
        (_("size"), bytes_text(summary.bundle_bytes)),
        (_("layers opened"), bytes_text(summary.layers_bytes)),
        (_("saved by sharing"), bytes_text(summary.shared_bytes)),
        (_("packages"), kinds or "-"),
        (_("signed by (not checked)"), ", ".join(k[:19] for k in summary.signed_by) or "-"),
        (_("agreement (not checked)"), summary.agreement or "-"),
        (_("catalogue's commit (not checked)"), summary.commit or "-"),
        (_("receipt"), receipt_text(receipt) if receipt else _("none")),
    ]
    return Facts("", facts)


def _apps(summary: BundleSummary) -> Table:
    columns = (_("app"), _("version"), _("server"), _("own, packed"), _("own, opened"),
               _("shared, packed"), _("shared, opened"))  # fmt: skip
    rows = [
        (
            a.app,
            a.version,
            ", ".join(a.servers),
            *map(bytes_text, (a.own_packed_bytes, a.own_bytes)),
            *map(bytes_text, (a.shared_packed_bytes, a.shared_bytes)),
        )
        for a in summary.apps
    ]
    return Table(_("Apps"), columns, rows, frozenset({3, 4, 5, 6}))


def _images(summary: BundleSummary) -> Table:
    columns = (_("image"), _("system"), _("layers"), _("packed"), _("opened"), _("packages"))
    rows = [
        (
            i.reference,
            i.sbom.system or "-",
            str(len(i.layers)),
            bytes_text(i.packed_bytes),
            bytes_text(i.size_bytes),
            _packages_text(i),
        )
        for i in summary.images
    ]
    return Table(_("Images"), columns, rows, frozenset({2, 3, 4}))


def _packages_text(image: ImageSummary) -> str:
    counts = [f"{_KINDS[kind]} {count}" for kind, count in image.sbom.kinds.items()]
    if image.sbom.unread:
        counts.append(_("incomplete: {why}").format(why="; ".join(image.sbom.unread)))
    return ", ".join(counts) or "-"


def _layers(summary: BundleSummary) -> list[LayerSummary]:
    layers = {layer.diff_id: layer for i in summary.images for layer in i.layers}
    return sorted(layers.values(), key=lambda x: (-x.packed_bytes, x.diff_id))


def _layer_table(layers: Sequence[LayerSummary]) -> Table:
    rows = [
        (x.diff_id[7:19], bytes_text(x.packed_bytes), bytes_text(x.size_bytes), str(x.used_by))
        for x in layers
    ]
    columns = (_("diffID"), _("packed"), _("opened"), _("images"))
    return Table(_("Layers"), columns, rows, frozenset({1, 2, 3}))


def _licences(summary: BundleSummary) -> list[Part]:
    if not summary.packages:
        return []
    counts = list(summary.licences.items())
    rows = [(name, number_text(count)) for name, count in counts[:_MOST_LICENCES]]
    table = Table(_("Licences"), (_("licence"), _("packages")), rows, frozenset({1}))
    rest = _(
        "{others} more licences; {unknown} packages name none for programs. All of them: --json"
    ).format(
        others=number_text(max(0, len(counts) - _MOST_LICENCES)),
        unknown=number_text(summary.without_licence),
    )
    return [table, Line(rest)]


def _data(summary: BundleSummary, path: Path, layers: Sequence[LayerSummary]) -> dict[str, Any]:
    return {
        "bundle": str(path),
        "root_digest": summary.root_digest,
        "size_bytes": summary.bundle_bytes,
        "layers_bytes": summary.layers_bytes,
        "packed_bytes": summary.packed_bytes,
        "shared_bytes": summary.shared_bytes,
        "signed_by": list(summary.signed_by),
        "agreement": summary.agreement or None,
        "catalogue_commit": summary.commit or None,
        "apps": [asdict(app) for app in summary.apps],
        "images": [
            {
                "reference": i.reference,
                "platform": i.platform,
                "size_bytes": i.size_bytes,
                "packed_bytes": i.packed_bytes,
                "layers": [x.diff_id for x in i.layers],
                "system": i.sbom.system,
                "packages": [_package_data(p) for p in i.sbom.packages],
                "unread": list(i.sbom.unread),
            }
            for i in summary.images
        ],
        "layers": [asdict(x) for x in layers],
        "packages": {"kinds": summary.kinds, "without_licence": summary.without_licence},
        "licences": summary.licences,
        "release": summary.release.model_dump(mode="json"),
    }


def _package_data(package: Package) -> dict[str, Any]:
    return package.model_dump(mode="json")


def _release_text(release: Release) -> str:
    return _("{name} for {pemda}").format(name=release.name, pemda=release.plan.pemda)


def _change_text(change: str) -> str:
    words = {
        "added": _("added"),
        "removed": _("removed"),
        "changed": _("changed"),
        "upgraded": _("upgraded"),
        "downgraded": _("downgraded"),
    }
    return words[change]


def _changed_apps(found: BundleDifference) -> Table:
    columns = (_("app"), _("change"), _("before"), _("after"), _("server before"),
               _("server after"))  # fmt: skip
    rows = [
        (
            a.app,
            _change_text(a.change),
            a.before or "-",
            a.after or "-",
            ", ".join(a.servers_before) or "-",
            ", ".join(a.servers_after) or "-",
        )
        for a in found.apps
    ]
    return Table(_("Apps"), columns, rows)


def _diff_lines(found: BundleDifference) -> list[Part]:
    tones = {"+": "good", "-": "bad"}
    lines: list[Part] = []
    for file in found.files:
        if not file.diff:
            lines.append(Line(_("{path}: no text, or too long to show").format(path=file.path)))
        lines += [Line(text, tones.get(text[:1], "plain")) for text in file.diff]
    return lines


def _changed_image(image: ImageChange) -> list[Part]:
    before, after = image.before or "-", image.after or "-"
    title = _("Packages of {image}: {before} → {after}").format(
        image=image.image, before=before.rpartition(":")[2], after=after.rpartition(":")[2]
    )
    if not image.packages:
        same = _("the same packages")  # babel does not look into f-strings
        return [Line(f"{title}: {same}")]
    columns = (_("package"), _("kind"), _("change"), _("before"), _("after"))
    rows = [
        (
            p.name,
            _KINDS[p.kind],
            _change_text(p.change),
            ", ".join(p.before) or "-",
            ", ".join(p.after) or "-",
        )
        for p in image.packages
    ]
    return [Table(title, columns, rows)]


def _bytes_to_send(found: BundleDifference) -> Table:
    columns = (_("server"), _("layers"), _("packed"), _("opened"), _("documents"))
    rows = [
        (
            s.server,
            str(s.layers),
            *map(bytes_text, (s.packed_bytes, s.size_bytes, s.documents_bytes)),
        )
        for s in found.servers
    ]
    title = _("What a server with the first release lacks of the second")
    return Table(title, columns, rows, frozenset({1, 2, 3, 4}))


def _diff_data(found: BundleDifference) -> dict[str, Any]:
    return {
        "before": {"release": found.before.name, "digest": found.before.digest},
        "after": {"release": found.after.name, "digest": found.after.digest},
        "apps": [asdict(a) for a in found.apps],
        "files": [asdict(f) for f in found.files],
        "images": [
            {
                "image": i.image,
                "before": i.before or None,
                "after": i.after or None,
                "packages": [{**asdict(p), "change": p.change} for p in i.packages],
            }
            for i in found.images
        ],
        "unchanged_images": found.unchanged_images,
        "servers": [asdict(s) for s in found.servers],
    }
