"""The whole road on a real server over SSH, numbered: each step stands on those before it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace import Workspace

from smartcity_pkg.lab import exercise, images
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server
from tests.apps import journeys

pytestmark = pytest.mark.lab
REGION = "32.15"


class World:
    """What one step leaves for the next."""

    def __init__(self, workspace: Workspace, server: Server) -> None:
        self.space = workspace
        self.server = server
        self.url = f"http://{server.address}"
        self.ticket = ""
        self.first = ""

    def secret(self, name: str) -> str:
        """A secret as the server has it; only the test's back door reads it."""
        return self.server.path(f"/var/lib/smartcity/secrets/{name}").read_text().strip()

    def build(self) -> None:
        """Build what the workspace's catalogue says."""
        images.build_app_images(self.space.docker_host, self.space.folder / "bundles")


@pytest.fixture(scope="module")
def world(lab: Lab, workspace: Workspace) -> Iterator[World]:
    server = lab.server("road")
    workspace.profile(server, lab.client_key)
    yield World(workspace, server)
    server.remove()


class Outage(threading.Thread):
    """How long a page does not answer, asked every 100 ms."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.down_s, self.done = url, 0.0, threading.Event()

    def run(self) -> None:
        failed_at = None
        while not self.done.wait(0.1):
            try:
                journeys.health(self.url, "laksa", timeout_s=2)
            except Exception:  # noqa: BLE001 - any fault is an outage for a citizen
                failed_at = failed_at or time.monotonic()
            else:
                if failed_at:
                    self.down_s += time.monotonic() - failed_at
                failed_at = None


def test_01_select_takes_every_app_that_karawang_can_carry(world: World) -> None:
    plan = world.space.smartcity("select", REGION).json
    chosen = {a["app"] for a in plan["apps"]}
    assert chosen == {"postgres", "gateway", "laksa", "perizinan", "siap-kerja", "e-surat"}
    assert plan["benefit"] == plan["bound"]


def test_02_pack_and_verify(world: World) -> None:
    packed = world.space.smartcity("pack", REGION).json
    world.first = packed["release"]
    verified = world.space.smartcity("verify", REGION).json
    assert verified["root_digest"] == packed["root_digest"]


def test_03_packing_the_same_again_gives_the_same_root(world: World) -> None:
    first = world.space.smartcity("inspect", REGION).json
    again = world.space.smartcity("pack", REGION, "--serial", "1", "--out", "again.tar").json
    assert again["root_digest"] == first["root_digest"]
    assert again["reused_layers"] == again["layers"]


def test_04_nothing_runs_before_it_has_arrived(world: World) -> None:
    ran = world.space.smartcity("install", REGION, code=None)
    assert ran.code != 0
    assert "ship" in ran.error["hint"]


def test_05_ship_brings_it_there(world: World) -> None:
    shipped = world.space.smartcity("ship", REGION).json["servers"][0]
    assert shipped["bytes_sent"] > 10_000_000
    assert not world.server.run(["docker", "ps", "-q"]).stdout.strip()


def test_06_a_second_ship_moves_less_than_100_kb(world: World) -> None:
    shipped = world.space.smartcity("ship", REGION).json["servers"][0]
    assert shipped["bytes_sent"] < 100_000


def test_07_install_makes_the_apps_answer(world: World) -> None:
    installed = world.space.smartcity("install", REGION).json["servers"][0]
    assert installed["release"] == world.first
    for app in ("laksa", "perizinan", "siap-kerja", "e-surat"):
        assert journeys.health(world.url, app)["status"] == "ok"


def test_08_a_citizen_files_a_complaint_and_an_officer_answers(world: World) -> None:
    world.ticket = journeys.file_complaint(world.url, photo=journeys.PNG)
    assert journeys.read_status(world.url, world.ticket)["colour"] == "merah"
    officer = journeys.Officer(world.url, "laksa", world.secret("laksa/officer_password"))
    journeys.answer_complaint(officer, world.ticket, "diproses", "Petugas menuju lokasi.")
    assert journeys.read_status(world.url, world.ticket)["colour"] == "kuning"


def test_09_a_permit_is_applied_for_and_decided(world: World) -> None:
    number = journeys.apply_for_permit(world.url)
    officer = journeys.Officer(world.url, "perizinan", world.secret("perizinan/officer_password"))
    journeys.decide_permit(officer, number, "disetujui", "Lengkap.")
    assert journeys.read_application(world.url, number)["status"] == "disetujui"


def test_10_a_job_seeker_applies(world: World) -> None:
    officer = journeys.Officer(world.url, "siap-kerja", world.secret("siap-kerja/officer_password"))
    vacancy = journeys.publish_vacancy(officer)
    code = journeys.register_seeker(world.url)
    journeys.apply_for_job(world.url, vacancy, code)
    assert journeys.read_seeker(world.url, code)["applications"]


def test_11_a_letter_is_registered_disposed_and_closed(world: World) -> None:
    officer = journeys.Officer(world.url, "e-surat", world.secret("e-surat/officer_password"))
    letter = journeys.register_letter(officer)
    disposition = journeys.dispose_letter(officer, letter)
    journeys.follow_up(officer, letter, disposition)
    journeys.close_letter(officer, letter)


def test_12_containers_are_not_root_and_cannot_write_their_root(world: World) -> None:
    names = world.server.run(["docker", "ps", "--format", "{{.ID}}"]).stdout.split()
    assert len(names) >= 6
    template = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}}"
    for name in names:
        told = world.server.run(["docker", "inspect", "--format", template, name]).stdout.strip()
        assert told == "10001:10001 true"


def test_13_a_second_install_changes_nothing(world: World) -> None:
    before = world.server.run(["docker", "ps", "-q"]).stdout
    world.space.smartcity("install", REGION)
    assert world.server.run(["docker", "ps", "-q"]).stdout == before


def test_14_status_says_that_all_is_well(world: World) -> None:
    state = world.space.smartcity("status", REGION).json["servers"][0]
    assert state["current"] == world.first
    assert state["healthy"] is True
    assert {a["app"] for a in state["apps"]} >= {"postgres", "gateway", "laksa"}


def test_15_an_upgrade_of_code_moves_only_the_changed_layer(world: World) -> None:
    exercise.next_version(world.space.folder / "bundles", "laksa", "1.0.1")
    world.build()
    world.space.smartcity("select", REGION)
    world.space.smartcity("pack", REGION)
    layers = world.space.smartcity("inspect", REGION).json["layers"]
    before = world.space.smartcity("inspect", "again.tar").json["layers"]
    changed = {x["diff_id"] for x in layers} - {x["diff_id"] for x in before}
    assert len(changed) == 1
    deployed = world.space.smartcity("deploy", REGION).json
    sent = deployed["shipped"][0]["bytes_sent"]
    packed = sum(x["packed_bytes"] for x in layers if x["diff_id"] in changed)
    assert packed <= sent < packed + 150_000
    assert journeys.health(world.url, "laksa")["version"] == "1.0.1"


def test_16_the_complaint_is_still_there_after_the_upgrade(world: World) -> None:
    assert journeys.read_status(world.url, world.ticket)["colour"] == "kuning"


def test_17_rollback_needs_no_link_and_keeps_the_complaint(world: World) -> None:
    world.space.smartcity("rollback", REGION)
    assert journeys.health(world.url, "laksa")["version"] == "1.0.0"
    assert journeys.read_status(world.url, world.ticket)["colour"] == "kuning"


def test_18_an_upgrade_that_is_never_healthy_goes_back_by_itself(world: World) -> None:
    exercise.next_version(world.space.folder / "bundles", "laksa", "1.0.2")
    exercise.make_ill(world.space.folder / "bundles", "laksa")
    world.build()
    world.space.smartcity("select", REGION)
    # Differential: all but one layer is what the server has by release 1.
    packed = world.space.smartcity("pack", REGION, "--since", "1").json
    assert packed["held_layers"] == packed["layers"] - 1
    assert packed["size_bytes"] < 5_000_000
    outage = Outage(world.url)
    outage.start()
    ran = world.space.smartcity("deploy", REGION, code=13)
    outage.done.set()
    outage.join(10)
    said = ran.error["message"]
    assert "laksa" in said and "503" in said
    assert journeys.health(world.url, "laksa")["version"] == "1.0.0"
    assert journeys.read_status(world.url, world.ticket)["colour"] == "kuning"
    print(f"outage seen from outside: {outage.down_s:.1f} s; told: {said}")


def test_19_no_secret_is_in_what_a_person_may_send_away(world: World) -> None:
    root = world.server.path("/var/lib/smartcity")
    secrets = {p.read_text().strip() for p in (root / "secrets").rglob("*") if p.is_file()}
    assert len(secrets) >= 8
    looked = [root / "journal.jsonl", *(p for p in (root / "releases").rglob("*") if p.is_file())]
    looked += [p for p in world.space.folder.rglob("*") if p.is_file() and p.suffix != ".tar"]
    for path in looked:
        text = path.read_text(errors="replace")
        assert not [s for s in secrets if s in text], path


def test_20_uninstall_keeps_the_data_and_a_new_install_finds_it(world: World) -> None:
    world.space.smartcity("uninstall", REGION, "--yes")
    assert not world.server.run(["docker", "ps", "-aq"]).stdout.strip()
    shutil.copy(world.space.folder / "again.tar", world.space.folder / "first.tar")
    world.space.smartcity("deploy", "first.tar", "--allow-downgrade")
    assert journeys.read_status(world.url, world.ticket)["colour"] == "kuning"


def test_21_uninstall_with_purge_leaves_no_data(world: World) -> None:
    world.space.smartcity("uninstall", REGION, "--purge-data", "--yes")
    assert not world.server.run(["docker", "volume", "ls", "-q"]).stdout.strip()
    assert not list(Path(world.server.path("/var/lib/smartcity/secrets")).rglob("*/*"))
