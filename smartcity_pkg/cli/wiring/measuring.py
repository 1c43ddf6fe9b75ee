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
from typing import TYPE_CHECKING, Any

from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.session import Session
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import LabError, UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step
from smartcity_pkg.core.units import MIB

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.app import App
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.catalogue.proposal import Proposed, Seen
    from smartcity_pkg.catalogue.release import Release
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.hosts.usage import ProjectUsage
    from smartcity_pkg.lab.lab import Lab

_SERVER = "ukur"
_REGION, _NAME = "32.15", "Kabupaten Karawang"
_PREFIX = "scm"
_ASKING_S = 10.0
_PACE_S = 0.2  # five requests a second: a busy office, not a load test
_LEAST_LAYER_BYTES = 64 << 10  # smaller ones do not count on a disk


@dataclass(frozen=True)
class Measurement:
    """What was proposed, and how it was seen: seconds at rest and under so many requests."""

    app: str
    rows: list[Proposed]
    seen: Mapping[str, Seen]
    rest_s: float
    requests: int


def measure(
    session: Session, name: str, today: date, window_s: float, prefix: str = _PREFIX
) -> Measurement:
    """Install `name` with what it requires on a practice server, and watch it for `window_s`.

    Half of the time at rest, then under five requests a second to its health paths. The
    server is removed at the end. LabError where there can be no practice servers (they need root).
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
        inner = _workspace(session, Path(folder), app, lab)
        release = _install(inner, today)
        with contextlib.closing(_host(inner)) as host:
            address = lab.servers[_SERVER].address
            seen, usage, requests = _watch(session, host, release, app, address, window_s)
    rows = propose(app, seen, sum(usage.volumes.values()), _layers(release, app))
    return Measurement(name, rows, seen, window_s / 2, requests)


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


def _workspace(session: Session, folder: Path, app: App, lab: Lab) -> Session:
    """A workspace of its own: the same apps, a pemda with one practice server, a key."""
    from smartcity_pkg.bundle.keys import new_key
    from smartcity_pkg.catalogue import yamlfile

    server = lab.server(_SERVER)
    (folder / "bundles").symlink_to(session.workspace.catalogue.resolve())
    (folder / "templates").symlink_to(session.workspace.templates.resolve())
    profile = _profile(session, app)
    profile["servers"][0]["ssh"] = {
        "host": server.address,
        "host_key": server.host_key,
        "key_file": str(lab.client_key),
    }
    atomic.write(folder / "pemda" / f"{_REGION}-ukur.yaml", yamlfile.dump(profile).encode())
    inner = Session(CommonOptions(session.options.json, session.options.lang, folder))
    inner.presenter = session.presenter
    atomic.write(inner.workspace.policy, yamlfile.dump(_policy(session, app)).encode())
    new_key(inner.workspace.signing_key, None)
    return inner


def _policy(session: Session, app: App) -> dict[str, Any]:
    """The workspace's policy; and the app may lack limits, which are to be found by measuring."""
    from smartcity_pkg.catalogue.exemption import Exemption
    from smartcity_pkg.catalogue.policy import load_policy

    policy, _document = load_policy(session.workspace.policy)
    limits = Exemption(app=app.name, rule="SC030", reason=_("its limits are being measured"))
    allowed = policy.model_copy(update={"exemptions": (*policy.exemptions, limits)})
    return allowed.model_dump(mode="json", exclude_none=True)


def _profile(session: Session, app: App) -> dict[str, Any]:
    """A pemda that has room for anything, and wants this app alone."""
    skills = {s for a in session.catalogue.apps.values() for s in a.spec.staff}
    paper = {"number": "UKUR", "date": "2000-01-01"}
    family = _family(session, app)
    others = [n for n, a in session.catalogue.apps.items() if not a.is_platform and n not in family]
    return {
        "schema_version": 1,
        "region": _REGION,
        "name": _NAME,
        "population": 1,
        "agreement": {"mou": paper, "pks": {**paper, "apps": "all"}},
        "link_mbps": 1000,
        "staff": dict.fromkeys(sorted(skills), 1000),
        "servers": [{"name": _SERVER, "memory_gib": 1024, "cpus": 1024, "disk_gib": 4096}],
        "choice": {"must": [app.name], "exclude": others},
    }


def _family(session: Session, app: App) -> set[str]:
    """The app and all that it requires, through others too."""
    found: set[str] = set()
    ahead = [app.name]
    while ahead:
        name = ahead.pop()
        if name not in found and name in session.catalogue.apps:
            found.add(name)
            ahead += session.catalogue.apps[name].provided_by(session.catalogue.apps)
    return found


def _install(session: Session, today: date) -> Release:
    """Choose, build, pack, ship and install; the release that runs then."""
    from smartcity_pkg.catalogue.plan import to_yaml
    from smartcity_pkg.cli.wiring.release import pack_release
    from smartcity_pkg.cli.wiring.servers import deploy_bundle
    from smartcity_pkg.lab.engine import build_engine
    from smartcity_pkg.lab.images import build_app_images, build_base_images
    from smartcity_pkg.selection.choose import select

    plan = select(session.catalogue, session.pemda(_REGION), today=today)
    atomic.write(session.workspace.plan(_REGION), to_yaml(plan).encode())
    names = [a.app for a in plan.apps]
    with build_engine(session.progress) as docker_host:
        build_base_images(docker_host, session.workspace.catalogue, session.progress)
        build_app_images(docker_host, session.workspace.catalogue, session.progress, only=names)
        images = f"docker:{docker_host}"
        packed = pack_release(session, _REGION, None, images, None, None, today, None)
    deploy_bundle(session, _REGION, None, None, False, None)
    return packed.contents.release


def _host(session: Session) -> Host:
    from smartcity_pkg.cli.wiring.servers import targets

    return targets(session.pemda(_REGION), None)[0].connect()


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
    port = release.entrance_ports.get(_SERVER, 80)
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
