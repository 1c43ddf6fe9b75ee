"""Base and app images are built once, share their base layers, and hold no secrets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from smartcity_pkg.core.errors import InputError
from smartcity_pkg.lab.images import BuiltImage, build_app_images, build_base_images
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

pytestmark = pytest.mark.lab
APPS = ("gateway", "laksa", "perizinan", "postgres")


@pytest.fixture(scope="module")
def builder(lab: Lab) -> Server:
    """An engine that other tests' labs do not share: images must come from the caches alone."""
    return lab.server("lab-builder")


@pytest.fixture(scope="module")
def images(lab: Lab, builder: Server, catalogue: Path) -> dict[str, BuiltImage]:
    host = f"unix://{builder.docker_socket}"
    done = build_base_images(host, catalogue) + build_app_images(host, catalogue, only=APPS)
    return {image.name: image for image in done}


def test_images_share_the_layers_of_their_base(
    builder: Server, images: dict[str, BuiltImage]
) -> None:
    debian = _layers(builder, "smartcity/debian:13")
    assert len(debian) == 1
    assert all(_layers(builder, name)[:1] == debian for name in images)
    shared = _layers(builder, "smartcity/layanan:1")
    apps = [name for name in images if "laksa" in name or "perizinan" in name]
    assert len(apps) == 2
    for app in apps:
        assert _layers(builder, app)[: len(shared)] == shared
        assert len(_layers(builder, app)) == len(shared) + 1  # the app's own code, one layer


def test_a_second_build_makes_nothing(
    builder: Server, images: dict[str, BuiltImage], catalogue: Path
) -> None:
    host = f"unix://{builder.docker_socket}"
    again = build_base_images(host, catalogue) + build_app_images(host, catalogue, only=APPS)
    assert not [image.name for image in again if image.fresh]
    assert {i.name: i.id for i in again} == {i.name: i.id for i in images.values()}


def test_only_the_app_whose_code_changed_is_built_again(
    builder: Server, images: dict[str, BuiltImage], catalogue: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "bundles"
    for app in ("laksa", "perizinan"):
        shutil.copytree(catalogue / app, changed / app)
    next((changed / "laksa" / "app").glob("*.py")).open("a").write("# changed\n")
    (changed / "perizinan" / "compose.yaml").open("a").write("# not part of the image\n")
    before = {name: _layers(builder, name) for name in images}
    host = f"unix://{builder.docker_socket}"
    again = {image.name: image for image in build_app_images(host, changed)}
    fresh = [name for name, image in again.items() if image.fresh]
    assert len(fresh) == 1
    assert "laksa" in fresh[0]
    assert _layers(builder, fresh[0])[:-1] == before[fresh[0]][:-1]
    assert _layers(builder, fresh[0])[-1] != before[fresh[0]][-1]


@pytest.mark.parametrize(
    ("image", "command", "expected"),
    [
        ("smartcity/debian:13", "cat /etc/debian_version", "13."),
        ("smartcity/python:13", "python3 -c 'import flask, gunicorn, psycopg; print(42)'", "42"),
        ("smartcity/postgres:17", "/usr/lib/postgresql/17/bin/postgres --version", "postgres (P"),
        ("smartcity/nginx:13", "nginx -v 2>&1; openssl version", "nginx version"),
        ("smartcity/postgres:17", "find / -xdev -name '*snakeoil*' 2>/dev/null; echo none", "none"),
        ("smartcity/debian:13", "ls /var/lib/apt/lists /usr/share/man | wc -l", ""),
    ],
)
def test_base_images_hold_what_they_say(
    builder: Server, images: dict[str, BuiltImage], image: str, command: str, expected: str
) -> None:
    run = ["docker", "run", "--rm", "--network=none", "--read-only", image, "sh", "-c", command]
    done = builder.run(run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected)


def test_the_same_packages_give_the_same_base_image_on_another_engine(
    lab: Lab, images: dict[str, BuiltImage], catalogue: Path
) -> None:
    other = lab.server("lab-builder-2")
    try:
        again = build_base_images(f"unix://{other.docker_socket}", catalogue)
    finally:
        other.remove()
    from_packages = [image for image in again if "layanan" not in image.name]
    assert len(from_packages) == 4
    for image in from_packages:
        assert image.fresh
        assert image.id == images[image.name].id


def test_a_wrong_image_file_is_named(lab: Lab, builder: Server, tmp_path: Path) -> None:
    folder = tmp_path / "_base" / "broken"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text("image: a:1\npackges: [x]\n")
    with pytest.raises(InputError, match=r"image\.yaml:2.*packges"):
        build_base_images(f"unix://{builder.docker_socket}", tmp_path)


def _layers(server: Server, image: str) -> list[str]:
    done = server.run(["docker", "image", "inspect", "-f", "{{json .RootFS.Layers}}", image])
    layers: list[str] = json.loads(done.stdout)
    return layers
