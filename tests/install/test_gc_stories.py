"""Garbage collection on a real server: what goes, what stays, and that going back still works."""

from __future__ import annotations

import pytest
from install_site import OPTIONS, Site
from install_world import SERVER, Draft

from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.gc import GcReport, gc

pytestmark = pytest.mark.lab
GOOD = Draft()
SECOND = Draft(serial=2, version="1.1.0", page="dua", store_version="1.1.0")
THIRD = Draft(serial=3, version="1.2.0", page="tiga", store_version="1.2.0")
WAITING = Draft(serial=4, version="1.3.0", page="empat", store_version="1.2.0")
STORE = StorePaths()


def collect(site: Site, **how: object) -> GcReport:
    return gc(site.host, SERVER, options=OPTIONS, **how)  # type: ignore[arg-type]


def images(site: Site) -> set[str]:
    return set(site.sh("docker image ls --format '{{.Repository}}:{{.Tag}}'").split())


def test_old_releases_go_and_the_way_back_stays(site: Site) -> None:
    site.deploy(SECOND)
    site.deploy(THIRD)
    site.world.ship(site.host, WAITING)
    part, fresh = STORE.parts / ("a" * 64 + ".part"), STORE.parts / ("b" * 64 + ".part")
    site.sh(f"head -c 1000000 /dev/zero > {part}; touch -d '2 days ago' {part}; echo x > {fresh}")
    stray, young = STORE.blobs / ("c" * 64), STORE.blobs / ("d" * 64)
    site.sh(f"echo x > {stray}; touch -d '2 days ago' {stray}; echo x > {young}")
    old = {i.reference for i in site.world.bundle(GOOD)[1].release.images}
    new = {i.reference for i in site.world.bundle(SECOND)[1].release.images}
    before = images(site)
    old &= before

    told = collect(site, dry_run=True)
    assert told.waste.folders == (site.name(GOOD),)
    assert set(told.kept) == {site.name(d) for d in (SECOND, THIRD, WAITING)}
    assert set(told.waste.images) == old - new
    assert images(site) == before
    assert site.sh(f"ls {STORE.releases}").split().count(site.name(GOOD)) == 1

    report = collect(site)
    assert report.waste == told.waste
    assert report.waste.store_bytes > 1_000_000
    assert before - images(site) == old - new
    assert site.name(GOOD) not in site.sh(f"ls {STORE.releases} {STORE.offers}")
    left = site.sh(f"cd {STORE.root}/store; ls parts blobs/sha256").split()
    assert fresh.name in left
    assert young.name in left
    assert part.name not in left
    assert stray.name not in left
    assert collect(site).waste.nothing

    assert site.page() == "tiga"
    assert site.rollback().release == site.name(SECOND)
    assert site.page() == "dua"
    site.install(WAITING)
    assert site.page() == "empat"


def test_a_container_that_was_never_touched_keeps_its_files_and_its_image(site: Site) -> None:
    for serial, version in ((5, "1.5.0"), (6, "1.6.0")):
        site.deploy(Draft(serial=serial, version=version))
    [old] = [i for i in site.world.bundle(GOOD)[1].release.images if "lapor" in i.source]
    report = collect(site)
    assert site.name(GOOD) in report.kept
    assert report.waste.images == (old.reference,)
    assert report.left == ()
    assert site.status().well
    assert not any(a.drift for a in site.status().apps)
    # Neither the current nor the previous release brought it, and it is still known for what it is.
    kept = site.containers()["penyimpan"]
    assert site.deploy(Draft(serial=7, version="1.7.0")).change.untouched == ("penyimpan",)
    assert site.containers()["penyimpan"] == kept


def test_what_a_cut_shipment_left_goes_when_that_is_said(site: Site) -> None:
    layers = [d for i in site.world.bundle(GOOD)[1].release.images for d in i.diff_ids]
    base = STORE.blob(layers[0])
    site.sh(f"echo base > {base}")
    assert collect(site).waste.blobs == ()
    assert layers[0] in collect(site, fresh_s=0).waste.blobs
    assert site.install(GOOD).did_nothing


def test_an_offer_that_cannot_be_read_keeps_the_store(site: Site) -> None:
    broken = STORE.offers / "9-000000000000.json"
    stray = STORE.blobs / ("c" * 64)
    site.sh(f"echo '{{}}' > {broken}; echo x > {stray}; touch -d '2 days ago' {stray}")
    report = collect(site)
    site.sh(f"rm {broken} {stray}")
    assert report.waste.blobs == ()
    assert "9-000000000000" in report.waste.why_blobs_stay


def test_what_others_keep_in_the_engine_is_not_ours_to_remove(site: Site) -> None:
    reference = site.sh("docker inspect -f '{{.Config.Image}}' " + site.containers()["lapor"])
    site.sh(f"docker tag {reference.strip()} tetangga:1")
    collect(site, fresh_s=0)
    assert "tetangga:1" in images(site)
    site.sh("docker image rm tetangga:1")
