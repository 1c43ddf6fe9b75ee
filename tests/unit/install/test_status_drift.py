"""What `status` says of containers that are not what was installed, and of disks; no server."""

from __future__ import annotations

import dataclasses

import pytest
from install_facts import FACTS, GB
from install_world import SERVER, Draft, World

from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.status import ServerStatus, origins
from smartcity_pkg.install.usage import Disk
from smartcity_pkg.ui.views.server import states

GOOD = Draft()
BETTER = Draft(serial=2, version="1.1.0", page="dua")


def container(files: tuple[str, ...], service: str) -> ContainerState:
    return ContainerState(
        id="c", project=f"smartcity-{service}", service=service, image="", image_id="",
        status="running", running=True, health="healthy", health_output="", patience_s=0,
        start_period_s=0, exit_code=0, out_of_memory=False, restart_count=0, started_at="",
        files=files,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("app", "of", "said"),
    [
        ("lapor", "current", ""),
        ("lapor", "old", "was started from the release 1-"),
        ("penyimpan", "old", ""),  # it did not change between the two
        ("lapor", "nobody", "was started from other files"),
    ],
)
def test_a_container_of_other_files_is_drift(world: World, app: str, of: str, said: str) -> None:
    paths = StorePaths()
    place = Place(LocalHost(), SERVER, paths, ComposeEngine(LocalHost(), paths))
    old, new = (world.bundle(draft)[1].release for draft in (GOOD, BETTER))
    mine = next(a for a in new.on_server(SERVER) if a.app == app)
    made_from = {"current": new, "old": old}.get(of)
    files = place.project(made_from, mine).files if made_from else ("/root/compose.yaml",)
    known = {r.name: r for r in (old, new)}
    found = list(origins(place, new, mine, known, [container(files, app)]))
    assert len(found) == bool(said)
    assert all(said in text for text in found)
    if of == "old" and said:
        # A release that the server no longer knows is no better.
        assert list(origins(place, new, mine, {new.name: new}, [container(files, app)]))


def test_disks_are_shown_with_their_last_day() -> None:
    disks = (Disk("store", 5 * GB, 10 * GB), Disk("engine", 3 * GB, 40 * GB, 12.6))
    status = ServerStatus("s1", "", "", (), (), None, (), FACTS, disks=disks)
    shown = states([status])
    [facts] = [p for p in shown.parts if hasattr(p, "pairs")]
    said = dict(facts.pairs)
    assert said["the store's disk"] == "5.0 GB of 10.0 GB free"
    assert "3.0 GB of 40.0 GB free; full in about 13 days" in said["Docker's disk"]
    assert shown.data["servers"][0]["disks"][1] == dataclasses.asdict(disks[1])
