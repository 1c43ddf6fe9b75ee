"""Keys, two small images that share a layer, and a bundle of them in both forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_forge import Files, read_folder
from bundle_world import Keys, layer, make_keys, packed, write_layout

from smartcity_pkg.bundle.sources.layout import layout_source

BASE = layer({"bin/sh": b"shell " * 4000, "etc/os-release": b"ID=debian\n"})
IMAGES = {
    "smartcity/laksa:1.0.0": [BASE, layer({"srv/app.py": b"print('laksa')\n"})],
    "smartcity/gateway:1.0.0": [BASE, layer({"srv/gw.conf": b"listen 80;\n"}), b"\0" * 1024],
}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def images() -> dict[str, list[bytes]]:
    return IMAGES


@pytest.fixture(scope="session")
def bundles(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same bundle as a directory and as a tar; tests must not change them."""
    root = tmp_path_factory.mktemp("bundles")
    source = layout_source(write_layout(root / "source", IMAGES))
    made = {}
    for form, name in (("directory", "bundle"), ("tar", "bundle.tar")):
        made[form] = root / name
        packed(source, list(IMAGES), keys, made[form], cache=root / "cache")
    return made


@pytest.fixture(scope="session")
def sound(bundles: dict[str, Path]) -> Files:
    """The files of a good bundle."""
    return read_folder(bundles["directory"])


@pytest.fixture(scope="session")
def tar_bytes(bundles: dict[str, Path]) -> bytes:
    return bundles["tar"].read_bytes()
