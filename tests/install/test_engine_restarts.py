"""The engine dies and comes back while images are loaded: the next run always finishes."""

from __future__ import annotations

import random
import threading
import time

import pytest
from install_site import Site
from install_world import Draft

from smartcity_pkg.core.errors import EngineError, RolledBackError, SmartCityError
from smartcity_pkg.core.progress import Event, Step

pytestmark = pytest.mark.lab
RESTARTS = 5
BETTER = Draft(serial=2, version="1.1.0", page="dua")


def test_an_engine_killed_while_it_loads_is_met_by_the_next_run(bare: Site) -> None:
    draft = Draft()
    bare.world.ship(bare.host, draft)
    chance = random.Random()
    interrupted = 0
    for _restart in range(RESTARTS):
        loading = threading.Event()

        def watch(event: Event, loading: threading.Event = loading) -> None:
            if isinstance(event, Step) and "contoh/" in event.text:
                loading.set()

        def saboteur(loading: threading.Event = loading) -> None:
            loading.wait(60)
            time.sleep(chance.random())
            bare.server.stop_engine(kill=True)
            bare.server.start_engine()

        thread = threading.Thread(target=saboteur)
        thread.start()
        try:
            bare.install(draft, watch=watch)
        except SmartCityError:
            interrupted += 1
        loading.set()
        thread.join()
        bare.sh("docker image rm --force $(docker image ls -q contoh/lapor) || true")
    print(f"{interrupted} of {RESTARTS} installations were interrupted")
    bare.install(draft)
    assert bare.page() == "satu"
    assert bare.status().well


def test_an_engine_that_stays_dead_is_named_rather_than_the_image(bare: Site) -> None:
    draft = Draft()
    bare.world.ship(bare.host, draft)

    def kill(event: Event) -> None:
        if isinstance(event, Step) and "contoh/" in event.text:
            bare.server.stop_engine(kill=True)

    with pytest.raises(EngineError) as failed:
        bare.install(draft, watch=kill)
    assert "systemctl start docker" in failed.value.hint
    bare.server.start_engine()
    bare.install(draft)
    assert bare.page() == "satu"


def test_going_back_waits_for_an_engine_that_is_started_again(site: Site) -> None:
    saviour = threading.Timer(3, site.server.start_engine)

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.text.startswith("Starting lapor 1.1.0"):
            site.server.stop_engine(kill=True)
            saviour.start()

    site.world.ship(site.host, BETTER)
    with pytest.raises(RolledBackError):
        site.install(BETTER, watch=kill)
    saviour.join()
    assert site.page() == "satu"
    assert site.status().well
