"""`ship` as people run it: what is refused on the line, several servers, a registry between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from private_registry import need_registry, private_registry
from workspace import ROOT, Workspace

from smartcity_pkg.lab import unbased
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

REGION = "32.16"
BEKASI = ROOT / "examples/pemda/32.16-bekasi.yaml"


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a key, a plan for two servers and a release."""
    folder = tmp_path_factory.mktemp("shipping")
    unbased.write_layout(ROOT / "bundles", folder / "layout")
    space = Workspace(folder / "kominfo")
    space.folder.mkdir()
    space.environment["SMARTCITY_CACHE"] = str(folder / "cache")
    space.smartcity("key", "new", "--no-password")
    space.smartcity("select", REGION)
    space.smartcity("pack", REGION, "--images", f"oci:{folder / 'layout'}")
    return space.folder


@pytest.fixture
def space(_template: Path, tmp_path: Path) -> Workspace:
    """A copy of that workspace."""
    folder = tmp_path / "kominfo"
    shutil.copytree(_template, folder)
    return Workspace(folder, environment={"SMARTCITY_CACHE": str(tmp_path / "cache")})


def write_profile(space: Workspace, *ssh: dict[str, Any]) -> list[str]:
    """Bekasi's profile with these addresses; the servers' names."""
    data = yaml.safe_load(BEKASI.read_text())
    for server, address in zip(data["servers"], ssh, strict=True):
        server["ssh"] = address
    path = space.folder / "pemda" / BEKASI.name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return [server["name"] for server in data["servers"]]


NOWHERE = {"host": "127.0.0.1", "port": 1}


@pytest.mark.parametrize(
    "words",
    [
        ("--limit", "2mb/s"),
        ("--window", "22-5"),
        ("--parallel", "0"),
        ("--to", "merpati"),
        ("--to", "registry:nohost"),
        ("--to", "registry:r.example:5000/a", "--dry-run"),
        ("--to", "registry:r.example:5000/a", "--limit", "2mb/s"),
        ("--plain-http",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    space: Workspace, words: tuple[str, ...]
) -> None:
    write_profile(space, NOWHERE, NOWHERE)
    ran = space.smartcity("ship", REGION, *words, code=2)
    assert ran.out == ""
    assert not ran.events


def test_one_cause_for_all_servers_is_the_exit_code(space: Workspace) -> None:
    names = write_profile(space, NOWHERE, NOWHERE)
    ran = space.smartcity("ship", REGION, code=12)
    assert ran.error["code"] == "unreachable"
    assert all(name in ran.error["message"] for name in names)
    assert [f["server"] for f in ran.json["failed"]] == names
    assert ran.json["servers"] == []


def test_one_server_alone_has_no_document_when_it_fails(space: Workspace) -> None:
    names = write_profile(space, NOWHERE, NOWHERE)
    ran = space.smartcity("ship", REGION, "--server", names[0], code=12)
    assert ran.out == ""
    assert "127.0.0.1" in ran.error["message"]


@pytest.fixture
def server(lab: Lab) -> Iterator[Server]:
    server = lab.server("cli-ship")
    yield server
    server.remove()


def address_of(lab: Lab, server: Server) -> dict[str, Any]:
    return {
        "host": server.address,
        "user": "deploy",
        "host_key": server.host_key,
        "key_file": str(lab.client_key),
    }


@pytest.mark.lab
def test_a_server_that_fails_stops_no_other(space: Workspace, lab: Lab, server: Server) -> None:
    names = write_profile(space, address_of(lab, server), NOWHERE)
    ran = space.smartcity("ship", REGION, "--limit", "400Mbit/s", code=12)
    assert [s["server"] for s in ran.json["servers"]] == names[:1]
    assert [(f["server"], f["code"]) for f in ran.json["failed"]] == [(names[1], "unreachable")]
    assert names[1] in ran.error["message"]
    transfers = [e for e in ran.events if e["event"] == "transfer" and "ship" in e["task"]]
    assert transfers[-1]["done"] == transfers[-1]["total"] > 0
    # `deploy` does not install half of a pemda.
    ran = space.smartcity("deploy", REGION, code=12)
    assert ran.json["installed"] == []
    assert ran.json["shipped"][0]["already_there"]


@pytest.mark.lab
def test_images_come_from_the_pemdas_registry(space: Workspace, lab: Lab, tmp_path: Path) -> None:
    need_registry()
    with private_registry(tmp_path / "registry", bind=lab.operator_address) as registry:
        trust = f"--insecure-registry={registry.host}"
        servers = [lab.server(f"cli-tarik{n}", dockerd_options=(trust,)) for n in range(2)]
        write_profile(space, *(address_of(lab, s) for s in servers))
        place = f"registry:{registry.host}/kominfo/bekasi"
        said = space.smartcity("ship", REGION, "--to", place, "--plain-http")
        for report in said.json["servers"]:
            assert {layer["outcome"] for layer in report["layers"]} == {"engine"}
        uploads = registry.requests("PATCH", "/blobs/uploads/")
        assert uploads or registry.requests("PUT", "/blobs/uploads/")
        again = space.smartcity("ship", REGION, "--to", place, "--plain-http")
        assert all(report["already_there"] for report in again.json["servers"])
        assert registry.requests("PATCH", "/blobs/uploads/") == uploads
        for server in servers:
            server.remove()
