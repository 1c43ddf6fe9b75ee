"""One real server for all stories; each begins with a release that is installed and well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from install_site import Site
from install_world import Draft, World, busybox_of

from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.ssh import connect
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab

GOOD = Draft()


@pytest.fixture(scope="session")
def _site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = lab.server("install")
    address = SshAddress(
        host=server.address, host_key=server.host_key, key_file=str(lab.client_key)
    )
    host = connect(address, name="install")
    world = World.make(tmp_path_factory.mktemp("world"), busybox_of(lab.root_fs.ssh))
    yield Site(server, host, world)
    host.close()
    server.remove()


@pytest.fixture
def bare(_site: Site) -> Site:
    """The server with nothing installed, no data and no images."""
    _site.uninstall(purge_data=True)
    _site.sh(
        f"rm -rf {StorePaths().root}; docker volume prune --all --force;"
        " docker image prune --all --force"
    )
    return _site


@pytest.fixture
def site(_site: Site) -> Site:
    """The server with the good release installed, and nothing of another one."""
    root, name = StorePaths().root, _site.name(GOOD)
    current = _site.sh(f'basename "$(readlink {root}/current)" || true').strip()
    if current.startswith("1-") and current != name:
        # Another test's release of the same number, which the server rightly refuses to exchange.
        _site.uninstall(purge_data=True)
        _site.sh(f"rm -rf {root}")
    _site.sh(f"mkdir -p {root}; cd {root}; rm -rf lock journal.jsonl watermark.json")
    _site.deploy(GOOD, older=True)
    _site.sh(
        f"cd {root}; rm -f previous store/releases/[!1]*;"
        f" find releases -mindepth 1 -maxdepth 1 ! -name {name} -exec rm -rf {{}} +"
    )
    return _site
