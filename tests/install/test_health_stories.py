"""Apps that start slowly, crash, or are well only for a moment, on a real engine."""

from __future__ import annotations

import dataclasses

import pytest
from install_site import OPTIONS, Site
from install_world import Draft

from smartcity_pkg.core.errors import RolledBackError

pytestmark = pytest.mark.lab
GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")
LONG_SOAK_S = 10.0
PAGE = "wget -q -O /dev/null http://127.0.0.1:8080/lapor/sehat"
# /tmp/n counts the looks of the app's own check, once a second.
COUNT = "n=$(( $(cat /tmp/n 2>/dev/null || echo 0) + 1 )); echo $n > /tmp/n"
SERVE = "exec httpd -f -p 8080 -h /www"


def draft(**changes: object) -> Draft:
    return dataclasses.replace(BETTER, **changes)  # type: ignore[arg-type]


def failure(site: Site, bad: Draft, soak_s: float = OPTIONS.soak_s) -> str:
    """What is said of a release that does not stay; the good one serves again."""
    with pytest.raises(RolledBackError) as failed:
        site.deploy(bad, soak_s=soak_s)
    assert site.page() == "satu"
    assert site.status().well
    return failed.value.message


def test_a_slow_start_within_its_start_period_is_waited_for(site: Site) -> None:
    site.deploy(draft(command=f"sleep 8; {SERVE}", start_period_s=60))
    assert site.page() == "dua"


def test_crashes_within_the_start_period_are_forgiven(site: Site) -> None:
    waits = "echo x >> /tmp/starts; [ $(busybox grep -c x /tmp/starts) -gt 3 ] || exit 1"
    site.deploy(draft(command=f"{waits}; {SERVE}", start_period_s=60))
    assert site.page() == "dua"


def test_a_crash_loop_fails_before_its_time_is_over(site: Site) -> None:
    said = failure(site, draft(command="echo runtuh; exit 3", start_period_s=600))
    assert "crashes again and again" in said
    assert "status 3" in said
    assert "runtuh" in said


def test_an_app_that_ends_and_is_not_started_again_fails_at_once(site: Site) -> None:
    said = failure(site, draft(command="echo selesai; exit 4", restart="none", start_period_s=600))
    assert "ended with status 4" in said
    assert "selesai" in said


def test_an_app_that_needs_more_memory_than_its_limit_is_named_as_such(site: Site) -> None:
    eats = draft(command="busybox dd if=/dev/zero of=/dev/null bs=200M", start_period_s=600)
    site.world.ship(site.host, eats)
    with pytest.raises(RolledBackError) as failed:
        site.install(eats)
    assert "more memory than its limit" in failed.value.message
    assert "deploy.resources.limits.memory" in failed.value.hint


def test_an_app_that_dies_soon_after_it_was_well_never_becomes_current(site: Site) -> None:
    dies = "httpd -p 8080 -h /www; until [ -s /tmp/enough ]; do sleep 0.1; done; exit 5"
    check = f"{COUNT}; [ $n -lt 4 ] || echo x > /tmp/enough; {PAGE}"
    said = failure(site, draft(command=dies, healthy=check), LONG_SOAK_S)
    assert "crashes again and again" in said
    assert "it had been well" in said


def test_an_app_whose_check_fails_after_a_while_says_what_it_said(site: Site) -> None:
    check = f"{COUNT}; [ $n -lt 4 ] || {{ echo antrean penuh; exit 1; }}; {PAGE}"
    said = failure(site, draft(healthy=check), LONG_SOAK_S)
    assert "unhealthy" in said
    assert "antrean penuh" in said
    assert "it had been well" in said


def test_a_route_that_answers_by_turns_is_recognised(site: Site) -> None:
    turns = "rm -f giliran; [ $(( n / 3 % 2 )) = 1 ] || echo > giliran"
    check = f"{COUNT}; cd /www/lapor; {turns}; {PAGE}"
    said = failure(site, draft(healthy=check, route_health="/lapor/giliran"), LONG_SOAK_S)
    assert "by turns" in said
    assert "404" in said
