"""The whole road as a person would walk it: the real command, a real server, real requests.

Every step that smartcity offers is the command itself, run in a process of its own and shown; this
module only prepares what surrounds it (a practice server, a folder) and asks the app questions as a
citizen would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _, language
from smartcity_pkg.core.progress import Note, Progress, Step
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.lab import exercise, images, unbased
from smartcity_pkg.lab.engine import BUILDER
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

NEXT_VERSION = "1.0.1"
_HTTP_TIMEOUT_S = 20.0


@dataclass
class DemoReport:
    """What the demo did: durations in seconds by step, and where to look."""

    folder: Path
    url: str = ""
    ticket: str = ""
    status: str = ""
    durations_s: dict[str, float] = field(default_factory=dict)


class Demo:
    """One run in one folder; `catalogue` and `profile` are copied, never changed."""

    def __init__(self, folder: Path, catalogue: Path, profile: Path, progress: Progress) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self.profile = profile
        self.progress = progress
        self.region = profile.stem[:5]
        self.report = DemoReport(folder)
        self.environment = dict(os.environ)

    def run(self) -> DemoReport:
        """From nothing to running apps, an upgrade, and back; LabError where that fails."""
        lab = Lab("sc")
        self._timed("servers", lambda: lab.up(self.progress))
        builder = lab.server(BUILDER, keep_docker=True)
        try:
            self.environment["DOCKER_HOST"] = f"unix://{builder.docker_socket}"
            pemda = lab.server("balai-kota")
            self.report.url = f"http://{pemda.address}"
            self._timed("images", lambda: self._build(self.catalogue))
            self._prepare_folder(pemda, lab.client_key)
            self._first_release()
            self._file_complaint()
            self._second_release()
            self._look(NEXT_VERSION)
            self._timed("rollback", lambda: self._smartcity("rollback", self.region))
            self._look(self._first_version)
            self._smartcity("status", self.region)
        finally:
            builder.remove()
        return self.report

    def run_to_the_bundle(self) -> DemoReport:
        """As far as possible without root: a signed, checked bundle of images without a base."""
        self.progress(Step(_("Writing images without a base: they can be packed, but cannot run")))
        self._write_workspace(yaml.safe_load(self.profile.read_text()))
        layout = self.folder / "images"
        unbased.write_layout(self.catalogue, layout)
        self._smartcity("key", "new", "--no-password")
        self._timed("select", lambda: self._smartcity("select", self.region))
        self._timed("pack", lambda: self._smartcity("pack", self.region, "--images", "oci:images"))
        self._timed("verify", lambda: self._smartcity("verify", self.region))
        return self.report

    def _build(self, catalogue: Path) -> None:
        host = self.environment["DOCKER_HOST"]
        images.build_base_images(host, catalogue, self.progress)
        images.build_app_images(host, catalogue, self.progress)

    def _prepare_folder(self, server: Server, key: Path) -> None:
        """A workspace whose profile has the practice server's address."""
        profile = yaml.safe_load(self.profile.read_text())
        ssh = {"host": server.address, "host_key": server.host_key, "key_file": str(key)}
        profile["servers"] = [{**profile["servers"][0], "ssh": ssh}]
        self._write_workspace(profile)

    def _write_workspace(self, profile: dict[str, Any]) -> None:
        self.progress(Step(_("Preparing the folder {folder}").format(folder=self.folder)))
        target = self.folder / "pemda" / self.profile.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(profile, sort_keys=False, allow_unicode=True))
        exercise.copy_catalogue(self.catalogue, self.folder / "bundles")

    def _first_release(self) -> None:
        self._smartcity("key", "new", "--no-password")
        self._timed("select", lambda: self._smartcity("select", self.region))
        self._timed("pack", lambda: self._smartcity("pack", self.region))
        self._timed("verify", lambda: self._smartcity("verify", self.region))
        self._timed("ship", lambda: self._smartcity("ship", self.region))
        self._timed("install", lambda: self._smartcity("install", self.region))

    def _second_release(self) -> None:
        self.progress(Step(_("LAKSA's developers release {version}").format(version=NEXT_VERSION)))
        exercise.next_version(self.folder / "bundles", "laksa", NEXT_VERSION)
        self._timed("next image", lambda: self._build(self.folder / "bundles"))
        self._smartcity("select", self.region)
        self._timed("next pack", lambda: self._smartcity("pack", self.region))
        self._timed("upgrade", lambda: self._smartcity("deploy", self.region))

    def _file_complaint(self) -> None:
        self.progress(Step(_("A citizen files a complaint at {url}").format(url=self._laksa)))
        fields = {
            "category": "Jalan dan jembatan",
            "place": "Jl. Ahmad Yani",
            "description": "Lubang di depan pasar.",
        }
        ticket = file_complaint(self._laksa, fields)
        self.report.ticket = ticket
        self._first_version = str(get_json(f"{self._laksa}/healthz")["version"])
        self._look(self._first_version)

    def _look(self, version: str) -> None:
        """What a citizen sees of the complaint, with the version of LAKSA that must show it."""
        seen = get_json(f"{self._laksa}/tiket/{self.report.ticket}")
        health = get_json(f"{self._laksa}/healthz")
        if seen.get("ticket") != self.report.ticket or health["version"] != version:
            raise LabError(
                _("expected LAKSA {version} to show {ticket}, got: {seen}, {health}").format(
                    version=version, ticket=self.report.ticket, seen=seen, health=health
                )
            )
        self.report.status = f"{seen['status']} ({seen['colour']})"
        self.progress(
            Note(
                _("LAKSA {version}: ticket {ticket} is {status}").format(
                    version=health["version"],
                    ticket=self.report.ticket,
                    status=self.report.status,
                )
            )
        )

    @property
    def _laksa(self) -> str:
        return f"{self.report.url}/laksa"

    def _smartcity(self, *words: str) -> None:
        """Run the command as a person would, with its output on the screen (standard error)."""
        self.progress(Step(f"$ smartcity {' '.join(words)}"))
        done = subprocess.run(
            [sys.executable, "-m", "smartcity_pkg", "--lang", language(), *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(
                _("“smartcity {words}” ended with code {code}").format(
                    words=" ".join(words), code=done.returncode
                ),
                _("its own message stands above; the practice server is left as it is"),
            )

    def _timed(self, name: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        self.report.durations_s[name] = round(time.monotonic() - began, 1)
        self.progress(Note(f"{name}: {seconds_text(self.report.durations_s[name])}"))


def file_complaint(laksa: str, fields: dict[str, str]) -> str:
    """File a complaint through the form's address; gives the ticket number."""
    request = urllib.request.Request(  # noqa: S310 - the practice server's own address
        f"{laksa}/lapor",
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310
        return str(json.load(answer)["ticket"])


def get_json(url: str) -> dict[str, Any]:
    """What `url` answers as JSON."""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310
        value: dict[str, Any] = json.load(answer)
        return value
