"""Reads what `docker … inspect` prints: pure functions from JSON to values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from smartcity_pkg.engines.commands import FILES_LABEL, PROJECT_LABEL, SERVICE_LABEL
from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.hosts.facts import EngineImage, engine_image

_NS_PER_S = 1_000_000_000
# What the engine uses where an image or Compose file does not say (moby, daemon/health.go).
_DEFAULT_INTERVAL_NS = 30 * _NS_PER_S
_DEFAULT_RETRIES = 3
_OUTPUT_CHARS = 300


def container_states(text: str) -> tuple[ContainerState, ...]:
    """The containers of a `docker container inspect`, sorted by project, service and ID."""
    found = (_container_state(entry) for entry in json.loads(text or "[]"))
    return tuple(sorted(found, key=lambda c: (c.project, c.service, c.id)))


def _container_state(entry: dict[str, Any]) -> ContainerState:
    labels: dict[str, str] = entry["Config"].get("Labels") or {}
    state = entry["State"]
    health = state.get("Health") or {}
    status = health.get("Status", "")
    log = health.get("Log") or []
    check = entry["Config"].get("Healthcheck") or {}
    files = labels.get(FILES_LABEL, "")
    return ContainerState(
        id=entry["Id"],
        project=labels.get(PROJECT_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        image=entry["Config"]["Image"],
        image_id=entry["Image"],
        status=state["Status"],
        running=state["Status"] == "running",
        health="" if status == "none" else status,
        health_output=log[-1]["Output"].strip()[-_OUTPUT_CHARS:] if log else "",
        patience_s=_patience_s(check),
        start_period_s=check.get("StartPeriod", 0) / _NS_PER_S,
        exit_code=state["ExitCode"],
        out_of_memory=state.get("OOMKilled", False),
        restart_count=entry.get("RestartCount", 0),
        started_at=state["StartedAt"],
        files=tuple(files.split(",")) if files else (),
    )


def _patience_s(check: dict[str, Any]) -> float:
    interval = check.get("Interval") or _DEFAULT_INTERVAL_NS
    timeout = check.get("Timeout") or _DEFAULT_INTERVAL_NS
    retries = check.get("Retries") or _DEFAULT_RETRIES
    total: float = check.get("StartPeriod", 0) + retries * (interval + timeout)
    return total / _NS_PER_S if check.get("Test") else 0.0


def usable_images(text: str) -> dict[str, EngineImage]:
    """By reference, what `commands.look_at_images` found there and could make a container of."""
    found: dict[str, EngineImage] = {}
    made: set[str] = set()
    for line in text.splitlines():
        kind, _space, rest = line.partition(" ")
        if kind == "image":
            image = engine_image(rest)
            found |= dict.fromkeys(image.tags, image)
        elif kind == "made":
            made.add(rest)
    return {reference: image for reference, image in found.items() if reference in made}


def absent_layers(
    wanted: tuple[str, ...], in_store: Iterable[str], held: Iterable[tuple[str, ...]]
) -> tuple[str, ...]:
    """The diffIDs of an image that neither the store nor the engine has.

    overlay2 finds a layer only on the parent that it was made for (by ChainID), so an image's whole
    beginning must be held; the containerd store is content with the same.
    """
    known = max((_common(wanted, chain) for chain in held), default=0)
    stored = set(in_store)
    return tuple(layer for layer in wanted[known:] if layer not in stored)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many layers two images have in common from below."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
