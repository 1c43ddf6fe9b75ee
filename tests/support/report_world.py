"""A pemda whose plan has something of everything that the report shows."""

from __future__ import annotations

from datetime import date

from selection_world import TODAY, app, catalogue, pemda, server

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda, Prices
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.report.page import page
from smartcity_pkg.selection import select

PRICES = Prices(memory_gib=1_200_000, cpu=2_400_000, disk_gib=24_000, mbps=3_000_000)
LONG = "sistem-informasi-pelayanan-terpadu-satu"


def world(*, prices: bool = True, many: int = 0) -> tuple[Catalogue, Pemda]:
    """Two servers, a must-have, an excluded app, a conflict, and `many` small apps beside them."""
    apps = catalogue(
        app("base", platform=True, memory=64, disk=500),
        app("big", benefit=70, memory=600, cpus=1.5, disk=9_000, requires=("base",), peak=100),
        app(LONG, benefit=40, memory=300, cpus=0.5, staff={"linux": 0.25}, bandwidth=800),
        app("must", benefit=5, memory=100, requires=("base",)),
        app("foe", benefit=10, memory=10, conflicts=("must",)),
        app("banned", benefit=60),
        app("wide", benefit=30, memory=50, bandwidth=5_500),
        app("trained", benefit=20, memory=50, staff={"data & AI <script>": 0.5}),
        *(app(f"small-{i:03d}", benefit=1 + i % 7, memory=40 + i % 90) for i in range(many)),
    )
    profile = pemda(
        server("layanan", 800, cpus=3, disk_mib=20_000),
        server("arsip", 350 + 20 * many, cpus=1, disk_mib=5_000),
        must=("must",),
        exclude=("banned",),
        staff={"linux": 0.5},
        link_mbps=3,
    )
    update: dict[str, object] = {"prices": PRICES} if prices else {}
    return apps, profile.model_copy(update=update)


def report(
    *, prices: bool = True, many: int = 0, judged_on: date = TODAY
) -> tuple[str, Plan, Catalogue, Pemda]:
    """The page of `world` in the active language, and what it is about."""
    apps, profile = world(prices=prices, many=many)
    plan = select(apps, profile, today=judged_on)
    return page(plan, apps, profile, judged_on), plan, apps, profile
