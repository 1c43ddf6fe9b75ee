"""The apps and the example profiles that come with smartcity."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue
from smartcity_pkg.catalogue.lint import lint
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.profile import load_pemda

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "pemda").glob("*.yaml"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "bundles")


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest, catalogue: Catalogue) -> Pemda:
    return load_pemda(request.param, catalogue)


def test_the_shipped_apps_load_without_fault_or_advice(catalogue: Catalogue) -> None:
    assert set(catalogue.apps) >= {
        "e-surat",
        "gateway",
        "laksa",
        "perizinan",
        "postgres",
        "siap-kerja",
    }
    assert lint(catalogue) == ()


def test_there_are_examples_for_plans_that_differ() -> None:
    assert {p.name[:5] for p in EXAMPLES} >= {"21.05", "32.15", "32.16"}


def test_an_example_loads_and_its_file_carries_its_region(
    example: Pemda, catalogue: Catalogue
) -> None:
    assert any(p.name.startswith(f"{example.region}-") for p in EXAMPLES)


def test_an_example_names_no_real_machine_and_says_that_it_is_one(example: Pemda) -> None:
    assert example.agreement.mou.number.startswith("CONTOH")
    assert example.agreement.pks.number.startswith("CONTOH")
    assert example.settings.site.domain.endswith(".example")
    for server in example.servers:
        assert server.ssh is None or server.ssh.host.endswith(".example")


def test_only_the_publicly_known_memoranda_carry_their_real_date(catalogue: Catalogue) -> None:
    for path in EXAMPLES:
        signed = load_pemda(path, catalogue).agreement.mou.date == date(2018, 5, 16)
        assert signed == (path.name[:5] in ("32.15", "32.16"))


def fits(catalogue: Catalogue, pemda: Pemda, names: set[str]) -> bool:
    """Whether the named apps together stay within one-server capacity, link and staff, by sums."""
    (server,) = pemda.servers
    apps = [catalogue.app(n) for n in names]
    demands = [a.demand_for(pemda.population) for a in apps]
    peak_mib = max(a.spec.install_peak_mib for a in apps)
    memory_gib = (sum(d.memory_mib for d in demands) + peak_mib) / 1024
    return (
        memory_gib <= server.memory_gib - server.reserved.memory_gib
        and sum(d.cpus for d in demands) <= server.cpus - server.reserved.cpus
        and sum(d.disk_mib for d in demands) / 1024 <= server.disk_gib - server.reserved.disk_gib
        and sum(d.bandwidth_kbps for d in demands) <= pemda.link_mbps * 1000
        and all(
            sum(a.spec.staff.get(skill, 0) for a in apps) <= people + 1e-9
            for skill, people in pemda.staff.items()
        )
    )


def test_karawang_can_carry_everything(catalogue: Catalogue) -> None:
    karawang = load_pemda(ROOT / "examples/pemda/32.15-karawang.yaml", catalogue)
    assert fits(catalogue, karawang, set(catalogue.apps))


def test_anambas_can_carry_two_services_at_most(catalogue: Catalogue) -> None:
    anambas = load_pemda(ROOT / "examples/pemda/21.05-kepulauan-anambas.yaml", catalogue)
    platform = {"postgres", "gateway"}
    assert fits(catalogue, anambas, {*platform, "laksa", "e-surat"})
    services = ("e-surat", "laksa", "perizinan", "siap-kerja")
    for one in services:
        for two in services:
            for three in services:
                if len({one, two, three}) == 3:
                    assert not fits(catalogue, anambas, {*platform, one, two, three})
