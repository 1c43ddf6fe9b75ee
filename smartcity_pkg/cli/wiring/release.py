"""From a plan to rendered files, to a signed bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import signing_key
from smartcity_pkg.cli.wiring.receipts import checked_bundles
from smartcity_pkg.cli.wiring.signing import grant_for
from smartcity_pkg.cli.workspace import layer_cache
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.bundle.differential import Base
    from smartcity_pkg.bundle.pack import Packed
    from smartcity_pkg.bundle.sources import SourceImage
    from smartcity_pkg.catalogue.pemda import Pemda
    from smartcity_pkg.catalogue.plan import Plan
    from smartcity_pkg.catalogue.release import Release
    from smartcity_pkg.render.render import Rendered


def render_to(
    session: Session, name: str, plan_file: Path | None, images: str | None, today: date, out: Path
) -> Rendered:
    """Render the plan of a pemda into the folder `out`, which must be new or empty."""
    from smartcity_pkg.bundle.pack import resolve_images
    from smartcity_pkg.bundle.sources import open_source

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            _("“{folder}” is there already and not empty").format(folder=out),
            _("name a new folder, or empty it first"),
        )
    pemda = session.pemda(name)
    plan = session.plan(pemda, plan_file, today)
    found: dict[str, SourceImage] = {}
    if images:
        wanted = _references(session, plan)
        found = resolve_images(open_source(images), wanted, layer_cache(), session.progress)
    rendered = _rendered(session, pemda, plan, found)
    with atomic.replacing(out) as part:
        part.mkdir()
        for path, data in rendered.files.items():
            target = part / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return rendered


def pack_release(
    session: Session,
    name: str,
    plan_file: Path | None,
    images: str,
    serial: int | None,
    key: Path | None,
    today: date,
    out: Path | None,
    sign: bool = True,
    since: Sequence[str] = (),
) -> Packed:
    """Check the grant, resolve images, render with their pins, pack and (`sign`) sign.

    With `since` (releases or receipts), only what they lack is packed.
    """
    from smartcity_pkg.bundle.checked import file_state
    from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
    from smartcity_pkg.bundle.sources import open_source
    from smartcity_pkg.catalogue.checkout import checkout_of
    from smartcity_pkg.catalogue.policy import load_policy

    pemda = session.pemda(name)
    plan = session.plan(pemda, plan_file, today)
    policy, _document = load_policy(session.workspace.policy)
    signing = signing_key(session, key) if sign else None
    grant = grant_for(session, pemda, plan, signing, today)
    source = open_source(images)
    found = resolve_images(source, _references(session, plan), layer_cache(), session.progress)
    rendered = _rendered(session, pemda, plan, found)
    folder = session.workspace.releases(plan.region)
    base = base_since(session, plan.region, since) if since else None

    def default_output(release: Release) -> Path:
        return folder / f"{release.name}.tar"

    request = PackRequest(
        base=base,
        plan=plan,
        serial=serial or session.workspace.next_serial(plan.region),
        files=rendered.files,
        apps=rendered.apps,
        images=found,
        source=source,
        cache=layer_cache(),
        signing_key=signing,
        output=out or default_output,
        entrance_ports=rendered.entrance_ports,
        grant=grant,
        checkout=checkout_of(session.workspace.catalogue),
        policy=policy.on(today),
    )
    packed = pack(request, session.progress)
    checked_bundles().add(packed.contents.root_digest, file_state(packed.path))
    return packed


def base_since(session: Session, region: str, since: Sequence[str]) -> Base:
    """What servers have by the releases and receipts that `since` names; receipts know best.

    Of several, each server's is the last that speaks of it.
    """
    from smartcity_pkg.bundle.differential import Base
    from smartcity_pkg.bundle.inventory import load_receipt
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.bundle.patch.book import layers_at
    from smartcity_pkg.bundle.verify import sound_contents
    from smartcity_pkg.cli.wiring.media import pin_receipt

    held: dict[str, frozenset[str]] = {}
    sources = []
    for name in since:
        path = session.workspace.bundle_since(region, name)
        if path.suffix == ".json":
            receipt = load_receipt(path)
            pin_receipt(session, receipt)
            of_region, layers = receipt.region, {receipt.server: receipt.diff_ids}
        else:
            with open_bundle(path) as bundle:
                release = sound_contents(bundle).release
            sources.append(layers_at(path))
            of_region = release.region
            layers = {
                server: frozenset(d for i in release.images_on(server) for d in i.diff_ids)
                for server in release.plan.servers
            }
        if of_region != region:
            raise InputError(
                Problem(
                    _("it is of region {found}, expected {expected}").format(
                        found=of_region, expected=region
                    ),
                    str(path),
                ),
                _("name a release or a receipt of the pemda that the bundle is for"),
            )
        held |= layers
    return Base(held, tuple(sources))


def _rendered(
    session: Session, pemda: Pemda, plan: Plan, images: Mapping[str, SourceImage]
) -> Rendered:
    from smartcity_pkg.catalogue.release import pinned
    from smartcity_pkg.render.render import render
    from smartcity_pkg.render.templates import read_shared_templates

    pins = {reference: pinned(reference, i.config_digest) for reference, i in images.items()}
    shared = read_shared_templates(session.workspace.templates)
    return render(plan, session.catalogue, pemda, shared=shared, pins=pins)


def _references(session: Session, plan: Plan) -> Sequence[str]:
    return sorted({i for a in plan.apps for i in session.catalogue.app(a.app).images})
