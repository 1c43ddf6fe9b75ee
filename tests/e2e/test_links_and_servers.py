"""Links that break while the command runs, and a pemda with two servers."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
import yaml
from workspace import ROOT, Ran, Workspace

from smartcity_pkg.lab.lab import Lab
from tests.apps import journeys

pytestmark = pytest.mark.lab
REGION = "32.15"
BEKASI = ROOT / "examples/pemda/32.16-bekasi.yaml"


def wire_bytes(lab: Lab) -> int:
    """Bytes that left the operator's interface, headers of every packet included."""
    return int(Path(f"/sys/class/net/{lab.prefix}-office/statistics/tx_bytes").read_text())


def test_a_ship_killed_three_times_arrives_whole_with_little_resent(
    workspace: Workspace, lab: Lab
) -> None:
    server = lab.server("cut")
    workspace.profile(server, lab.client_key)
    workspace.smartcity("select", REGION)
    size = workspace.smartcity("pack", REGION).json["size_bytes"]
    server.rate(200_000_000)
    chance = random.Random(20261123)
    before = wire_bytes(lab)
    for _ in range(3):
        process = workspace.start("ship", REGION)
        assert process.stderr is not None
        enough = 0
        for line in process.stderr:
            event = json.loads(line)
            if event.get("event") != "transfer" or "layanan" not in event["text"]:
                continue
            enough = enough or event["done"] + chance.randrange(size // 6, size // 4)
            if event["done"] >= enough:
                process.kill()
                break
        process.communicate()
    server.rate(None)
    workspace.smartcity("ship", REGION)
    resent = wire_bytes(lab) - before - size
    print(f"bundle {size:,} bytes, resent after three kills: {resent:,} ({resent / size:.1%})")
    assert resent < 0.05 * size
    assert workspace.smartcity("ship", REGION).json["servers"][0]["bytes_sent"] < 100_000
    server.remove()


def test_a_black_hole_is_noticed_within_15_s_and_the_next_run_finishes(
    workspace: Workspace, lab: Lab
) -> None:
    server = lab.server("hole")
    workspace.profile(server, lab.client_key)
    server.rate(50_000_000)
    process = workspace.start("ship", REGION)
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line)
        if (
            event.get("event") == "transfer"
            and event["done"] > 3_000_000
            and ("layanan" in event["text"])
        ):
            break
    server.black_hole(True)
    began = time.monotonic()
    noticed = next(line for line in process.stderr if json.loads(line).get("event") == "note")
    waited = time.monotonic() - began
    print(f"black hole noticed after {waited:.1f} s: {json.loads(noticed)['text']}")
    assert waited < 15
    process.kill()
    process.communicate()
    server.black_hole(False)
    server.rate(None)
    workspace.smartcity("ship", REGION)
    server.remove()


def test_a_pemda_with_two_servers_gets_each_its_apps(workspace: Workspace, lab: Lab) -> None:
    servers = [lab.server("bekasi-1"), lab.server("bekasi-2")]
    data = yaml.safe_load(BEKASI.read_text())
    for entry, server in zip(data["servers"], servers, strict=True):
        entry["ssh"] = {
            "host": server.address,
            "user": "deploy",
            "host_key": server.host_key,
            "key_file": str(lab.client_key),
        }
    (workspace.folder / "pemda" / BEKASI.name).write_text(yaml.safe_dump(data, sort_keys=False))
    plan = workspace.smartcity("select", "32.16").json
    workspace.smartcity("pack", "32.16")
    workspace.smartcity("deploy", "32.16")
    urls = {e["name"]: f"http://{s.address}" for e, s in zip(data["servers"], servers, strict=True)}
    services = [a for a in plan["apps"] if a["app"] not in ("postgres", "gateway")]
    assert {a["servers"][0] for a in services} == set(urls)
    for app in services:
        assert journeys.health(urls[app["servers"][0]], app["app"])["status"] == "ok"
    told: Ran = workspace.smartcity("status", "32.16")
    assert all(s["healthy"] for s in told.json["servers"])
    for server in servers:
        server.remove()
