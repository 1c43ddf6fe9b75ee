"""`check` on a real server: what it sees, what it leaves alone, and how a warning is accepted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from install_site import Site
from install_world import PORT, SERVER, Draft

from smartcity_pkg.core.errors import PreflightError
from smartcity_pkg.core.progress import Event, Step
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import check
from smartcity_pkg.install.place import Place

pytestmark = pytest.mark.lab
GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")


def place(site: Site) -> Place:
    paths = StorePaths()
    return Place(site.host, SERVER, paths, ComposeEngine(site.host, paths))


def test_a_bare_server_is_judged_before_anything_has_arrived(bare: Site) -> None:
    report = check.judged(check.collect(place(bare)))
    assert (report.release, report.level) == ("", "pass")
    assert bare.sh("ls /var/lib/smartcity 2>/dev/null || true") == ""


def test_what_arrived_is_judged_and_nothing_changes(site: Site, tmp_path: Path) -> None:
    before = site.containers()
    journal = site.sh("cat /var/lib/smartcity/journal.jsonl")
    site.world.ship(site.host, BETTER)
    question = check.collect(place(site), names=("tiada.invalid",))
    report = check.judged(question)
    assert report.release == site.name(BETTER)
    assert {f.rule for f in report.findings if f.level == "warn"} >= {"names"}
    assert report.level != "block"
    assert question.around is not None
    assert any(PORT in c.ports for c in question.around.containers)
    check.save(tmp_path / "facts.json", question)
    assert check.judged(check.load(tmp_path / "facts.json")) == report
    assert site.containers() == before
    assert site.sh("cat /var/lib/smartcity/journal.jsonl") == journal


def test_anothers_container_is_named_and_replaced_only_when_accepted(bare: Site) -> None:
    bare.deploy(GOOD)
    reference = bare.sh("docker inspect -f '{{.Config.Image}}' " + bare.containers()["penyimpan"])
    bare.uninstall()
    bare.sh(
        "docker create --name tua-lapor-1 --label com.docker.compose.project=smartcity-lapor"
        f" --label com.docker.compose.service=lapor {reference.strip()} sleep 1000"
    )
    with pytest.raises(PreflightError, match="tua-lapor-1") as refused:
        bare.install(GOOD)
    assert "--accept leftovers" in refused.value.hint
    bare.install(GOOD, accept=("leftovers",))
    entries = [json.loads(line) for line in bare.sh(f"cat {StorePaths().journal}").splitlines()]
    [accepted] = [e for e in entries if e["step"] == "accept"]
    assert accepted["subject"] == "leftovers"
    assert "tua-lapor-1" in accepted["detail"]
    assert bare.page() == "satu"
    bare.sh("docker rm --force tua-lapor-1 2>/dev/null || true")


def test_a_disk_that_fills_meanwhile_is_noticed_before_anything_is_stopped(site: Site) -> None:
    before = site.containers()
    site.world.ship(site.host, BETTER)

    def fill(event: Event) -> None:
        if isinstance(event, Step) and "configuration" in event.text:
            site.sh("mount -t tmpfs -o size=1m none /tmp")

    try:
        with pytest.raises(PreflightError, match="temporary folder's disk needs"):
            site.install(BETTER, watch=fill)
        assert site.containers() == before
    finally:
        site.sh("umount /tmp")
    site.install(BETTER)
    assert site.page() == "dua"


def test_a_server_whose_clock_is_a_year_off_is_named(site: Site) -> None:
    question = check.collect(place(site), clock=lambda: time.time() + 365 * 86400)
    assert "clock" in {f.rule for f in check.judged(question).findings if f.level == "warn"}
