"""Killed at each journal step: `resume` finishes, `abort` undoes, and neither invents work."""

from __future__ import annotations

import pytest
from install_site import OPTIONS, CutAtJournal, Site
from install_world import SERVER, Draft

from smartcity_pkg.core.errors import PreflightError, RolledBackError, UnreachableError
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.interrupted import abort, look, resume
from smartcity_pkg.install.outcome import AbortReport, InstallReport, RollbackReport
from smartcity_pkg.install.rollback import rollback

pytestmark = pytest.mark.lab
GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")

STEPS = ("verify", "load", "files", "secrets", "install", "migrate", "apply", "commit")


def killed(site: Site, step: str, phase: str, *, after: bool = True) -> None:
    """An installation of BETTER that loses its client at that entry; two minutes pass."""
    site.world.ship(site.host, BETTER)
    [lapor] = [i for i in site.world.bundle(BETTER)[1].release.images if "lapor" in i.source]
    site.sh(f"docker image rm {lapor.reference} 2>/dev/null || true")  # there is one to load
    with pytest.raises(UnreachableError):
        site.install(BETTER, host=CutAtJournal(site.host, step, phase, after=after))  # type: ignore[arg-type]
    expire(site)


def expire(site: Site) -> None:
    site.sh("echo -1000 > /var/lib/smartcity/lock/lease")


@pytest.mark.parametrize("phase", ["begin", "done"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_entry_it_is_finished_on_request(site: Site, step: str, phase: str) -> None:
    # The entry that commits is the end; before it is written, the work is not known to be done.
    killed(site, step, phase, after=(step, phase) != ("commit", "done"))
    found = look(site.host, StorePaths())
    if (step, phase) == ("commit", "done"):
        assert found is None or found.release == site.name(BETTER)
    else:
        assert found is not None
        assert (found.kind, found.release) == ("install", site.name(BETTER))
        report = resume(site.host, SERVER, trusted=site.world.trusted, options=OPTIONS)
        assert isinstance(report, InstallReport)
    assert site.page() == "dua"
    state = site.status()
    assert state.well
    assert state.current == site.name(BETTER)
    assert look(site.host, StorePaths()) is None


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_entry_it_is_undone_on_request(site: Site, step: str) -> None:
    killed(site, step, "begin")
    assert site.status().interrupted is not None
    report = abort(site.host, SERVER, options=OPTIONS)
    assert (report.aborted, report.release) == (site.name(BETTER), site.name(GOOD))
    assert report.migrated == (("lapor",) if step in ("migrate", "apply", "commit") else ())
    assert site.page() == "satu"
    state = site.status()
    assert state.well
    assert state.current == site.name(GOOD)
    with pytest.raises(PreflightError, match="nothing was interrupted"):
        abort(site.host, SERVER, options=OPTIONS)
    site.install(BETTER)
    assert site.page() == "dua"


def test_a_first_installation_is_undone_to_nothing(bare: Site) -> None:
    bare.world.ship(bare.host, GOOD)
    with pytest.raises(UnreachableError):
        bare.install(GOOD, host=CutAtJournal(bare.host, "apply", "begin"))  # type: ignore[arg-type]
    expire(bare)
    assert abort(bare.host, SERVER, options=OPTIONS).release == ""
    assert bare.containers() == {}


@pytest.mark.parametrize("step", ["apply", "commit"])
def test_an_interrupted_rollback_goes_on_backwards(site: Site, step: str) -> None:
    site.deploy(BETTER)
    with pytest.raises(UnreachableError):
        rollback(CutAtJournal(site.host, step, "begin"), SERVER, options=OPTIONS)  # type: ignore[arg-type]
    expire(site)
    report = resume(site.host, SERVER, trusted=site.world.trusted, options=OPTIONS)
    assert isinstance(report, RollbackReport)
    state = site.status()
    assert (state.current, state.previous) == (site.name(GOOD), site.name(BETTER))
    assert site.page() == "satu"


def test_one_that_was_going_back_goes_on_going_back(site: Site) -> None:
    bad = Draft(serial=2, version="1.1.0", page="dua", healthy="exit 1")
    site.world.ship(site.host, bad)
    with pytest.raises(UnreachableError):
        site.install(bad, host=CutAtJournal(site.host, "roll back", "begin"))  # type: ignore[arg-type]
    expire(site)
    report = resume(site.host, SERVER, trusted=site.world.trusted, options=OPTIONS)
    assert isinstance(report, AbortReport)
    assert (report.aborted, report.release) == (site.name(bad), site.name(GOOD))
    assert site.page() == "satu"
    assert site.status().well
    assert look(site.host, StorePaths()) is None


def test_a_container_that_an_interrupted_proof_of_images_left_goes(site: Site) -> None:
    [image, *_more] = site.sh("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    site.sh(f"docker create --label id.smartcity.tried {image} true")
    site.install(GOOD)
    assert site.sh("docker ps --all --quiet --filter status=created") == ""


def test_what_ended_is_not_called_interrupted(site: Site) -> None:
    for work in (resume, abort):
        with pytest.raises(PreflightError, match="nothing was interrupted"):
            work(site.host, SERVER, **({"trusted": site.world.trusted} if work is resume else {}))  # type: ignore[operator]
    with pytest.raises(RolledBackError):
        site.deploy(Draft(serial=3, version="1.2.0", migrate="exit 1"))
    assert look(site.host, StorePaths()) is None
