"""Where an app's configuration comes from: the rendered file, mounted secrets, the data volume.

Every part has a default, so that an app also starts without a rendered file. Paths can be moved
with environment variables for development and tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Service:
    """What an app says about itself; `here` is the folder of its package."""

    name: str
    title: str
    here: Path
    defaults: Mapping[str, Any]

    @property
    def prefix(self) -> str:
        """The path that the gateway mounts the app under, without a slash at the end."""
        return f"/{self.name}"

    @property
    def version(self) -> str:
        """The version that was packed with the code."""
        return (self.here / "VERSION").read_text().strip()

    @property
    def migrations(self) -> Path:
        """The folder with numbered SQL files."""
        return self.here / "migrations"


@dataclass(frozen=True)
class Config:
    """One running app's configuration."""

    service: Service
    pemda: str
    timezone: str
    settings: Mapping[str, Any]
    data: Path
    secrets: Path

    def secret(self, name: str) -> str | None:
        """The secret `name`, or None where it is not mounted or is empty."""
        try:
            return (self.secrets / name).read_text().strip() or None
        except FileNotFoundError:
            return None


def load(service: Service) -> Config:
    """The configuration of `service`; settings that the file leaves out keep their default."""
    path = Path(os.environ.get("SMARTCITY_CONFIG", "/etc/smartcity/app.json"))
    rendered = json.loads(path.read_text()) if path.exists() else {}
    return Config(
        service=service,
        pemda=rendered.get("pemda", ""),
        timezone=rendered.get("timezone", "Asia/Jakarta"),
        settings={**service.defaults, **rendered.get("settings", {})},
        data=Path(os.environ.get("SMARTCITY_DATA", "/data")),
        secrets=Path(os.environ.get("SMARTCITY_SECRETS", "/run/secrets")),
    )
