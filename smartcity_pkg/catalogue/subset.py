"""Which keys of Compose an app may use: those that Compose and `docker stack deploy` share.

What an allowed key says is read in `compose`; advice on it is in `lint`.
"""

from __future__ import annotations

from collections.abc import Iterable

from smartcity_pkg.catalogue.faults import closest
from smartcity_pkg.catalogue.rules import numbered
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core.errors import Problem
from smartcity_pkg.core.i18n import N_, _

TOP_LEVEL = frozenset({"name", "services", "networks", "volumes", "configs", "secrets"})

# docker/cli, cli/compose/schema/data/config_schema_v3.13.json, "definitions/service".
SERVICE = frozenset(
    [
        "build",
        "cap_add",
        "cap_drop",
        "command",
        "configs",
        "credential_spec",
        "depends_on",
        "deploy",
        "dns",
        "dns_search",
        "entrypoint",
        "env_file",
        "environment",
        "extra_hosts",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "isolation",
        "labels",
        "logging",
        "networks",
        "ports",
        "read_only",
        "secrets",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "volumes",
        "working_dir",
    ]
)

# docker/cli, cli/compose/types/types.go, UnsupportedProperties and DeprecatedProperties: a stack
# starts without them and so behaves otherwise than with Compose. `build` does no harm there.
IGNORED = frozenset(
    [
        "cgroup_parent",
        "cgroupns_mode",
        "container_name",
        "devices",
        "domainname",
        "expose",
        "external_links",
        "ipc",
        "links",
        "mac_address",
        "network_mode",
        "pid",
        "privileged",
        "restart",
        "security_opt",
        "shm_size",
        "userns_mode",
    ]
)

# docker/cli, cli/compose/types/types.go, ForbiddenProperties; and what Compose alone knows.
_LIMITS = N_("say it under deploy.resources.limits")
FORBIDDEN = {
    "extends": N_("write the service out in full, or share parts with a YAML anchor and <<"),
    "volume_driver": N_("name the driver under the top-level key volumes"),
    "volumes_from": N_("name the volume in both services"),
    "cpu_quota": _LIMITS,
    "cpu_shares": _LIMITS,
    "cpuset": _LIMITS,
    "mem_limit": _LIMITS,
    "memswap_limit": _LIMITS,
    "cpus": _LIMITS,
    "mem_reservation": N_("say it under deploy.resources.reservations"),
    "profiles": N_("make an app of its own of what not everybody wants"),
    "pull_policy": N_("leave it out: images come with the bundle"),
}


def problems(document: Document) -> list[Problem]:
    """Every key of the document that an app may not use, with what to write instead."""
    found = [
        document.problem(
            (key,),
            _("unknown key “{key}”").format(key=key),
            closest(key, {*TOP_LEVEL, "x-smartcity"}) or _hint_for_top_level(key),
        )
        for key in document.data
        if key not in TOP_LEVEL and not key.startswith("x-")
    ]
    found = numbered("SC002", found)
    services = document.data.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            found += _in_service(document, ("services", name), service)
    return found


def _hint_for_top_level(key: str) -> str:
    if key == "version":
        return _("remove it: Compose no longer reads it")
    return _("allowed: {keys}, and x-…").format(keys=", ".join(sorted(TOP_LEVEL)))


def _in_service(document: Document, at: Path_, service: Iterable[str]) -> list[Problem]:
    found = []
    for key in service:
        if key in FORBIDDEN:
            outside = document.problem(
                (*at, key),
                _("“{key}” is outside what Compose and docker stack share").format(key=key),
                _(FORBIDDEN[key]),
            )
            found += numbered("SC003", [outside])
        elif key not in SERVICE and key not in IGNORED and not key.startswith("x-"):
            unknown = document.problem(
                (*at, key),
                _("unknown key “{key}” of a service").format(key=key),
                closest(key, SERVICE)
                or _("leave it out: Compose and docker stack do not both know it"),
            )
            found += numbered("SC002", [unknown])
    return found
