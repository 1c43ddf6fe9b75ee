"""Walls around every container, for what an app does not say itself: part of the second file.

Only keys that Compose and `docker stack deploy` share, but for `security_opt`, which a stack
ignores. An app's own words come first: it names the capabilities that it needs in `cap_add` (or
drops some itself), says `init: false` where its image brings an init of its own, and a larger
`limits.pids`. `read_only` is left to the app, because only it knows where it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PIDS = 1024
# Enough for a database and a web server, and less than engines have: a limit above the engine's own
# keeps a container from starting where it lacks CAP_SYS_RESOURCE (seen with 65,536 over 20,000).
OPEN_FILES = 8192
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}
_NO_NEW_PRIVILEGES = "no-new-privileges"


def defaults(said: Mapping[str, Any]) -> dict[str, Any]:
    """What to add for a service whose app says `said` in its own Compose file."""
    added: dict[str, Any] = {}
    if not said.get("cap_drop"):
        # With cap_add, what is named there stays.
        added["cap_drop"] = ["ALL"]
    options = said.get("security_opt") or ()
    if not any(str(option).startswith(_NO_NEW_PRIVILEGES) for option in options):
        added["security_opt"] = [f"{_NO_NEW_PRIVILEGES}:true"]
    if "init" not in said:
        added["init"] = True
    if "logging" not in said:
        added["logging"] = {"driver": "json-file", "options": dict(LOG_OPTIONS)}
    if "nofile" not in _fields(said, "ulimits"):
        added["ulimits"] = {"nofile": {"soft": OPEN_FILES, "hard": OPEN_FILES}}
    if "pids" not in _fields(said, "deploy", "resources", "limits"):
        added["deploy"] = {"resources": {"limits": {"pids": PIDS}}}
    return added


def _fields(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value
