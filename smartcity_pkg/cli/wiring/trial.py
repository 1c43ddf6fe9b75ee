"""A trial: a pemda of one practice server, with room for anything, on which chosen apps run.

Its workspace is a folder of its own beside the same apps; what is learned there is for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartcity_pkg.cli.common import CommonOptions
from smartcity_pkg.cli.session import Session
from smartcity_pkg.core import atomic
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.app import App
    from smartcity_pkg.catalogue.catalogue import Catalogue
    from smartcity_pkg.catalogue.policy import Policy
    from smartcity_pkg.catalogue.release import Release
    from smartcity_pkg.hosts.host import Host
    from smartcity_pkg.lab.server import Server

SERVER = "ukur"
_REGION, _NAME = "32.15", "Kabupaten Karawang"


@dataclass(frozen=True)
class Trial:
    """The session of the trial's own workspace, how its server is reached, and what is allowed."""

    session: Session
    ssh: dict[str, str]
    policy: Policy


def workspace(session: Session, folder: Path, server: Server, client_key: Path) -> Trial:
    """The trial in `folder`: the same apps, a key, and `server` as the pemda's only one."""
    from smartcity_pkg.bundle.keys import new_key
    from smartcity_pkg.catalogue.policy import load_policy

    (folder / "bundles").symlink_to(session.workspace.catalogue.resolve())
    (folder / "templates").symlink_to(session.workspace.templates.resolve())
    inner = Session(CommonOptions(session.options.json, session.options.lang, folder))
    inner.presenter = session.presenter
    new_key(inner.workspace.signing_key, None)
    ssh = {"host": server.address, "host_key": server.host_key, "key_file": str(client_key)}
    return Trial(inner, ssh, load_policy(session.workspace.policy)[0])


def required(catalogue: Catalogue, app: App) -> list[str]:
    """The names of all apps that `app` requires, through others too; without itself, sorted."""
    found: set[str] = set()
    ahead = [app.name]
    while ahead:
        name = ahead.pop()
        if name not in found and name in catalogue.apps:
            found.add(name)
            ahead += catalogue.apps[name].provided_by(catalogue.apps)
    return sorted(found - {app.name})


def pack(trial: Trial, names: Sequence[str], today: date) -> Release:
    """A release of the apps `names` and what they require, alone: chosen, built and packed."""
    from smartcity_pkg.catalogue import yamlfile
    from smartcity_pkg.catalogue.plan import to_yaml
    from smartcity_pkg.cli.wiring.release import pack_release
    from smartcity_pkg.lab.engine import build_engine
    from smartcity_pkg.lab.images import build_app_images, build_base_images
    from smartcity_pkg.selection.choose import select

    session, space = trial.session, trial.session.workspace
    profile = _profile(session.catalogue, trial.ssh, names)
    file = space.root / "pemda" / f"{_REGION}-ukur.yaml"
    atomic.write(file, yamlfile.dump(profile).encode())
    atomic.write(space.policy, yamlfile.dump(_policy(trial, names)).encode())
    plan = select(session.catalogue, session.pemda(_REGION), today=today)
    atomic.write(space.plan(_REGION), to_yaml(plan).encode())
    apps = [a.app for a in plan.apps]
    with build_engine(session.progress) as docker_host:
        build_base_images(docker_host, space.catalogue, session.progress)
        build_app_images(docker_host, space.catalogue, session.progress, only=apps)
        images = f"docker:{docker_host}"
        packed = pack_release(session, _REGION, None, images, None, None, today, None)
    return packed.contents.release


def deploy(trial: Trial) -> None:
    """Ship the newest release to the practice server and install it there."""
    from smartcity_pkg.cli.wiring.servers import Allowed, deploy_bundle
    from smartcity_pkg.cli.wiring.shipping import ShipOptions
    from smartcity_pkg.ship.fanout import failure

    ships, _installs = deploy_bundle(
        trial.session, _REGION, None, None, Allowed(), None, ShipOptions()
    )
    if error := failure(ships):
        raise error


@contextmanager
def host(trial: Trial) -> Iterator[Host]:
    """A connection to the practice server, closed at the end."""
    from smartcity_pkg.cli.wiring.servers import targets

    with targets(trial.session.pemda(_REGION), None)[0].host() as found:
        yield found


def _policy(trial: Trial, names: Sequence[str]) -> dict[str, Any]:
    """The workspace's policy; and apps may lack limits, which are to be found by measuring."""
    from smartcity_pkg.catalogue.exemption import Exemption

    reason = _("its limits are being measured")
    limits = [Exemption(app=name, rule="SC030", reason=reason) for name in names]
    allowed = trial.policy.model_copy(update={"exemptions": (*trial.policy.exemptions, *limits)})
    return allowed.model_dump(mode="json", exclude_none=True)


def _profile(catalogue: Catalogue, ssh: dict[str, str], must: Sequence[str]) -> dict[str, Any]:
    """A pemda that has room for anything, and wants the apps `must` alone."""
    skills = {s for a in catalogue.apps.values() for s in a.spec.staff}
    wanted = {*must, *(r for name in must for r in required(catalogue, catalogue.app(name)))}
    others = [n for n, a in catalogue.apps.items() if not a.is_platform and n not in wanted]
    paper = {"number": "UKUR", "date": "2000-01-01"}
    room = {"memory_gib": 1024, "cpus": 1024, "disk_gib": 4096}
    return {
        "schema_version": 1,
        "region": _REGION,
        "name": _NAME,
        "population": 1,
        "agreement": {"mou": paper, "pks": {**paper, "apps": "all"}},
        "link_mbps": 1000,
        "staff": dict.fromkeys(sorted(skills), 1000),
        "servers": [{"name": SERVER, **room, "ssh": ssh}],
        "choice": {"must": list(must), "exclude": others},
    }
