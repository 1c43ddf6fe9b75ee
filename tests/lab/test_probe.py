"""`pemda probe` and `catalogue measure` on real practice servers: facts, files, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from smartcity_pkg.catalogue.catalogue import load_catalogue
from smartcity_pkg.catalogue.pemda import Measured
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.lab import exercise
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("probe")
    yield server
    server.remove()


@pytest.fixture
def workspace(lab: Lab, server: Server, tmp_path: Path) -> Path:
    """A folder with Karawang's profile, comments and all, whose server is the practice server."""
    text = (ROOT / "examples/pemda/32.15-karawang.yaml").read_text()
    address = (
        f"host: {server.address}   # balai kota\n"
        f'      host_key: "{server.host_key}"\n      key_file: {lab.client_key}'
    )
    text = text.replace("host: layanan.karawang.example", address)
    text = text.replace("      user: smartcity\n", "")
    (tmp_path / "pemda").mkdir()
    (tmp_path / "pemda/32.15-karawang.yaml").write_text(text)
    return tmp_path


def smartcity(workspace: Path, *words: str, code: int = 0) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "smartcity_pkg", "--json", *words],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    answer: dict[str, object] = json.loads(done.stdout) if code == 0 else {}
    return answer


def test_a_probe_writes_facts_and_nothing_else(workspace: Path, server: Server) -> None:
    file = workspace / "pemda/32.15-karawang.yaml"
    before = file.read_text()
    dry = smartcity(workspace, "pemda", "probe", "32.15", "--dry-run", "--date", "2026-11-20")
    assert file.read_text() == before
    assert "+    measured:" in str(dry["difference"])
    smartcity(workspace, "pemda", "probe", "32.15", "--date", "2026-11-20")
    after = file.read_text().splitlines()
    assert [line for line in before.splitlines() if line not in after] == []
    measured = load_pemda(file).servers[0].measured
    assert isinstance(measured, Measured)
    assert measured.date == date(2026, 11, 20)
    cpus = server.run(["nproc"]).stdout.strip()
    assert measured.cpus == float(cpus)
    assert (
        measured.engine
        == server.run(["docker", "version", "-f", "{{.Server.Version}}"]).stdout.strip()
    )
    assert measured.architecture == "amd64"
    assert measured.upload_mbps
    assert measured.upload_mbps > 10
    assert measured.download_mbps
    assert measured.round_trip_ms


def test_what_differs_from_the_profile_is_listed_and_left(workspace: Path) -> None:
    file = workspace / "pemda/32.15-karawang.yaml"
    file.write_text(file.read_text().replace("memory_gib: 8", "memory_gib: 4096"))
    answer = smartcity(workspace, "pemda", "probe", "32.15")
    (one,) = answer["servers"]  # type: ignore[misc]
    fields = {row["field"]: row for row in one["differs"]}
    assert fields["memory_gib"]["declared"] == "4096"
    assert load_pemda(file).servers[0].memory_gib == 4096


def test_a_shaped_link_is_seen_as_it_is(workspace: Path, server: Server) -> None:
    server.rate(8_000_000)
    try:
        answer = smartcity(workspace, "pemda", "probe", "32.15", "--dry-run")
    finally:
        server.rate(None)
    measured = answer["servers"][0]["measured"]  # type: ignore[index]
    assert 4 < measured["upload_mbps"] < 9
    assert 4 < measured["download_mbps"] < 9


def test_an_example_of_ours_is_not_written(tmp_path: Path) -> None:
    smartcity(tmp_path, "pemda", "probe", "32.16", code=2)


def test_measuring_an_app_proposes_what_it_was_seen_to_use(tmp_path: Path) -> None:
    # Whoever measures does not know the limits yet: the policy must not stand in the way.
    exercise.copy_catalogue(ROOT / "bundles", tmp_path / "bundles")
    laksa = tmp_path / "bundles/laksa/compose.yaml"
    limits = '        limits: {cpus: "0.50", memory: 192M}\n'
    assert limits in laksa.read_text()
    laksa.write_text(laksa.read_text().replace(limits, ""))
    answer = smartcity(tmp_path, "catalogue", "measure", "laksa", "--seconds", "10")
    web = answer["services"]["web"]  # type: ignore[index]
    assert web["rest_bytes"] > 5 << 20
    assert answer["requests"] > 10  # type: ignore[operator]
    proposal = answer["proposal"]
    resources = proposal["services"]["web"]["deploy"]["resources"]  # type: ignore[index]
    assert resources["reservations"]["memory"].endswith("M")
    assert float(resources["reservations"]["cpus"]) > 0
    assert sum(proposal["x-smartcity"]["image_layers"].values()) > 20  # type: ignore[index]
    install = answer["install"]
    # The engine alone takes more than this while it loads the app's 117 MiB of layers.
    assert install["above_steady_bytes"] > 16 << 20  # type: ignore[index]
    assert install["containers_bytes"] > web["rest_bytes"] / 4  # type: ignore[index]
    peak_mib = proposal["x-smartcity"]["install_peak_mib"]  # type: ignore[index]
    assert install["above_steady_bytes"] <= peak_mib << 20  # type: ignore[index]
    assert peak_mib < 400
    assert yaml.safe_dump(proposal)
    assert not any((tmp_path / name).exists() for name in ("plans", "keys", "policy.yaml"))


def test_what_a_migration_takes_is_part_of_the_install_peak(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bundles", tmp_path / "bundles")
    file = tmp_path / "bundles/laksa/compose.yaml"
    greedy = "import time; taken = bytearray(b'x') * (150 << 20); time.sleep(1)"
    usual = "command: [python3, -m, app, migrate]"
    text = file.read_text()
    assert usual in text
    hungry = f"""command: [sh, -c, "python3 -c \\"{greedy}\\" && exec python3 -m app migrate"]"""
    file.write_text(text.replace(usual, hungry))
    answer = smartcity(tmp_path, "catalogue", "measure", "laksa", "--seconds", "4", "--write")
    above_mib = answer["install"]["above_steady_bytes"] >> 20  # type: ignore[index]
    # Its own later memory at rest and what the engine still holds stand on either side.
    assert 100 < above_mib < 300
    written = load_catalogue(tmp_path / "bundles").app("laksa").spec.install_peak_mib
    assert above_mib <= written <= above_mib * 1.25 + 17
