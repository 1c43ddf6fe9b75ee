"""What `install` does up to "loaded and proven", without starting an app.

Signature, every byte in the store, load, proof that each image is whole; then layers that the
engine now has are dropped from the store, as `install` does at its end. Run by `peers` as a process
of its own, so that it is measured like a peer's.
"""

from __future__ import annotations

import argparse
import uuid
from contextlib import closing
from datetime import date
from pathlib import Path

from smartcity_pkg.bundle.keys import load_public
from smartcity_pkg.bundle.ring import Ring
from smartcity_pkg.cli.wiring.servers import documents_at_hand
from smartcity_pkg.core.progress import no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.facts import gather
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.ssh import connect
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import images, offers
from smartcity_pkg.install.journal import Journal
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.place import Place


def load(host: Host, server: str, keys: Path) -> None:
    """Load the newest release of the store and prove its images."""
    paths = StorePaths()
    place = Place(host, server, paths, ComposeEngine(host, paths), documents_at_hand())
    trusted = Ring.of_pem(load_public(path) for path in sorted(keys.glob("*.pub")))
    journal = Journal(host, paths, run=uuid.uuid4().hex[:12], by=this_process())
    with Lock(host, paths):
        name = offers.choose(place, None)
        release = offers.verified_release(place, name, trusted.on(date.today())).release
        journal.release = name
        facts = gather(host, paths)
        place.engine.check(facts)
        missing = images.images_to_load(place, release)
        images.check_content(place, release, missing, facts)
        images.load_images(place, missing, journal, no_progress, doubt=False)
        assert not images.prove_images(place, release), "an image is not whole"
        images.drop_loaded_layers(place, release)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("address", "host-key", "key-file", "server"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--keys", required=True, type=Path)
    chosen = parser.parse_args()
    address = SshAddress(chosen.address, host_key=chosen.host_key, key_file=chosen.key_file)
    with closing(connect(address, name=chosen.server, compress=True)) as host:
        load(host, chosen.server, chosen.keys)


if __name__ == "__main__":
    main()
