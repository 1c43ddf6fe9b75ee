"""Compose snippets that ask for too much, each with the rule that it breaks; and harmless ones.

`SERVICE` rows are fields of a service; `FILE` rows are top-level keys. A row's text is YAML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from smartcity_pkg.catalogue import yamlfile

GOOD: dict[str, Any] = {
    "image": "contoh/lapor:1.2.0",
    "healthcheck": {"test": ["CMD", "true"]},
    "deploy": {"resources": {"limits": {"memory": "64M", "cpus": "0.5"}}},
}


@dataclass(frozen=True)
class Row:
    """One snippet, and the rules that it breaks ("" for none). `loads`: the catalogue takes it."""

    name: str
    text: str
    rules: str
    loads: bool = True

    @property
    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = yamlfile.parse(self.text.encode(), self.name).data
        return found


def table(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[r.name for r in rows])


def document(row: Row, *, top: bool = False) -> dict[str, Any]:
    """A Compose file with the snippet in it."""
    if top:
        return {"services": {"web": GOOD}, **row.fields}
    return {"services": {"web": {**GOOD, **row.fields}}}


SERVICE = [
    Row("privileged", "privileged: true", "SC020"),
    Row("privileged as text", 'privileged: "yes"', "SC020"),
    Row("privileged by a variable", "privileged: ${WHY_NOT:-true}", "SC020"),
    Row("network of the host", "network_mode: host", "SC021"),
    Row("network of a container", "network_mode: container:other", "SC021"),
    Row("network by a variable", "network_mode: ${NET}", "SC021", loads=False),
    Row("pids of the host", "pid: host", "SC021"),
    Row("ipc of the host", "ipc: host", "SC021"),
    Row("ipc of a container", "ipc: container:other", "SC021"),
    Row("uts of the host", "uts: host", "SC021", loads=False),
    Row("users of the host", "userns_mode: host", "SC021"),
    Row("cgroup of the host", "cgroup: host", "SC021", loads=False),
    Row("cgroup namespace", "cgroupns_mode: host", "SC021"),
    Row("parent of the cgroup", "cgroup_parent: /", "SC021"),
    Row("docker.sock", "volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "SC022"),
    Row("docker.sock to read", "volumes: ['/run/docker.sock:/s:ro']", "SC022"),
    Row("docker.sock elsewhere", "volumes: ['/srv/x/docker.sock:/s']", "SC022"),
    Row("containerd's", "volumes: ['/run/containerd/containerd.sock:/s']", "SC022"),
    Row("podman's", "volumes: [{type: bind, source: /run/podman/podman.sock, target: /s}]",
        "SC022"),
    Row("/run above it", "volumes: ['/run:/r:ro']", "SC022"),
    Row("/var/run above it", "volumes: ['/var/run/:/r']", "SC022"),
    Row("/var above it", "volumes: ['/var/:/r']", "SC022"),
    Row("/ above it", "volumes: ['/:/host:ro']", "SC022"),
    Row("/ in disguise", "volumes: ['/etc/..:/host']", "SC022"),
    Row("a folder", "volumes: ['/srv/data:/data']", "SC023"),
    Row("a folder, long form", "volumes: [{type: bind, source: /srv, target: /d}]", "SC023"),
    Row("a folder to read", "volumes: ['/etc/ssl:/ssl:ro']", "SC023"),
    Row("the home", "volumes: ['~/x:/data:ro']", "SC023"),
    Row("out by dots", "volumes: ['./a/../../../x:/data:ro']", "SC023"),
    Row("the parent", "volumes: ['..:/data:ro']", "SC023"),
    Row("own folder, writable", "volumes: ['.:/data']", "SC023"),
    Row("own folder, long", "volumes: [{type: bind, source: ./f, target: /d}]", "SC023"),
    Row("a variable", "volumes: ['${DATA}:/data']", "SC023", loads=False),
    Row("a variable with a colon", "volumes: ['${DATA:-/srv}:/data']", "SC023"),
    Row("a whole mount in a variable", "volumes: ['${MOUNT}']", "SC023", loads=False),
    Row("an unknown kind", "volumes: [{type: npipe, source: x, target: /d, read_only: true}]",
        "SC023"),
    Row("no kind", "volumes: [{source: ./x, target: /d, read_only: true}]", "SC023"),
    Row("env_file of the server", "env_file: /etc/environment", "SC023"),
    Row("env_file, long form", "env_file: [{path: ../../x.env}]", "SC023"),
    Row("SYS_ADMIN", "cap_add: [SYS_ADMIN]", "SC024"),
    Row("CAP_NET_ADMIN", "cap_add: [cap_net_admin]", "SC024"),
    Row("all capabilities", "cap_add: [ALL]", "SC024"),
    Row("two capabilities", "cap_add: [SYS_TIME, CHOWN, SYS_PTRACE]", "SC024 SC024"),
    Row("a device", "devices: ['/dev/sda:/dev/sda']", "SC025"),
    Row("device rules", "device_cgroup_rules: ['c 1:3 mr']", "SC025", loads=False),
    Row("a GPU", "deploy: {resources: {limits: {memory: 64M, cpus: '1'}, reservations:"
        " {devices: [{capabilities: [gpu]}]}}}", "SC025"),
    Row("no seccomp", "security_opt: [seccomp:unconfined]", "SC026"),
    Row("no seccomp, with =", "security_opt: ['seccomp=unconfined']", "SC026"),
    Row("a profile of its own", "security_opt: ['seccomp:./profile.json']", "SC026"),
    Row("no AppArmor", "security_opt: ['apparmor:unconfined']", "SC026"),
    Row("new privileges", "security_opt: ['no-new-privileges:false']", "SC026"),
    Row("no labels", "security_opt: ['label:disable']", "SC026"),
    Row("sysctls", "sysctls: {net.core.somaxconn: 1024}", "SC027"),
    Row("sysctls as a list", "sysctls: ['net.core.somaxconn=1024']", "SC027"),
    Row("latest", "image: contoh/lapor:latest", "SC028", loads=False),
    Row("no tag", "image: host:5000/contoh/lapor", "SC028", loads=False),
    Row("stable", "image: contoh/lapor:stable", "SC028"),
    Row("an image in a variable", "image: contoh/lapor:${TAG}", "SC028", loads=False),
    Row("no check", "healthcheck: null", "SC029"),
    Row("check off", "healthcheck: {test: [CMD, x], disable: true}", "SC029"),
    Row("check NONE", "healthcheck: {test: [NONE]}", "SC029"),
    Row("no limits", "deploy: {}", "SC030 SC030"),
    Row("no memory limit", "deploy: {resources: {limits: {cpus: '1'}}}", "SC030"),
    Row("no CPU limit", "deploy: {resources: {limits: {memory: 64M}}}", "SC030"),
    Row("limit 0", "deploy: {resources: {limits: {memory: '0', cpus: '1'}}}", "SC030"),
    Row("limit by a variable", "deploy: {resources: {limits: {memory: '${M}', cpus: '1'}}}",
        "SC030", loads=False),
    Row("an unknown key", "post_start: [{command: x, privileged: true}]", "SC031", loads=False),
    Row("runtime", "runtime: other", "SC031", loads=False),
    Row("volumes_from", "volumes_from: ['container:x']", "SC031", loads=False),
    Row("extends", "extends: {file: ../x.yaml, service: x}", "SC031", loads=False),
]  # fmt: skip

FILE = [
    Row("include", "include: [../other.yaml]", "SC031", loads=False),
    Row("a volume that is a folder",
        "volumes: {d: {driver_opts: {type: none, o: bind, device: /srv}}}", "SC023"),
    Row("a folder that says it is memory",
        "volumes: {d: {driver_opts: {type: tmpfs, o: bind, device: /srv}}}", "SC023"),
    Row("a volume of another driver", "volumes: {d: {driver: other/plugin}}", "SC023"),
    Row("another app's volume", "volumes: {d: {external: true}}", "SC023"),
    Row("another app's volume by name", "volumes: {d: {name: smartcity-postgres_data}}", "SC023"),
    Row("a secret of the server", "secrets: {s: {file: /etc/shadow}}", "SC023", loads=False),
    Row("a config of the server", "configs: {c: {file: ../../../etc/passwd}}", "SC023"),
    Row("a config that is a socket", "configs: {c: {file: /run/docker.sock}}", "SC022"),
    Row("the server's network", "networks: {n: {name: host, external: true}}", "SC021"),
    Row("a network by its key", "networks: {host: {external: true}}", "SC021"),
    Row("a network on the wire", "networks: {n: {driver: macvlan}}", "SC021"),
    Row("services as a list", "services: [web]", "SC031", loads=False),
    Row("a service as text", "services: {web: x}", "SC029 SC030 SC030 SC031", loads=False),
]  # fmt: skip

HARMLESS = [
    Row("a volume", "volumes: ['data:/data', 'data:/more:ro', /cache]", ""),
    Row("a volume, long form", "volumes: [{type: volume, source: data, target: /d}]", ""),
    Row("memory", "volumes: [{type: tmpfs, target: /tmp}]", ""),
    Row("own file to read", "volumes: ['./files/x.conf:/x:ro']", ""),
    Row("own file, long form",
        "volumes: [{type: bind, source: ./x, target: /x, read_only: true}]", ""),
    Row("no new privileges", "security_opt: ['no-new-privileges:true']", ""),
    Row("needs default capabilities", "cap_add: [CHOWN, CAP_SETUID, setgid]", ""),
    Row("not privileged", "privileged: false", ""),
    Row("no network", "network_mode: none", ""),
    Row("beside another service", "network_mode: service:web", ""),
    Row("private", "{ipc: private, cgroupns_mode: private}", ""),
    Row("an env_file of its own", "env_file: [./x.env]", ""),
    Row("a digest", "image: contoh/lapor@sha256:" + "0" * 64, "", loads=False),
    Row("an extension", "x-anything: {privileged: true}", ""),
    Row("a port", "ports: ['${HTTP_PORT:-80}:80']", ""),
]  # fmt: skip
