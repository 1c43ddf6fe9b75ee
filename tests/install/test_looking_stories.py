"""Logs and history of a real server."""

from __future__ import annotations

import pytest
from install_site import Site
from install_world import SERVER, Draft

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.history import read_history
from smartcity_pkg.install.logs import app_logs
from smartcity_pkg.install.place import Place

pytestmark = pytest.mark.lab
BETTER = Draft(serial=2, version="1.1.0", page="dua")


def place(site: Site) -> Place:
    paths = StorePaths()
    return Place(site.host, SERVER, paths, ComposeEngine(site.host, paths))


def test_an_apps_log_is_shown_by_service(site: Site) -> None:
    [log] = app_logs(place(site), "lapor", 5)
    assert (log.service, log.text) == ("lapor", "lapor is starting")
    site.sh(f"docker exec {site.containers()['lapor']} sh -c 'echo baru > /proc/1/fd/1'")
    assert app_logs(place(site), "lapor", 1)[0].text == "baru"
    assert app_logs(place(site), "lapor", 9, "2099-01-01T00:00:00Z")[0].text == ""
    assert app_logs(place(site), "tiada", 9) == ()
    with pytest.raises(UsageError, match="kemarin"):
        app_logs(place(site), "lapor", 9, "kemarin")


def test_history_tells_who_did_what_and_that_nobody_altered_it(site: Site) -> None:
    noted = read_history(place(site)).chain.head
    site.deploy(BETTER)
    history = read_history(place(site), noted)
    assert history.unaltered
    assert history.chain.unhashed == 0
    done = [(e.step, e.phase) for e in history.entries if e.release == site.name(BETTER)]
    assert ("commit", "done") in done
    assert all("@" in e.by for e in history.entries)
    site.sh(f"sed -i '3s/@/@x/' {StorePaths().journal}")
    assert read_history(place(site)).chain.broken == 4
    site.sh(f"sed -i '4,$d' {StorePaths().journal}")
    assert not read_history(place(site), noted).unaltered
