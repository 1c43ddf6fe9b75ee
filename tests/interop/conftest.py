"""A bundle of images that really run, and the programs of others that read it."""

from __future__ import annotations

import pytest
from bundle_world import make_keys, packed
from install_world import base_layer, busybox_of, image, tar_of, write_layout
from interop_world import Made

from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.programs import Readers


@pytest.fixture(scope="session")
def readers(lab: Lab) -> Readers:
    """cosign and skopeo of Debian 13."""
    return Readers(lab.home)


@pytest.fixture(scope="session")
def made(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two images that share a base, packed and signed."""
    home = tmp_path_factory.mktemp("interop")
    base = base_layer(busybox_of(lab.root_fs.ssh))
    images = [
        image(f"smartcity/{name}:1.0.0", (base, tar_of({"etc/which": f"{name}\n"})))
        for name in ("laksa", "perizinan")
    ]
    (home / "source").mkdir()
    write_layout(home / "source", images)
    keys = make_keys(home)
    source = layout_source(home / "source")
    for form in ("bundle", "bundle.tar"):
        done = packed(source, [i.source for i in images], keys, home / form, cache=home / "cache")
    public = home / "release.pub"
    return Made(home / "bundle", home / "bundle.tar", keys, public, done.contents, images)
