"""What must be refused, with the place and the cure, and nothing changed on the server."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from workspace import KARAWANG, Workspace

from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
REGION = "32.15"


@pytest.fixture(scope="module")
def bundle(workspace: Workspace) -> Path:
    """A packed release; a refusal must come before it reaches a server."""
    workspace.smartcity("select", REGION)
    return workspace.folder / workspace.smartcity("pack", REGION).json["bundle"]


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("strict")
    yield server
    server.remove()


@pytest.fixture
def untouched(server: Server) -> Iterator[None]:
    """Afterwards, nothing of ours is on the server."""
    yield
    assert not server.run(["docker", "ps", "-aq"]).stdout.strip()
    assert not server.run(["docker", "images", "-q"]).stdout.strip()
    assert not server.run(["sh", "-c", "ls /var/lib/smartcity/releases 2>/dev/null"]).stdout


def other_key(server: Server) -> str:
    """A well-formed host key that is not the server's."""
    kind, body = server.host_key.split()
    return f"{kind} {body[:-8]}{'AAAAAAAA' if body[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}"


def test_a_changed_host_key_is_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key, host_key=other_key(server))
    ran = workspace.smartcity("deploy", str(bundle), code=12)
    assert ran.error["code"] == "host-key"
    assert "SHA256:" in ran.error["message"]
    assert ran.error["hint"]


def test_an_unknown_host_key_is_shown_not_accepted(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key, host_key=None)
    ran = workspace.smartcity("deploy", str(bundle), code=12)
    assert ran.error["code"] == "host-key"
    assert server.host_key.split()[1] in ran.error["message"] + ran.error["hint"]


def test_a_user_without_rights_is_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key, user="nosudo")
    ran = workspace.smartcity("deploy", str(bundle), code=12)
    assert ran.error["code"] == "login"
    assert "sudo" in ran.error["message"] + ran.error["hint"]


def test_an_unknown_user_is_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key, user="budi")
    ran = workspace.smartcity("deploy", str(bundle), code=12)
    assert ran.error["code"] == "login"
    assert "budi" in ran.error["message"]


def test_a_flipped_byte_is_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key)
    broken = workspace.folder / "broken.tar"
    data = bytearray(bundle.read_bytes())
    data[random.Random(7).randrange(len(data) // 2, len(data) - 20_000)] ^= 1
    broken.write_bytes(data)
    for command in ("verify", "deploy"):
        ran = workspace.smartcity(command, "broken.tar", code=10)
        assert "sha256:" in ran.error["message"]


def test_a_foreign_signature_is_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.smartcity("key", "new", "--no-password", "--out", "other/foreign.key")
    workspace.profile(server, lab.client_key)
    workspace.smartcity("deploy", str(bundle), "--key", "other/foreign.pub", code=10)


def test_too_few_signatures_and_a_revoked_key_are_refused(
    workspace: Workspace, server: Server, lab: Lab, bundle: Path, untouched: None
) -> None:
    workspace.profile(server, lab.client_key)
    ring = workspace.folder / "keys/trusted.yaml"
    try:
        workspace.smartcity("key", "new", "--no-password", "--out", "other/second.key")
        workspace.smartcity("key", "trust", "other/second.pub", "--name", "kedua")
        ring.write_text(ring.read_text().replace("threshold: 1", "threshold: 2"))
        ran = workspace.smartcity("deploy", str(bundle), code=10)
        assert "asks for 2" in ran.error["message"]
        workspace.smartcity("sign", str(bundle), "--key", "other/second.key")
        workspace.smartcity("verify", str(bundle))
        workspace.smartcity("key", "revoke", "kedua", "--reason", "laptop hilang")
        ran = workspace.smartcity("deploy", str(bundle), code=10)
        assert "laptop hilang" in ran.error["message"]
    finally:
        ring.unlink(missing_ok=True)


def test_a_server_without_docker_is_refused(workspace: Workspace, lab: Lab, bundle: Path) -> None:
    server = lab.server("bare", engine=False)
    try:
        workspace.profile(server, lab.client_key)
        ran = workspace.smartcity("deploy", str(bundle), code=None)
        assert ran.code in (1, 15)
        assert "Docker" in ran.error["message"]
        assert "docker" in ran.error["hint"]
        assert not server.path("/var/lib/smartcity/releases").exists()
    finally:
        server.remove()


def test_a_full_disk_is_refused_and_nothing_is_half_there(
    workspace: Workspace, lab: Lab, bundle: Path
) -> None:
    server = lab.server("small", store_disk_mib=64)
    try:
        workspace.profile(server, lab.client_key)
        ran = workspace.smartcity("deploy", str(bundle), code=None)
        assert ran.code in (1, 15)
        assert "MB" in ran.error["message"] or "GB" in ran.error["message"]
        offers = server.path("/var/lib/smartcity/store/releases")
        assert not offers.exists() or not list(offers.iterdir())
        assert not server.run(["docker", "ps", "-aq"]).stdout.strip()
    finally:
        server.remove()


def _no_quotes(text: str) -> str:
    return text.replace('region: "32.15"', "region: 32.15").replace(
        "region: '32.15'", "region: 32.15"
    )


def _unknown_field(text: str) -> str:
    return text + "\nwarna: merah\n"


def _unsatisfiable(text: str) -> str:
    data = yaml.safe_load(text)
    data["choice"] = {"must": ["laksa"]}
    data["servers"] = [{**data["servers"][0], "memory_gib": 1.25}]
    return yaml.safe_dump(data)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (_no_quotes, 20, 'region: "32.15"'),
        (_unknown_field, 20, "warna"),
        (_unsatisfiable, 16, "MiB"),
    ],
)
def test_a_wrong_profile_is_refused_with_the_cure(
    tmp_path: Path, change: Callable[[str], str], code: int, said: str
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(change(KARAWANG.read_text()))
    ran = Workspace(tmp_path).smartcity("select", str(profile), code=code)
    assert said in ran.error["message"] + ran.error["hint"]
    assert not (tmp_path / "plans").exists()
    if code == 20:
        assert all(problem["line"] for problem in ran.error["problems"])


def test_an_undefined_name_in_a_template_is_refused(workspace: Workspace) -> None:
    template = workspace.folder / "bundles/laksa/templates/app.json.j2"
    before = template.read_text()
    workspace.smartcity("select", REGION)
    template.write_text(before + "{{ settings.kontak }}\n")
    try:
        workspace.smartcity("select", REGION)
        ran = workspace.smartcity("render", REGION, "--out", "rendered", code=20)
        problem = ran.error["problems"][0]
        assert problem["file"].endswith("laksa/templates/app.json.j2")
        assert problem["line"]
        assert "kontak" in problem["message"]
        assert not (workspace.folder / "rendered").exists()
    finally:
        template.write_text(before)


@pytest.mark.parametrize("shape", ["missing", "cycle"])
def test_a_broken_dependency_is_refused(tmp_path: Path, shape: str) -> None:
    from workspace import ROOT

    from smartcity_pkg.lab import exercise

    exercise.copy_catalogue(ROOT / "bundles", tmp_path / "bundles")
    compose = tmp_path / "bundles/postgres/compose.yaml"
    wanted = "laksa" if shape == "cycle" else "mongodb"
    compose.write_text(
        compose.read_text().replace("requires: []", f"requires: [{{app: {wanted}}}]")
    )
    ran = Workspace(tmp_path).smartcity("catalogue", "lint", code=20)
    assert wanted in ran.error["message"]
    assert all(p["file"].endswith("compose.yaml") and p["line"] for p in ran.error["problems"])
