"""Installing on a real server: what citizens see before, during and after, good and bad."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest
from install_site import CutAfter, Site
from install_world import SERVER, Draft

from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.core.errors import (
    EngineError,
    LockedError,
    PreflightError,
    RolledBackError,
    UnreachableError,
    UntrustedBundleError,
)
from smartcity_pkg.core.progress import Event, Step
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.lock import Lock
from smartcity_pkg.install.run import install

pytestmark = pytest.mark.lab
GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")


def draft(**changes: object) -> Draft:
    """A second release that differs in one way."""
    return dataclasses.replace(BETTER, page="tiga", **changes)  # type: ignore[arg-type]


def untouched(site: Site, before: dict[str, str]) -> None:
    """The good release serves as if nothing had been tried."""
    assert site.containers() == before
    assert site.page() == "satu"
    state = site.status()
    assert state.well
    assert state.current == site.name(GOOD)


# -- good ends ------------------------------------------------------------------------------------


def test_a_first_installation_ends_with_apps_that_answer(bare: Site) -> None:
    report = bare.deploy(GOOD)
    assert bare.page() == "satu"
    assert report.change.started == ("penyimpan", "lapor")
    assert report.secrets == ("lapor/sandi",)
    assert report.outage_s == 0
    state = bare.status()
    assert state.well
    assert (state.current, state.previous) == (report.release, "")
    assert [a.app for a in state.apps] == ["penyimpan", "lapor"]
    assert state.holder is None
    # The engine has the layers; an app's own stay for the patch to its next version.
    layers = Counter(d for i in bare.world.bundle(GOOD)[1].release.images for d in i.diff_ids)
    for diff_id, users in layers.items():
        kept = bare.server.path(str(StorePaths().blob(diff_id))).exists()
        assert kept is (users == 1)


def test_a_second_run_changes_nothing(site: Site) -> None:
    before = site.containers()
    report = site.install(GOOD)
    assert report.did_nothing
    assert report.images == ()
    untouched(site, before)


def test_an_upgrade_touches_only_the_app_that_changed(site: Site) -> None:
    before = site.containers()
    site.sh(f"docker exec {before['lapor']} sh -c 'echo penting > /data/laporan'")
    report = site.deploy(BETTER)
    after = site.containers()
    assert site.page() == "dua"
    assert report.change.started == ("lapor",)
    assert report.change.untouched == ("penyimpan",)
    assert after["penyimpan"] == before["penyimpan"]
    assert after["lapor"] != before["lapor"]
    assert site.sh(f"docker exec {after['lapor']} cat /data/laporan") == "penting\n"
    assert 0 < report.outage_s < 15
    state = site.status()
    assert (state.current, state.previous) == (site.name(BETTER), site.name(GOOD))


def test_an_app_that_stopped_is_started_by_the_next_run(site: Site) -> None:
    before = site.containers()
    site.sh(f"docker stop -t 0 {before['lapor']}")
    assert not site.status().well
    assert site.install(GOOD).change.started == ("lapor",)
    assert site.containers()["penyimpan"] == before["penyimpan"]
    assert site.page() == "satu"


def test_rollback_needs_neither_store_nor_keys(site: Site) -> None:
    before = site.containers()
    site.deploy(BETTER)
    site.sh("mv /var/lib/smartcity/store /var/lib/away")
    report = site.rollback()
    site.sh("mv /var/lib/away /var/lib/smartcity/store")
    assert site.page() == "satu"
    assert report.release == site.name(GOOD)
    assert site.containers()["penyimpan"] == before["penyimpan"]
    assert site.rollback().release == site.name(BETTER)
    assert site.page() == "dua"


def test_uninstalling_keeps_data_and_secrets_and_purging_does_not(bare: Site) -> None:
    site = bare
    site.deploy(GOOD)
    secret = site.sh("cat /var/lib/smartcity/secrets/lapor/sandi")
    site.sh(f"docker exec {site.containers()['penyimpan']} touch /data/berharga")
    assert site.uninstall().apps == ("lapor", "penyimpan")
    assert site.containers() == {}
    assert site.status().current == ""
    site.install(GOOD)
    assert site.sh("cat /var/lib/smartcity/secrets/lapor/sandi") == secret
    assert "berharga" in site.sh(f"docker exec {site.containers()['penyimpan']} ls /data")
    site.uninstall()
    site.uninstall(purge_data=True)
    assert site.sh("docker volume ls --quiet; docker image ls --quiet") == ""
    assert site.sh("ls /var/lib/smartcity").split() == ["journal.jsonl", "lock.guard"]


# -- bad ends: the old release serves again -------------------------------------------------------

FAILING = {
    "unhealthy": (draft(healthy="echo buruk; exit 1"), ["unhealthy", "buruk"]),
    "crashing": (draft(command="echo runtuh; sleep 1; exit 3", has_check=False), ["runtuh"]),
    "not answering on its route": (draft(route_health="/lapor/tiada"), ["404"]),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_bad_release_is_undone_and_says_why(site: Site, name: str) -> None:
    bad, words = FAILING[name]
    before = site.containers()
    with pytest.raises(RolledBackError) as failed:
        site.deploy(bad)
    assert failed.value.exit_code == 13
    for word in (*words, "lapor", site.name(GOOD), site.name(bad), "outage"):
        assert word in failed.value.message, failed.value.message
    assert site.page() == "satu"
    assert site.containers()["penyimpan"] == before["penyimpan"]
    state = site.status()
    assert state.well
    assert state.current == site.name(GOOD)
    last = json.loads(site.sh("tail -n 1 /var/lib/smartcity/journal.jsonl"))
    assert (last["step"], last["phase"]) == ("install", "failed")


def test_a_failing_migration_changes_nothing(site: Site) -> None:
    before = site.containers()
    with pytest.raises(RolledBackError) as failed:
        site.deploy(draft(migrate="echo kolom hilang; exit 1"))
    assert "kolom hilang" in failed.value.message
    untouched(site, before)


def test_an_app_that_the_new_release_lacks_goes_only_if_that_release_is_good(site: Site) -> None:
    site.deploy(draft(with_extra=True))
    site.sh(f"docker exec {site.containers()['ekstra']} touch /data/berharga")
    with pytest.raises(RolledBackError):
        site.deploy(dataclasses.replace(BETTER, serial=3, route_health="/lapor/tiada"))
    assert "berharga" in site.sh(f"docker exec {site.containers()['ekstra']} ls /data")
    assert site.status().well
    report = site.deploy(dataclasses.replace(BETTER, serial=4))
    assert report.change.removed == ("ekstra",)
    assert "ekstra" not in site.containers()
    assert "smartcity-ekstra_data" in site.sh("docker volume ls --quiet")


def test_a_first_installation_that_fails_leaves_nothing_running(bare: Site) -> None:
    with pytest.raises(RolledBackError) as failed:
        bare.deploy(dataclasses.replace(GOOD, healthy="exit 1"))
    assert "nothing runs" in failed.value.message
    assert bare.containers() == {}
    assert bare.status().current == ""


def test_interrupting_goes_back_before_it_ends(site: Site) -> None:
    site.world.ship(site.host, BETTER)

    def press_ctrl_c(event: Event) -> None:
        if isinstance(event, Step) and event.text.startswith("Asking"):
            pressed.append(event)
            if len(pressed) == 1:
                raise KeyboardInterrupt

    pressed: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        site.install(BETTER, watch=press_ctrl_c)
    assert site.page() == "satu"
    assert site.status().well


# -- refused: nothing was changed -----------------------------------------------------------------


def test_a_missing_layer_is_refused_with_nothing_changed(site: Site) -> None:
    before = site.containers()
    release = site.world.bundle(BETTER)[1].release
    layer = release.images_on(SERVER)[0].diff_ids[-1]
    site.world.ship(site.host, BETTER, leave_out=(layer,))
    site.sh(f"docker image rm {release.images_on(SERVER)[0].reference} 2>/dev/null || true")
    site.sh(f"rm -f {StorePaths().blob(layer)}")
    with pytest.raises(EngineError) as refused:
        site.install(BETTER)
    assert layer[7:19] in refused.value.message
    assert "smartcity ship" in refused.value.hint
    untouched(site, before)


def test_a_corrupt_layer_is_refused_with_nothing_changed(site: Site) -> None:
    before = site.containers()
    other = draft(version="1.5.0")
    release = site.world.ship(site.host, other)
    [lapor] = [i for i in release.images if "lapor" in i.source]
    site.sh(f"echo x >> {StorePaths().blob(lapor.diff_ids[-1])}")
    with pytest.raises(UntrustedBundleError):
        site.install(other)
    untouched(site, before)


def test_a_release_by_an_unknown_key_is_refused_with_nothing_changed(site: Site) -> None:
    before = site.containers()
    site.world.ship(site.host, BETTER)
    with pytest.raises(UntrustedBundleError):
        install(site.host, SERVER, trusted=TrustedKeys())
    untouched(site, before)


def test_a_locked_server_is_left_alone(site: Site) -> None:
    before = site.containers()
    site.world.ship(site.host, BETTER)
    with Lock(site.host, StorePaths(), owner="budi@kominfo"), pytest.raises(LockedError) as refused:
        site.install(BETTER)
    assert "budi@kominfo" in refused.value.message
    untouched(site, before)


def test_an_older_release_is_refused_unless_asked_for(site: Site) -> None:
    site.deploy(BETTER)
    with pytest.raises(UntrustedBundleError):
        site.install(GOOD)
    assert site.page() == "dua"
    site.install(GOOD, older=True)
    assert site.page() == "satu"


def test_without_a_way_back_nothing_is_stopped(site: Site) -> None:
    before = site.containers()
    [lapor] = [i for i in site.world.bundle(GOOD)[1].release.images if "lapor" in i.source]
    site.sh(f"docker tag {lapor.reference} kept:1; docker image rm {lapor.reference}")
    with pytest.raises(PreflightError) as refused:
        site.deploy(BETTER)
    assert lapor.source in refused.value.message
    assert site.containers() == before
    site.sh(f"docker tag kept:1 {lapor.reference}; docker image rm kept:1")


def test_a_port_that_another_program_has_blocks(bare: Site) -> None:
    bare.sh("setsid busybox httpd -f -p 8088 >/dev/null 2>&1 </dev/null & echo $! > /run/other")
    bare.world.ship(bare.host, GOOD)
    with pytest.raises(PreflightError) as refused:
        bare.install(GOOD)
    bare.sh("kill $(cat /run/other)")
    assert "8088" in refused.value.message
    assert bare.containers() == {}


def test_there_is_nothing_to_go_back_to_after_one_release(site: Site) -> None:
    before = site.containers()
    with pytest.raises(PreflightError):
        site.rollback()
    untouched(site, before)


# -- lost links ------------------------------------------------------------------------------------


@pytest.mark.parametrize("commands", [12, 22, 32, 38])
def test_a_link_cut_anywhere_is_made_good_by_the_next_run(site: Site, commands: int) -> None:
    site.world.ship(site.host, BETTER)
    with pytest.raises(UnreachableError):
        site.install(BETTER, host=CutAfter(site.host, commands))  # type: ignore[arg-type]
    assert site.page() in ("satu", "dua", "")
    site.sh("echo -1000 > /var/lib/smartcity/lock/lease")  # two minutes later
    site.install(BETTER)
    assert site.page() == "dua"
    state = site.status()
    assert state.well
    assert (state.current, state.previous) == (site.name(BETTER), site.name(GOOD))
    assert site.sh("ls /var/lib/smartcity/store/parts") == ""


# -- what is shown, and what is not --------------------------------------------------------------


def test_secrets_are_in_no_output_and_no_other_file(bare: Site) -> None:
    bare.deploy(GOOD)
    bare.deploy(BETTER)
    secret = bare.sh("cat /var/lib/smartcity/secrets/lapor/sandi")
    assert len(secret) == 43
    assert bare.sh("cat /var/lib/smartcity/secrets/penyimpan/lapor_sandi") == secret
    found = bare.sh(
        f"grep -rlF -- '{secret}' /var/lib/smartcity /var/log /etc /root /tmp || true"
    ).split()
    assert sorted(found) == [
        "/var/lib/smartcity/secrets/lapor/sandi",
        "/var/lib/smartcity/secrets/penyimpan/lapor_sandi",
    ]
    inspected = bare.sh("docker inspect $(docker ps -q); docker logs $(docker ps -q | head -n 1)")
    assert secret not in inspected
    assert secret not in bare.told()
    assert secret not in str(bare.status())
    inside = bare.sh(f"docker exec {bare.containers()['lapor']} cat /run/secrets/sandi")
    assert inside == secret


def test_status_sees_what_drifted(site: Site) -> None:
    containers = site.containers()
    site.sh("docker rename smartcity-lapor-lapor-1 smartcity-lapor-x && docker stop -t 0 "
            f"{containers['lapor']}")  # fmt: skip
    state = site.status()
    assert not state.well
    [lapor] = [a for a in state.apps if a.app == "lapor"]
    assert not lapor.well
    assert not lapor.answers[0].good
    site.install(GOOD)
    site.sh("echo '#' >> /var/lib/smartcity/current/s1/lapor/compose.yaml")
    assert any("files" in text for app in site.status().apps for text in app.drift)
    assert not site.status().well
    site.install(GOOD)
    assert site.status().well
