"""What a bundle may ask for, on a real server: walls around what runs, and refusals before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from bundle_forge import Files, blob, edited, read_folder, replaced, roots, write_folder
from workspace import Workspace

from smartcity_pkg.bundle import ustar
from smartcity_pkg.bundle.keys import SigningKey, load_signing_key
from smartcity_pkg.core import digest
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server
from smartcity_pkg.render import hardening

pytestmark = pytest.mark.lab
REGION = "32.15"
REASON = "Tries on the practice server what a policy lets through"


@pytest.fixture(scope="module")
def server(lab: Lab, workspace: Workspace) -> Iterator[Server]:
    server = lab.server("policy")
    workspace.profile(server, lab.client_key)
    yield server
    server.remove()


@pytest.fixture
def small(workspace: Workspace, server: Server) -> Iterator[Workspace]:
    """A plan of LAKSA and what it requires; the catalogue is put back at the end."""
    path = workspace.folder / "bundles/laksa/compose.yaml"
    before = path.read_text()
    profile = next((workspace.folder / "pemda").glob("32.15*"))
    data = yaml.safe_load(profile.read_text())
    data["choice"] = {"must": ["laksa"], "exclude": ["perizinan", "siap-kerja", "e-surat"]}
    profile.write_text(yaml.safe_dump(data, sort_keys=False))
    workspace.smartcity("select", REGION)
    yield workspace
    path.write_text(before)
    (workspace.folder / "policy.yaml").unlink(missing_ok=True)


def add(space: Workspace, line: str) -> None:
    """Add a key to LAKSA's service."""
    path = space.folder / "bundles/laksa/compose.yaml"
    text = path.read_text()
    before = "    stop_grace_period: 30s\n"
    assert text.count(before) == 1
    path.write_text(text.replace(before, f"    {line}\n{before}"))


def containers(server: Server) -> dict[str, dict[str, Any]]:
    """What the engine says of each running container, by app."""
    ids = server.run(["docker", "ps", "-q"]).stdout.split()
    found = json.loads(server.run(["docker", "inspect", *ids]).stdout) if ids else []
    return {c["Config"]["Labels"]["smartcity.app"]: c for c in found}


def changed_on(server: Server) -> list[str]:
    """All that an installation would have changed."""
    look = "docker ps -aq; docker images -q; docker volume ls -q; ls /var/lib/smartcity/releases"
    return server.run(["sh", "-c", f"{{ {look}; }} 2>/dev/null"]).stdout.split()


def test_what_one_app_may_not_ask_for_is_refused_at_lint_and_at_pack(small: Workspace) -> None:
    add(small, "privileged: true")
    for command in (("catalogue", "lint"), ("pack", REGION)):
        ran = small.smartcity(*command, code=20)
        assert "laksa/compose.yaml" in ran.error["message"]
        assert "[SC020]" in ran.error["message"]
        assert "policy.yaml" in ran.error["hint"]
    assert not list((small.folder / "releases").rglob("*.tar"))


def test_a_secret_in_the_configuration_stops_pack(small: Workspace) -> None:
    value = "kD8s2" + "Lq0Zp7xW4v"
    add(small, f"environment: {{SMTP_PASSWORD: {value}}}")
    ran = small.smartcity("pack", REGION, code=20)
    assert "SMTP_PASSWORD" in ran.error["message"]
    assert "laksa/compose.yaml" in ran.error["message"]
    assert value[:3] not in ran.out + ran.err


def forged(space: Workspace, key: SigningKey, **changes: Any) -> Files:
    """A good bundle in which somebody with the key makes LAKSA's service say more.

    The rendered file, its digest in the release, the release and the root fit together again.
    """
    space.smartcity("pack", REGION, "--out", "good", "--serial", "9")
    files = read_folder(space.folder / "good")
    root = roots(files)[0]["digest"]
    entry = json.loads(blob(files, root))["manifests"][-1]
    manifest = json.loads(blob(files, entry["digest"]))
    tar_digest = manifest["layers"][0]["digest"]
    rendered = ustar.unpack(blob(files, tar_digest))
    name = next(n for n in rendered if n.endswith("/laksa/compose.smartcity.yaml"))
    document = yaml.safe_load(rendered[name])
    document["services"]["web"].update(changes)
    rendered = {**rendered, name: yaml.safe_dump(document).encode()}
    new_tar = ustar.pack(rendered)
    result = replaced(files, tar_digest, new_tar, key)
    root = roots(result)[0]["digest"]
    entry = json.loads(blob(result, root))["manifests"][-1]
    release = json.loads(blob(result, entry["digest"]))["config"]["digest"]

    def adapt(value: Any) -> None:
        value["files_digest"] = digest.of_bytes(new_tar)
        value["files"][name] = digest.of_bytes(rendered[name])

    return replaced(result, release, edited(blob(result, release), adapt), key)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"privileged": True}, "SC020"),
        ({"volumes": ["/var/run/docker.sock:/s"]}, "SC022"),
        ({"post_start": [{"command": "id", "privileged": True}]}, "SC031"),
    ],
    ids=["privileged", "socket", "hook"],
)
def test_a_hostile_bundle_is_refused_before_anything_changes(
    small: Workspace, server: Server, changes: dict[str, Any], rule: str
) -> None:
    key = load_signing_key(small.folder / "keys/release.key")
    name = f"evil-{rule}"
    write_folder(small.folder / name, forged(small, key, **changes))
    small.smartcity("verify", name)
    before = changed_on(server)
    ran = small.smartcity("deploy", name, code=15)
    assert f"[{rule}]" in ran.error["message"]
    assert "laksa/web" in ran.error["message"]
    assert ran.error["hint"]
    assert changed_on(server) == before


def test_everything_runs_behind_walls(small: Workspace, server: Server) -> None:
    small.smartcity("pack", REGION, "--serial", "20")
    small.smartcity("deploy", REGION)
    found = containers(server)
    assert set(found) == {"postgres", "gateway", "laksa"}
    for app, container in found.items():
        host = container["HostConfig"]
        assert not host["Privileged"], app
        assert host["CapDrop"] == ["ALL"], app
        assert not host["CapAdd"], app
        assert host["SecurityOpt"] == ["no-new-privileges:true"], app
        assert host["Init"] is True, app
        assert host["PidsLimit"] == 1024, app
        assert host["Memory"] > 0, app
        assert host["NanoCpus"] > 0, app
        assert host["LogConfig"]["Type"] == "json-file", app
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, app
        assert [u["Name"] for u in host["Ulimits"]] == ["nofile"], app
        pid = container["State"]["Pid"]
        status = server.run(["cat", f"/proc/{pid}/status"]).stdout
        facts = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
        assert int(facts["CapBnd"], 16) == 0, app
        assert int(facts["CapEff"], 16) == 0, app
        assert facts["NoNewPrivs"] == "1", app


@pytest.mark.parametrize(
    ("capabilities", "ends_well"),
    [(["CHOWN", "SETGID", "SETUID"], True), (["CHOWN"], False), ([], False)],
    ids=["named", "one missing", "none named"],
)
def test_an_entrypoint_of_root_names_the_default_capabilities_that_it_needs(
    small: Workspace, server: Server, capabilities: list[str], ends_well: bool
) -> None:
    """As the entrypoints of many database images do: own the data, then become somebody else."""
    program = (
        "import os; open('/tmp/x', 'w').close(); os.chown('/tmp/x', 10001, 10001);"
        " os.setgid(10001); os.setuid(10001); print('as', os.getuid())"
    )
    image = containers(server)["laksa"]["Config"]["Image"]
    said: dict[str, Any] = {"image": image, "user": "0:0", "command": ["python3", "-c", program]}
    if capabilities:
        said["cap_add"] = capabilities
    for name, service in (("a.yaml", said), ("b.yaml", hardening.defaults(said))):
        path = server.path(f"/root/root-entrypoint/{name}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"services": {"web": service}}))
    compose = "docker compose -f a.yaml -f b.yaml run --rm --no-deps -T web"
    ran = server.run(["sh", "-c", f"cd /root/root-entrypoint && {compose}"])
    assert (ran.returncode == 0) == ends_well, ran.stderr
    assert ("as 10001" in ran.stdout) == ends_well
    assert ends_well or "not permitted" in ran.stderr


def test_with_a_reason_it_runs_and_whoever_installs_is_told(
    small: Workspace, server: Server
) -> None:
    add(small, "cap_add: [SYS_NICE]")
    exemption = {"app": "laksa", "service": "web", "rule": "SC024", "reason": REASON}
    policy = {"schema_version": 1, "exemptions": [exemption]}
    (small.folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    small.smartcity("catalogue", "lint")
    packed = small.smartcity("pack", REGION, "--serial", "21").json
    assert [e["reason"] for e in packed["exemptions"]] == [REASON]
    ran = small.smartcity("deploy", REGION)
    warnings = [e["text"] for e in ran.events if e.get("warning")]
    assert any(REASON in text and "SYS_NICE" in text for text in warnings)
    host = containers(server)["laksa"]["HostConfig"]
    assert [c.removeprefix("CAP_") for c in host["CapAdd"]] == ["SYS_NICE"]
    assert host["CapDrop"] == ["ALL"]
    (small.folder / "policy.yaml").unlink()
    small.smartcity("pack", REGION, code=20)
