"""What a real server refuses to run, what it remembers of it, and what it never stops."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from install_site import OPTIONS, CutAfter, Site
from install_world import SERVER, Draft

from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.receipt import Check, Receipt, of_bundle
from smartcity_pkg.bundle.ring import Ring, RingKey
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core.errors import PreflightError, RolledBackError, UntrustedBundleError
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.run import install
from smartcity_pkg.ship.transfer import ship

pytestmark = pytest.mark.lab
GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")
YESTERDAY = date.today() - timedelta(days=1)


class Shared(CutAfter):
    """The site's connection, which outlives those who are lent it."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, 1_000_000)

    def close(self) -> None:
        """Left open."""


def journal(site: Site) -> list[dict[str, str]]:
    """Every entry of the server's journal."""
    text = site.sh(f"cat {StorePaths().journal}")
    return [json.loads(line) for line in text.splitlines()]


# -- numbers ---------------------------------------------------------------------------------------


def test_a_downgrade_is_refused_and_by_insisting_written_down(site: Site) -> None:
    site.deploy(BETTER)
    with pytest.raises(UntrustedBundleError) as refused:
        site.install(GOOD)
    assert refused.value.exit_code == 10
    assert "--allow-downgrade" in refused.value.hint
    assert site.page() == "dua"
    assert not [e for e in journal(site) if e["step"] == "downgrade"]
    site.install(GOOD, older=True)
    assert site.page() == "satu"
    told = [e for e in journal(site) if e["step"] == "downgrade"]
    assert [(e["phase"], e["subject"], e["release"]) for e in told] == [
        ("begin", site.name(BETTER), site.name(GOOD)),
        ("done", site.name(BETTER), site.name(GOOD)),
    ]


def test_a_rollback_is_no_downgrade_and_forgets_nothing(site: Site) -> None:
    site.deploy(BETTER)
    site.rollback()
    assert site.page() == "satu"
    between = dataclasses.replace(BETTER, serial=2, page="lain")
    with pytest.raises(UntrustedBundleError, match=site.name(BETTER)):
        site.deploy(between)
    site.install(GOOD)  # repairing what runs is none either
    site.install(BETTER)
    mark = site.status().watermark
    assert mark is not None and mark.release == site.name(BETTER)
    assert not [e for e in journal(site) if e["step"] == "downgrade"]


def test_a_release_that_failed_leaves_no_mark(site: Site) -> None:
    with pytest.raises(RolledBackError):
        site.deploy(dataclasses.replace(BETTER, serial=9, healthy="false"))
    site.deploy(BETTER)
    assert site.page() == "dua"


def test_the_mark_outlives_the_apps_but_not_the_data(site: Site) -> None:
    site.deploy(BETTER)
    site.uninstall()
    with pytest.raises(UntrustedBundleError):
        site.deploy(GOOD)
    site.deploy(BETTER)
    site.uninstall(purge_data=True)
    site.deploy(GOOD)
    assert site.page() == "satu"


# -- whose it is -----------------------------------------------------------------------------------


def test_another_pemdas_release_is_refused_until_the_server_is_given_back(site: Site) -> None:
    other = dataclasses.replace(BETTER, region="32.16", serial=5)
    before = site.containers()
    for older in (False, True):
        with pytest.raises(UntrustedBundleError) as refused:
            site.deploy(other, older=older)
        assert "32.15" in refused.value.message and "32.16" in refused.value.message
    site.uninstall()
    with pytest.raises(UntrustedBundleError):
        site.deploy(other)
    site.deploy(GOOD)
    assert site.page() == "satu"
    assert site.containers().keys() == before.keys()


# -- the agreement ---------------------------------------------------------------------------------


def test_after_the_agreement_nothing_new_is_installed_and_nothing_stops(site: Site) -> None:
    before = site.containers()
    over = dataclasses.replace(BETTER, expires=YESTERDAY)
    with pytest.raises(PreflightError) as refused:
        site.deploy(over)
    assert refused.value.exit_code == 15
    assert YESTERDAY.isoformat() in refused.value.message
    assert site.containers() == before
    assert site.page() == "satu"


def test_what_was_installed_under_an_agreement_goes_on_after_it(site: Site) -> None:
    """Installed while it held; then the day comes: status, restart, repair and rollback work."""
    ending = dataclasses.replace(BETTER, expires=YESTERDAY)
    site.world.ship(site.host, ending)
    earlier = dataclasses.replace(
        OPTIONS, clock=lambda: time.time() - 3 * 86400, accept=frozenset({"clock"})
    )
    install(
        site.host,
        SERVER,
        trusted=site.world.trusted,
        release_name=site.name(ending),
        options=earlier,
    )
    assert site.page() == "dua"
    assert site.status().well
    site.sh("docker ps -q | xargs docker restart -t 0 >/dev/null")
    site.sh("docker ps -aq | head -n 1 | xargs docker rm -f >/dev/null")
    report = site.install(ending)  # repaired, with a warning
    assert any(YESTERDAY.isoformat() in text for text in report.warnings)
    assert site.status().well
    site.rollback()
    assert site.page() == "satu"
    site.rollback()
    assert site.page() == "dua"


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_that_was_revoked_since_shipping_installs_nothing(site: Site) -> None:
    site.world.ship(site.host, BETTER)
    before = site.containers()
    key = site.world.key
    revoked = RingKey(key.key_id, key.public_pem, revoked=date(2026, 1, 1), reason="laptop hilang")
    with pytest.raises(UntrustedBundleError, match="laptop hilang"):
        install(site.host, SERVER, trusted=Ring((revoked,)).on(date.today()), options=OPTIONS)
    assert site.containers() == before


def test_a_grant_key_of_its_own_is_demanded_on_the_server_too(site: Site) -> None:
    site.world.ship(site.host, BETTER)
    before = site.containers()
    key = site.world.key
    releasing = RingKey(key.key_id, key.public_pem, roles=frozenset({"release"}))
    with pytest.raises(UntrustedBundleError, match="no trusted key signed the grant"):
        install(site.host, SERVER, trusted=Ring((releasing,)).on(date.today()), options=OPTIONS)
    assert site.containers() == before


# -- receipts --------------------------------------------------------------------------------------


def test_receipts_of_shipping_and_installing_stay_with_the_release(site: Site) -> None:
    path, _contents = site.world.bundle(BETTER)
    key = site.world.key
    trusted = Ring((RingKey(key.key_id, key.public_pem, "Kominfo"),)).on(date.today())
    contents = verify(path, trusted)
    made = of_bundle(contents, trusted, Check("ship", "budi@kominfo-1", datetime.now(UTC)))
    with open_bundle(path) as bundle:
        ship(bundle, contents, SERVER, lambda: Shared(site.host), receipt=made.to_json())
    install(site.host, SERVER, trusted=trusted, release_name=site.name(BETTER), options=OPTIONS)
    kept: dict[str, Receipt] = {r.step: r for r in site.status().receipts}
    assert kept["ship"] == made
    there = kept["install"]
    assert [s.label for s in there.signers] == [f"{key.key_id[:19]} (Kominfo)"]
    assert there.root_digest == contents.root_digest
    assert (there.ring_digest, there.release) == (trusted.ring_digest, site.name(BETTER))
    site.rollback()
    assert {r.step for r in site.status().receipts} == {"install"}
    site.rollback()
    assert {r.step: r for r in site.status().receipts} == kept
    assert site.status().well, "a receipt is no change of the release's files"


def test_a_damaged_receipt_stops_nothing(site: Site) -> None:
    site.sh(f"echo x > {StorePaths().receipts(site.name(GOOD))}")
    assert site.status().receipts == ()
    assert site.status().well
    site.sh(f"echo x > {StorePaths().ship_receipt(site.name(GOOD))}")
    site.install(GOOD)
    assert [r.step for r in site.status().receipts] == ["install"]


def test_a_damaged_mark_lets_nothing_in_and_hides_no_status(site: Site) -> None:
    site.sh(f"echo x > {StorePaths().watermark}")
    with pytest.raises(UntrustedBundleError, match=r"watermark\.json is damaged"):
        site.deploy(BETTER)
    assert site.page() == "satu"
    assert site.status().well
