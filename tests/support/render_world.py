"""A profile, plans and small catalogues to render, and a real Compose to merge the result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartcity_pkg.catalogue.catalogue import Catalogue, make_catalogue
from smartcity_pkg.catalogue.compose import read_app
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.render.render import Rendered, render

ROOT = Path(__file__).parents[2]
REGION = "32.15"
NAME = "Kabupaten Karawang"


def a_pemda(
    *servers: str, settings: dict[str, Any] | None = None, site: dict[str, Any] | None = None
) -> Pemda:
    paper = {"number": "1/2024", "date": "2024-05-16"}
    return Pemda.model_validate(
        {
            "schema_version": 1,
            "region": REGION,
            "name": NAME,
            "population": 2_500_000,
            "agreement": {"mou": paper, "pks": paper},
            "link_mbps": 10,
            "servers": [
                {"name": n, "memory_gib": 8, "cpus": 4, "disk_gib": 100}
                for n in servers or ("app-1",)
            ],
            "settings": {"apps": settings or {}, "site": site or {}},
        }
    )


def a_plan(catalogue: Catalogue, *names: str, servers: tuple[str, ...] = ("app-1",)) -> Plan:
    """A plan that puts `names` (all apps if none is named) on `servers`."""
    return Plan(
        region=REGION,
        pemda=NAME,
        catalogue_digest=catalogue.digest,
        profile_digest="sha256:" + "0" * 64,
        benefit=1,
        bound=1,
        apps=tuple(
            PlannedApp(app=n, version=catalogue.apps[n].version, servers=servers, reason="test")
            for n in names or catalogue.apps
        ),
    )


@dataclass
class Small:
    """A catalogue of apps made by the test, and what rendering all of them gives."""

    folder: Path
    shared: dict[str, str]

    def app(
        self,
        name: str,
        *,
        spec: dict[str, Any] | None = None,
        services: dict[str, dict[str, Any]] | None = None,
        templates: dict[str, str] | None = None,
    ) -> None:
        """Write an app; `spec` and `services` add to what every app needs."""
        folder = self.folder / name
        (folder / "templates").mkdir(parents=True)
        own: dict[str, Any] = spec or {}
        text = {"id": name, "en": name}
        healthy = {"healthcheck": {"test": ["CMD", "true"]}}
        parts = {
            service: {"image": f"{name}/{service}:1.0.0", **healthy, **more}
            for service, more in (services or {"web": {}}).items()
        }
        document = {
            "name": name,
            "x-smartcity": {
                "schema_version": 1,
                "version": "1.0.0",
                "title": text,
                "summary": text,
                "group": "e-gov",
                "owner": "test",
                "source": "test",
                "benefit": 1,
                **own,
            },
            "services": parts,
            "secrets": {s: {"file": f"./secrets/{s}"} for s in own.get("secrets", {})},
        }
        # JSON is YAML.
        (folder / "compose.yaml").write_text(json.dumps(document, indent=1))
        for template, content in (templates or {}).items():
            (folder / "templates" / template).write_text(content)

    def catalogue(self) -> Catalogue:
        return make_catalogue(read_app(p, f"bundles/{p.name}") for p in self.folder.iterdir())

    def render(self, settings: dict[str, Any] | None = None) -> Rendered:
        catalogue = self.catalogue()
        pemda = a_pemda(settings=settings)
        return render(a_plan(catalogue), catalogue, pemda, shared=self.shared, pins={})


@dataclass(frozen=True)
class Compose:
    """A real Docker Compose; `config` needs no engine."""

    argv: tuple[str, ...]

    def config(self, rendered: Rendered, folder: Path) -> dict[str, dict[str, Any]]:
        """What Compose makes of each app of `rendered`, written to `folder`, by the app's name."""
        for path, content in rendered.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        result: dict[str, dict[str, Any]] = {}
        for app in rendered.apps:
            files = [folder / file for file in app.compose_files]
            options = ["--project-name", app.project, "--project-directory", str(files[0].parent)]
            options += ["--env-file", str(folder / app.env_file)]
            for file in files:
                options += ["-f", str(file)]
            done = subprocess.run(
                [*self.argv, *options, "config", "--format", "json"],
                capture_output=True,
                check=False,
                timeout=60,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            )
            assert done.returncode == 0, done.stderr.decode()
            assert not done.stderr, done.stderr.decode()
            result[app.app] = json.loads(done.stdout)
        return result


def find_compose() -> Compose | None:
    """The Compose of the practice servers, else this machine's, else None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("SMARTCITY_LAB_HOME") or cache / "smartcity/lab")
    plugin = "tree/usr/libexec/docker/cli-plugins/docker-compose"
    for found in sorted(home.glob(f"layers/engine-*/{plugin}")):
        return Compose((str(found),))
    if docker := shutil.which("docker"):
        done = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
        if done.returncode == 0:
            return Compose((docker, "compose"))
    return None
