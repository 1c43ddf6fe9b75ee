"""`catalogue measure`: one app alone on a practice server, over the road that every app goes."""

from __future__ import annotations

import contextlib
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring import trial
from smartcity_pkg.core.errors import LabError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step
from smartcity_pkg.core.units import MIB

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.app import App
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.catalogue.proposal import PeakSeen, Proposed, Seen
    from smartcity_pkg.catalogue.release import Release
    from smartcity_pkg.cli.wiring.trial import Trial
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.hosts.usage import ProjectUsage
    from smartcity_pkg.lab.server import Server

_SETTLE_S = 2.0  # after an installation, until what it took has been given back
_PREFIX = "scm"
_ASKING_S = 10.0
_PACE_S = 0.2  # five requests a second: a busy office, not a load test
_LEAST_LAYER_BYTES = 64 << 10  # smaller ones do not count on a disk


@dataclass(frozen=True)
class Measurement:
    """What was proposed, and how it was seen: seconds at rest and under so many requests.

    `peak` is of the installation, before that.
    """

    app: str
    rows: list[Proposed]
    seen: Mapping[str, Seen]
    rest_s: float
    requests: int
    peak: PeakSeen


def measure(
    session: Session, name: str, today: date, window_s: float, prefix: str = _PREFIX
) -> Measurement:
    """Install `name` beside what it requires on a practice server, and watch it for `window_s`.

    What it requires is installed first, so that the peak is of this app alone. Then half of the
    time at rest, half under five requests a second to its health paths. The server is removed at
    the end. LabError where there can be no practice servers (they need root).
    """
    from smartcity_pkg.catalogue.proposal import propose
    from smartcity_pkg.lab.lab import Lab, available

    app = session.catalogue.app(name)
    if missing := available():
        raise LabError(missing, _("run it as root on a Debian machine; see README.md"))
    if app.is_draft:
        raise UsageError(
            _("“{app}” is a draft: it cannot be installed yet").format(app=name),
            _("do what its open points ask, then measure: smartcity catalogue lint"),
        )
    with tempfile.TemporaryDirectory(prefix="smartcity-measure-") as folder, Lab(prefix) as lab:
        lab.up(session.progress)
        server = lab.server(trial.SERVER)
        practice = trial.workspace(session, Path(folder), server, lab.client_key)
        release, peak = _install(practice, app, server, today)
        with trial.host(practice) as host:
            seen, usage, requests = _watch(session, host, release, app, server.address, window_s)
    layers = _layers(release, app)
    rows = propose(app, seen, sum(usage.volumes.values()), layers, peak.above_steady_bytes)
    return Measurement(name, rows, seen, window_s / 2, requests, peak)


def written(session: Session, measurement: Measurement) -> Edit:
    """The change of the app's own file; UsageError where the app came with smartcity."""
    from smartcity_pkg.catalogue.edit import edited

    catalogue = session.workspace.catalogue
    if catalogue != session.workspace.root / "bundles":
        raise UsageError(
            _("the apps that come with smartcity are not changed"),
            _("copy them first: cp -r {folder} bundles").format(folder=catalogue),
        )
    file = catalogue / measurement.app / "compose.yaml"
    return edited(file, {row.at: row.value for row in measurement.rows})


def _install(practice: Trial, app: App, server: Server, today: date) -> tuple[Release, PeakSeen]:
    """First what `app` requires, then `app` beside it; the release that runs then, and its peak.

    The engine keeps for a while what it took for the first, and may use it again for the second:
    so the beginning counts from before either.
    """
    from smartcity_pkg.catalogue.proposal import PeakSeen
    from smartcity_pkg.lab import memory

    bare = memory.server_bytes(server)
    if providers := trial.required(practice.session.catalogue, app):
        trial.pack(practice, providers, today)
        trial.deploy(practice)
    release = trial.pack(practice, [app.name], today)
    with memory.MemoryWatch(server) as watch:
        trial.deploy(practice)
    time.sleep(_SETTLE_S)
    return release, PeakSeen(bare, memory.containers_bytes(server), watch.most_bytes)


def _watch(
    session: Session, host: Host, release: Release, app: App, address: str, window_s: float
) -> tuple[dict[str, Seen], ProjectUsage, int]:
    """Each service at rest, then under requests; the usage at the end; how many requests."""
    from smartcity_pkg.catalogue.proposal import Seen
    from smartcity_pkg.hosts.usage import project_usage

    project = next(a.project for a in release.apps if a.app == app.name)
    session.progress(Step(_("Watching {app} at rest").format(app=app.name)))
    half = window_s / 2
    first = project_usage(host, project)
    time.sleep(half)
    rest = project_usage(host, project)
    session.progress(Step(_("Watching {app} under requests").format(app=app.name)))
    port = release.entrance_ports.get(trial.SERVER, 80)
    urls = [f"http://{address}:{port}{r.health}" for r in app.spec.routes]
    began = time.monotonic()
    requests = _ask(urls, half)
    busy = project_usage(host, project)
    busy_s = max(time.monotonic() - began, 0.001)
    seen = {}
    for name, now in busy.services.items():
        before, middle = first.services.get(name, now), rest.services.get(name, now)
        seen[name] = Seen(
            rest_bytes=max(before.memory_bytes, middle.memory_bytes),
            busy_bytes=max(now.memory_bytes, middle.memory_bytes),
            rest_cpus=max(0.0, middle.cpu_s - before.cpu_s) / half,
            busy_cpus=max(0.0, now.cpu_s - middle.cpu_s) / busy_s,
        )
    return seen, busy, requests


def _ask(urls: list[str], seconds: float) -> int:
    """Ask `urls` in turn, at an even pace, for so long; how many answers came."""
    began = time.monotonic()
    answers = 0
    for turn in range(int(seconds / _PACE_S)):
        if urls:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(  # noqa: S310 - our own practice server
                    urls[turn % len(urls)], timeout=_ASKING_S
                ) as answer,
            ):
                answers += bool(answer.read())
        time.sleep(max(0.0, began + (turn + 1) * _PACE_S - time.monotonic()))
        if time.monotonic() - began > seconds:
            break
    return answers


def _layers(release: Release, app: App) -> dict[str, float]:
    """MiB of each layer of the app's own images, by the beginning of its diffID."""
    return {
        layer.diff_id[:19]: round(layer.size_bytes / MIB, 1)
        for image in release.images
        if image.source in app.images
        for layer in image.layers
        if layer.size_bytes >= _LEAST_LAYER_BYTES
    }
