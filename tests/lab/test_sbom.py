"""The documents of real images name what the container's own tools name, package for package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_world import Keys, make_keys, packed

from smartcity_pkg.bundle.inspect import inspect, sbom_document
from smartcity_pkg.bundle.sbom.cyclonedx import Sbom, parse
from smartcity_pkg.bundle.sources.engine import EngineSource
from smartcity_pkg.lab.images import build_base_images
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab

IMAGES = ("smartcity/debian:13", "smartcity/python:13", "smartcity/postgres:17", "uji/purged:1")
# dpkg's own state decides what is there: a removed package's configuration may stay behind.
_DPKG = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"]
_PYTHON = """
import importlib.metadata as m, json
print(json.dumps(sorted({(d.metadata["Name"], d.version) for d in m.distributions()})))
"""


@pytest.fixture(scope="module")
def server(lab: Lab, catalogue: Path) -> Server:
    """An engine with the base images, and one on top that took packages away again."""
    made = lab.server("lab-sbom")
    build_base_images(f"unix://{made.docker_socket}", catalogue)
    change = (
        "dpkg --remove --force-depends python3-flask && "
        "d=/usr/lib/python3/dist-packages; rm -rf $d/werkzeug-*.dist-info && "
        "cp -r $d/click-*.dist-info $d/salinan-1.0.dist-info && "
        "sed -i 's/^Name: .*/Name: Salinan/; s/^Version: .*/Version: 1.0/' "
        "$d/salinan-1.0.dist-info/METADATA"
    )
    run = ["docker", "run", "--name", "purge", "--network=none", "--user=0", "smartcity/python:13"]
    assert made.run([*run, "sh", "-c", change]).returncode == 0
    assert made.run(["docker", "commit", "purge", "uji/purged:1"]).returncode == 0
    return made


@pytest.fixture(scope="module")
def bundle(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbom")
    keys: Keys = make_keys(folder)
    source = EngineSource(f"unix://{server.docker_socket}")
    return packed(source, IMAGES, keys, folder / "bundle.tar", cache=folder / "cache").path


@pytest.fixture(scope="module")
def sbom(bundle: Path) -> Callable[[str], Sbom]:
    return lambda image: parse(sbom_document(bundle, image)[1])


@pytest.mark.parametrize("image", IMAGES)
def test_debian_packages_equal_dpkg_query_inside_the_container(
    server: Server, sbom: Callable[[str], Sbom], image: str
) -> None:
    lines = [line.split() for line in _inside(server, image, _DPKG).splitlines()]
    expected = {tuple(rest) for state, *rest in lines if state == "installed"}
    found = [(p.name, p.version, p.arch) for p in sbom(image).packages if p.kind == "deb"]
    assert set(found) == expected
    assert len(found) == len(expected) > 70
    assert sbom(image).unread == ()
    assert sbom(image).system == "debian 13"


@pytest.mark.parametrize("image", ["smartcity/python:13", "uji/purged:1"])
def test_python_packages_equal_importlib_metadata_inside_the_container(
    server: Server, sbom: Callable[[str], Sbom], image: str
) -> None:
    expected = json.loads(_inside(server, image, ["python3", "-c", _PYTHON]))
    found = [[p.name, p.version] for p in sbom(image).packages if p.kind == "pypi"]
    assert sorted(found) == expected
    assert len(found) >= 5


def test_a_package_that_an_upper_layer_took_away_is_not_named(
    sbom: Callable[[str], Sbom],
) -> None:
    below, above = (
        {(p.kind, p.name) for p in sbom(i).packages} for i in ("smartcity/python:13", IMAGES[3])
    )
    assert below - above == {
        ("deb", "python3-flask"),
        ("pypi", "Flask"),
        ("pypi", "Werkzeug"),
    }
    assert above - below == {("pypi", "Salinan")}


def test_most_debian_packages_name_their_licences(bundle: Path) -> None:
    summary = inspect(bundle)
    assert summary.without_licence < len(summary.packages) / 4
    assert summary.licences["GPL-2+"] > 20


def _inside(server: Server, image: str, command: list[str]) -> str:
    done = server.run(["docker", "run", "--rm", "--network=none", image, *command])
    assert done.returncode == 0, done.stderr
    return done.stdout
