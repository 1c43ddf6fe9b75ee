"""New values for secrets on a real server: taken by every user, or the old value comes back."""

from __future__ import annotations

import pytest
from install_site import OPTIONS, CutAtJournal, Site
from install_world import SERVER, Draft

from smartcity_pkg.core.errors import RolledBackError, UnreachableError, UsageError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.doctor import diagnose
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.rotate import RotateReport, rotate

pytestmark = pytest.mark.lab
PATHS = StorePaths()
FILES = ("lapor/sandi", "penyimpan/lapor_sandi")
# Well with every secret but one that says so.
CHOOSY = Draft(
    serial=2,
    version="1.1.0",
    healthy="case $(cat /run/secrets/sandi) in buruk*) exit 1;; esac",
)


def change(site: Site, value: bytes | None = None, **how: object) -> RotateReport:
    host = how.get("host", site.host)
    return rotate(host, SERVER, "lapor", "sandi", value=value, options=OPTIONS)  # type: ignore[arg-type]


def values(site: Site) -> set[str]:
    return {site.sh(f"cat /var/lib/smartcity/secrets/{path}") for path in FILES}


def seen_by(site: Site, app: str) -> str:
    return site.sh(f"docker exec {site.containers()[app]} cat /run/secrets/sandi")


def test_a_rotated_secret_reaches_every_user(site: Site) -> None:
    [before] = values(site)
    report = change(site)
    [after] = values(site)
    assert after != before
    assert len(after) == 43
    assert report.restarted == ("penyimpan", "lapor")
    assert {seen_by(site, app) for app in report.restarted} == {after}
    modes = site.sh("cd /var/lib/smartcity/secrets; stat -c '%a %u' " + " ".join(FILES))
    assert modes.split() == ["400", "10001", "400", "10002"]
    assert not site.sh("find /var/lib/smartcity/secrets -name '*.before' -o -name '*.part'")
    assert site.page() == "satu"
    assert site.status().well
    found = site.sh(
        f"grep -rlF -e '{before}' -e '{after}' /var/lib/smartcity /var/log /tmp || true"
    )
    assert sorted(found.split()) == [f"/var/lib/smartcity/secrets/{path}" for path in FILES]


def test_a_value_of_the_operators_is_written_as_it_is(site: Site) -> None:
    value = b"kata sandi 'surel' $(id) \\n"
    change(site, value)
    assert values(site) == {value.decode()}
    assert seen_by(site, "lapor") == value.decode()
    assert value.decode() not in site.sh("cat /var/lib/smartcity/journal.jsonl")


def test_a_value_that_an_app_does_not_bear_is_taken_back(site: Site) -> None:
    site.deploy(CHOOSY)
    [before] = values(site)
    with pytest.raises(RolledBackError, match="the old one is back") as failed:
        change(site, b"buruk sekali")
    assert "sekali" not in failed.value.message
    assert values(site) == {before}
    assert seen_by(site, "lapor") == before
    assert site.status().well


@pytest.mark.parametrize("after", [True, False])
def test_a_cut_is_made_good_by_the_next_run(site: Site, after: bool) -> None:
    [before] = values(site)
    with pytest.raises(UnreachableError):
        change(site, host=CutAtJournal(site.host, "apply", "done", after=after))
    site.sh("echo -1000 > /var/lib/smartcity/lock/lease")
    named = diagnose(Place(site.host, SERVER, PATHS, ComposeEngine(site.host, PATHS))).causes
    assert "secret-interrupted" in {cause.id for cause in named}
    change(site)
    [now] = values(site)
    assert now != before
    assert {seen_by(site, app) for app in ("lapor", "penyimpan")} == {now}
    assert not site.sh("find /var/lib/smartcity/secrets -name '*.before'")


def test_a_secret_that_is_none_is_refused(site: Site) -> None:
    with pytest.raises(UsageError, match="lapor/tiada") as refused:
        rotate(site.host, SERVER, "lapor", "tiada", options=OPTIONS)
    assert "lapor/sandi" in refused.value.hint
