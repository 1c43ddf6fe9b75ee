"""Apps, regions and profiles as results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.core.i18n import _, language
from smartcity_pkg.core.units import number_text
from smartcity_pkg.ui.presenter import Facts, Line, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.catalogue import Catalogue


def app_list(catalogue: Catalogue) -> Result:
    """All apps, platform first, then by group and name."""
    apps = sorted(catalogue.apps.values(), key=lambda a: (not a.is_platform, a.spec.group, a.name))
    rows = [
        (
            app.name,
            app.version,
            app.spec.group,
            app.spec.title.in_language(language()),
            str(app.spec.benefit),
            f"{sum(s.reservation.memory_mib for s in app.services):.0f}",
        )
        for app in apps
    ]
    columns = (_("app"), _("version"), _("group"), _("title"), _("benefit"), _("memory MiB"))
    return Result(
        "catalogue",
        {"digest": catalogue.digest, "apps": [_app_data(a) for a in apps]},
        (Table("", columns, rows, frozenset({4, 5})),),
    )


def app_details(app: App) -> Result:
    """One app, for a person who considers taking it."""
    spec = app.spec
    per = spec.demand_per_100k
    pairs = [
        (_("version"), app.version),
        (_("group"), spec.group),
        (_("summary"), spec.summary.in_language(language())),
        (_("owner"), spec.owner),
        (_("source"), spec.source),
        (_("requires"), ", ".join(f"{r.app} {r.version}".strip() for r in spec.requires) or "-"),
        (_("images"), ", ".join(app.images)),
        (_("routes"), ", ".join(r.path for r in spec.routes) or "-"),
        (_("secrets (made on the server)"), ", ".join(spec.secrets) or "-"),
        (_("settings"), ", ".join(spec.settings.get("properties", {})) or "-"),
        (_("staff"), ", ".join(f"{k} {v:g}" for k, v in spec.staff.items()) or "-"),
        (
            _("per 100,000 residents"),
            _("{memory:g} MiB memory, {cpus:g} CPU, {disk:g} MiB disk, {link:g} kbit/s").format(
                memory=per.memory_mib, cpus=per.cpus, disk=per.disk_mib, link=per.bandwidth_kbps
            ),
        ),
    ]
    services = [
        (
            s.name,
            s.image,
            f"{s.reservation.memory_mib:.0f} / {s.limit.memory_mib:.0f}",
            f"{s.reservation.cpus:g} / {s.limit.cpus:g}",
            _("yes") if s.has_healthcheck else _("no"),
        )
        for s in app.services
    ]
    columns = (
        _("service"),
        _("image"),
        _("memory MiB (reserved / limit)"),
        _("CPU (reserved / limit)"),
        _("health check"),
    )
    title = spec.title.in_language(language())
    return Result(
        "app",
        _app_data(app),
        (Facts(f"{app.name}: {title}", pairs), Table("", columns, services, frozenset({2, 3}))),
    )


def built_images(images: Sequence[tuple[str, str, bool]], docker_host: str) -> Result:
    """The outcome of `catalogue build`: name, id, and whether it was built just now."""
    rows = [(name, of[7:19], _("built") if new else _("as before")) for name, of, new in images]
    return Result(
        "images",
        {
            "engine": docker_host,
            "images": [{"name": name, "id": of, "fresh": new} for name, of, new in images],
        },
        (Table(docker_host, (_("image"), _("id"), ""), rows),),
    )


def pemda_checked(profiles: list[tuple[Path, Pemda]]) -> Result:
    """Profiles that were checked: errors would have been raised before."""
    listed = pemda_list(profiles)
    said = Line(_("profiles: {count}, errors: 0").format(count=len(profiles)), "good")
    return Result(listed.kind, listed.data, (*listed.parts, said))


def pemda_list(profiles: list[tuple[Path, Pemda]]) -> Result:
    """Profiles that loaded without a fault."""
    rows = [
        (
            p.region,
            p.name,
            number_text(p.population),
            str(len(p.servers)),
            f"{sum(s.memory_gib for s in p.servers):g}",
            f"{p.link_mbps:g}",
            str(path),
        )
        for path, p in profiles
    ]
    columns = (
        _("region"),
        _("name"),
        _("residents"),
        _("servers"),
        _("memory GiB"),
        _("link Mbit/s"),
        _("file"),
    )
    data = {"profiles": [{"file": str(path), **_pemda_data(p)} for path, p in profiles]}
    return Result("pemda-list", data, (Table("", columns, rows, frozenset({2, 3, 4, 5})),))


def pemda_details(pemda: Pemda) -> Result:
    """One profile."""
    pks = pemda.agreement.pks
    covered = _("all apps") if pks.apps == "all" else ", ".join(pks.apps)
    pairs = [
        (_("region"), pemda.region),
        (_("residents"), number_text(pemda.population)),
        ("MoU", f"{pemda.agreement.mou.number} ({pemda.agreement.mou.date})"),
        ("PKS", f"{pks.number} ({pks.date} – {pks.expires or '…'}): {covered}"),
        (_("link"), f"{pemda.link_mbps:g} Mbit/s"),
        (_("staff"), ", ".join(f"{k} {v:g}" for k, v in pemda.staff.items()) or "-"),
        (_("must have"), ", ".join(pemda.choice.must) or "-"),
        (_("excluded"), ", ".join(pemda.choice.exclude) or "-"),
    ]
    rows = [
        (
            s.name,
            f"{s.memory_gib:g}",
            f"{s.cpus:g}",
            f"{s.disk_gib:g}",
            f"{s.ssh.user}@{s.ssh.host}:{s.ssh.port}" if s.ssh else _("this machine"),
        )
        for s in pemda.servers
    ]
    columns = (_("server"), _("memory GiB"), _("CPU"), _("disk GiB"), _("address"))
    return Result(
        "pemda",
        _pemda_data(pemda),
        (Facts(pemda.name, pairs), Table("", columns, rows, frozenset({1, 2, 3}))),
    )


def _app_data(app: App) -> dict[str, object]:
    return {
        "name": app.name,
        "services": [s.model_dump(mode="json") for s in app.services],
        **app.spec.model_dump(mode="json"),
    }


def _pemda_data(pemda: Pemda) -> dict[str, object]:
    data: dict[str, object] = pemda.model_dump(mode="json")
    # The document's own version must not hide the profile's.
    return {k: v for k, v in data.items() if k != "schema_version"}
