"""LAKSA's data over a whole life: backed up, copied away, the server lost, a new one, put back."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_releases import CHOICE
from workspace import Workspace

from smartcity_pkg.lab import exercise, images
from smartcity_pkg.lab.lab import Lab
from tests.apps import journeys

pytestmark = pytest.mark.lab
REGION = "32.15"
STORE = "/var/lib/smartcity"


class Life:
    """What one step leaves for the next."""

    def __init__(self, lab: Lab, space: Workspace) -> None:
        self.lab = lab
        self.space = space
        self.server = lab.server("lama")
        self.disk = space.folder / "disk"
        self.disk.mkdir()
        self.second = lab.server("cadangan", engine=False)
        self.identity = space.folder / "pemda-identity.txt"
        self.tickets: list[str] = []
        self.data: tuple[str, str] = ("", "")
        self.aim()

    def aim(self) -> None:
        """Let the profile name the server that is alive, and only LAKSA of the services."""
        self.space.profile(self.server, self.lab.client_key, choice=CHOICE)

    @property
    def far(self) -> list[str]:
        """The second place over SSH, as options are followed by it."""
        return [f"ssh://root@{self.second.address}/srv/cadangan", "--ssh-key",
                str(self.lab.client_key)]  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    def secret(self, name: str) -> str:
        return self.server.path(f"{STORE}/secrets/{name}").read_text().strip()

    def sh(self, text: str) -> str:
        done = self.server.run(["sh", "-euc", text])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def all_data(self) -> tuple[str, str]:
        """Every row and sequence of LAKSA's database, and the sum of every file."""
        psql = (
            "docker exec smartcity-postgres-postgres-1 /usr/lib/postgresql/17/bin/psql"
            " -h /tmp/postgresql -U postgres -d laksa -At -c"
        )
        asked = [f"TABLE {name} ORDER BY 1" for name in ("complaints", "events")]
        asked += ["TABLE schema_migrations ORDER BY 1", "TABLE pg_sequences"]
        rows = "".join(self.sh(f'{psql} "{query}"') for query in asked)
        files = self.sh(
            "docker exec smartcity-laksa-web-1 sh -c"
            " 'cd /data; find . -type f | sort | xargs sha256sum'"
        )
        return rows, files


@pytest.fixture(scope="module")
def life(lab: Lab, workspace: Workspace) -> Iterator[Life]:
    living = Life(lab, workspace)
    yield living
    living.server.remove()
    living.second.remove()


def photo(number: int) -> bytes:
    """A PNG that no other complaint has: what follows its end is a photo's ballast."""
    return journeys.PNG + zlib.compress(str(number).encode() * 1000) * 500


def test_01_citizens_file_complaints_with_photos(life: Life) -> None:
    life.space.smartcity("select", REGION)
    life.space.smartcity("pack", REGION)
    life.space.smartcity("deploy", REGION)
    life.tickets = [journeys.file_complaint(life.url, photo=photo(n)) for n in range(12)]
    officer = journeys.Officer(life.url, "laksa", life.secret("laksa/officer_password"))
    journeys.answer_complaint(officer, life.tickets[0], "diproses", "Petugas menuju lokasi.")
    life.data = life.all_data()
    assert all(t in life.data[0] for t in life.tickets)
    assert life.data[1].count("uploads/") == 12


def test_02_a_backup_is_made_and_proven(life: Life) -> None:
    (made,) = life.space.smartcity("backup", "create", REGION).json["backups"]
    assert (made["app"], made["verified"]) == ("laksa", True)
    (listed,) = life.space.smartcity("backup", "list", REGION).json["backups"]
    assert listed["name"] == made["name"]
    (proven,) = life.space.smartcity("backup", "verify", REGION).json["backups"]
    assert proven["sound"] is True
    folder = f"{STORE}/backups/{made['name']}"
    # What the format document says: readable without our tools.
    names = life.sh(f"tar -tf {folder}/data").splitlines()
    assert names[0] == "database/00000000"
    assert len([n for n in names if n.startswith("files/uploads/")]) == 12


def test_03_without_a_key_nothing_is_copied_and_with_one_nothing_is_readable(life: Life) -> None:
    refused = life.space.smartcity("backup", "copy", REGION, "--to", "disk", code=2)
    assert "backup key" in refused.error["hint"]
    key = life.space.smartcity("backup", "key", "--out", str(life.identity)).json
    assert life.identity.stat().st_mode & 0o777 == 0o600
    (done,) = life.space.smartcity(
        "backup", "copy", REGION, "--to", "disk", "--recipient", key["recipient"]
    ).json["copies"]
    assert done["sent_bytes"] > 12 * 1000
    copies = [p for p in life.disk.rglob("*") if p.is_file()]
    assert sorted(p.name for p in copies) == ["data.age", "manifest.json"]
    assert not [p for p in copies if life.tickets[0].encode() in p.read_bytes()]


def test_04_a_second_server_holds_copies_once_its_host_key_is_known(life: Life) -> None:
    recipient = life.identity.read_text().splitlines()[0].removeprefix("# public key: ")
    line = ("backup", "copy", REGION, "--recipient", recipient, "--to", *life.far)
    unknown = life.space.smartcity(*line, code=12)
    assert life.second.host_key.split()[1] in unknown.error["message"]
    known = life.space.folder / "home/.ssh/known_hosts"
    known.parent.mkdir(exist_ok=True)
    known.write_text(f"{life.second.address} {life.second.host_key}\n")
    (done,) = life.space.smartcity(*line).json["copies"]
    assert done["sent_bytes"] > 12 * 1000
    (again,) = life.space.smartcity(*line).json["copies"]
    assert again["sent_bytes"] == 0
    (there,) = life.space.smartcity("backup", "list", REGION, "--from", *life.far).json["backups"]
    assert there["name"] == done["name"]
    (sound,) = life.space.smartcity("backup", "verify", REGION, "--from", *life.far).json["backups"]
    assert sound["sound"] is True
    folder = life.second.path("/srv/cadangan")
    copies = [p for p in folder.rglob("*") if p.is_file()]
    assert sorted(p.name for p in copies) == ["data.age", "manifest.json"]
    assert all(p.stat().st_mode & 0o077 == 0 for p in copies)
    assert not [p for p in copies if life.tickets[0].encode() in p.read_bytes()]


def test_05_the_timer_backs_up_by_the_servers_own_shell(life: Life) -> None:
    (done,) = life.space.smartcity(
        "backup", "schedule", REGION, "--daily", "02:30", "--keep", "1"
    ).json["servers"]
    for _night in range(2):
        life.sh(done["command"])
    found = life.space.smartcity("backup", "list", REGION).json["backups"]
    assert [b["why"] for b in found] == ["command", "schedule"]


def test_06_no_secret_is_in_what_was_made(life: Life) -> None:
    root = life.server.path(STORE)
    secrets = {p.read_text().strip() for p in (root / "secrets").rglob("*") if p.is_file()}
    secrets.add(life.identity.read_text().splitlines()[-1])
    looked = [root / "journal.jsonl", root / "backup.sh"]
    looked += [p for p in (root / "backups").rglob("*") if p.is_file()]
    looked += [p for p in life.disk.rglob("*") if p.is_file()]
    looked += [p for p in life.second.path("/srv/cadangan").rglob("*") if p.is_file()]
    assert len(secrets) >= 4
    for path in looked:
        content = path.read_bytes()
        assert not [s for s in secrets if s.encode() in content], path


def test_07_the_databases_password_is_changed_and_nobody_notices(life: Life) -> None:
    def password() -> str:
        return life.secret("laksa/db_password")

    def log_in(word: str) -> str:
        """What PostgreSQL answers to LAKSA's user, asked as the app asks it: over the network."""
        psql = "/usr/lib/postgresql/17/bin/psql -h postgres -U laksa -d laksa -At -c 'SELECT 42'"
        done = life.server.run(
            ["docker", "exec", "--env", f"PGPASSWORD={word}", "smartcity-postgres-postgres-1",
             "sh", "-c", psql],
        )  # fmt: skip
        return (done.stdout + done.stderr).strip()

    old, before = password(), life.all_data()
    assert log_in(old) == "42"
    (report,) = life.space.smartcity("secret", "rotate", REGION, "laksa", "db_password").json[
        "servers"
    ]
    assert set(report["restarted"]) == {"postgres", "laksa"}
    assert password() != old
    assert log_in(password()) == "42"
    assert "password authentication failed" in log_in(old)
    assert life.all_data() == before
    assert journeys.read_status(life.url, life.tickets[0])["colour"] == "kuning"
    ticket = journeys.file_complaint(life.url)
    assert journeys.read_status(life.url, ticket)["colour"] == "merah"
    assert life.space.smartcity("status", REGION).json["servers"][0]["healthy"] is True
    # The hooks take the new password too.
    (made,) = life.space.smartcity("backup", "create", REGION).json["backups"]
    assert made["verified"] is True


def test_08_the_server_is_lost_and_a_new_one_has_all_data(life: Life) -> None:
    life.server.remove()
    life.server = life.lab.server("baru")
    life.aim()
    began = time.monotonic()
    life.space.smartcity("deploy", REGION)
    deployed_s = time.monotonic() - began
    assert life.all_data() != life.data
    wrong = life.space.smartcity(
        "backup", "restore", REGION, "--app", "laksa", "--from", "disk", "--yes", code=2
    )
    assert "--identity" in wrong.error["hint"]
    report = life.space.smartcity(
        "backup", "restore", REGION, "--app", "laksa", "--from", *life.far,
        "--identity", str(life.identity), "--yes",
    ).json  # fmt: skip
    total_s = time.monotonic() - began
    assert life.all_data() == life.data
    assert report["took_s"] > 0
    seen = journeys.read_status(life.url, life.tickets[0])
    assert seen["colour"] == "kuning"
    assert journeys.fetch(life.url, seen["photo"]) == photo(0)
    officer = journeys.Officer(life.url, "laksa", life.secret("laksa/officer_password"))
    journeys.answer_complaint(officer, life.tickets[1], "selesai", "Sudah diperbaiki.")
    print(
        f"back after the loss of the server: {total_s:.0f} s, of which deploying {deployed_s:.0f} s"
        f" and putting back {report['took_s']:.1f} s"
    )


def test_09_going_back_from_an_upgrade_can_bring_the_data_of_before(life: Life) -> None:
    before = life.all_data()
    exercise.next_version(life.space.folder / "bundles", "laksa", "1.0.1")
    images.build_app_images(life.space.docker_host, life.space.folder / "bundles")
    life.space.smartcity("select", REGION)
    life.space.smartcity("pack", REGION)
    (installed,) = life.space.smartcity("deploy", REGION).json["installed"]
    assert len(installed["backups"]) == 1
    journeys.file_complaint(life.url)
    (back,) = life.space.smartcity("rollback", REGION, "--with-data", "--yes").json["servers"]
    assert back["data"][0]["backup"] == installed["backups"][0]
    assert life.all_data() == before
    assert journeys.health(life.url, "laksa")["version"] == "1.0.0"
    saved = f"{STORE}/backups/{back['data'][0]['saved']}"
    assert Path(life.server.path(saved)).is_dir()
