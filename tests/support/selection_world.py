"""Small catalogues and profiles for the tests of selection, said in few words."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from smartcity_pkg.catalogue.app import (
    App,
    AppSpec,
    Demand,
    FixedDemand,
    Requirement,
    Resources,
    Service,
    Text,
)
from smartcity_pkg.catalogue.catalogue import Catalogue, make_catalogue
from smartcity_pkg.catalogue.pemda import (
    Agreement,
    Choice,
    CooperationAgreement,
    Document,
    Pemda,
    Reserved,
    Server,
)

TODAY = date(2026, 6, 1)
PLENTY = 1_000.0


def app(
    name: str,
    *,
    benefit: int = 10,
    memory: float = 100,
    cpus: float = 0,
    disk: float = 0,
    bandwidth: float = 0,
    peak: float = 0,
    staff: dict[str, float] | None = None,
    requires: tuple[str, ...] = (),
    conflicts: tuple[str, ...] = (),
    platform: bool = False,
    version: str = "1.0.0",
    per_100k: Demand | None = None,
) -> App:
    """An app of one service; `requires` are names, or a name and a range: `"postgres >=17"`."""
    group: Literal["platform", "e-gov"] = "platform" if platform else "e-gov"
    spec = AppSpec(
        schema_version=1,
        version=version,
        title=Text(id=name, en=name),
        summary=Text(id=name, en=name),
        group=group,
        owner="test",
        source="test",
        benefit=benefit,
        requires=tuple(_requirement(r) for r in requires),
        conflicts=conflicts,
        staff=staff or {},
        demand=FixedDemand(disk_mib=disk, bandwidth_kbps=bandwidth),
        demand_per_100k=per_100k or Demand(),
        install_peak_mib=peak,
    )
    service = Service(
        name="web",
        image=f"{name}:{version}",
        reservation=Resources(memory_mib=memory, cpus=cpus),
    )
    return App(name=name, spec=spec, services=(service,), compose_text=f"name: {name}\n")


def _requirement(text: str) -> Requirement:
    name, _space, version = text.partition(" ")
    return Requirement(app=name, version=version)


def server(name: str, memory_mib: float, cpus: float = PLENTY, disk_mib: float = 1e6) -> Server:
    """A server with exactly this much for apps."""
    return Server(
        name=name,
        memory_gib=memory_mib / 1024 + 1,
        cpus=cpus + 0.5,
        disk_gib=disk_mib / 1024 + 10,
        reserved=Reserved(),
    )


def pemda(
    *servers: Server,
    must: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    priorities: dict[str, int] | None = None,
    staff: dict[str, float] | None = None,
    link_mbps: float = PLENTY,
    covered: Literal["all"] | tuple[str, ...] = "all",
    begins: date = date(2026, 1, 1),
    expires: date | None = None,
    population: int = 100_000,
) -> Pemda:
    """A profile with these servers."""
    return Pemda(
        schema_version=1,
        region="32.15",
        name="Kabupaten Karawang",
        population=population,
        agreement=Agreement(
            mou=Document(number="MOU-1", date=date(2025, 12, 1)),
            pks=CooperationAgreement(number="PKS-1", date=begins, expires=expires, apps=covered),
        ),
        link_mbps=link_mbps,
        staff=staff or {},
        servers=servers or (server("app1", 1000),),
        choice=Choice(must=must, exclude=exclude, priorities=priorities or {}),
    )


def catalogue(*apps: App) -> Catalogue:
    """A catalogue of these apps."""
    return make_catalogue(apps)


def placed(plan: Any) -> dict[str, tuple[str, ...]]:
    """The servers of each app of a plan."""
    return {p.app: p.servers for p in plan.apps}


def reasons(plan: Any) -> dict[str, str]:
    """The reason of each app left out."""
    return {p.app: p.reason for p in plan.left_out}
