"""The inventory receipt as a server makes it: what it lists, and where its key stays."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from install_world import Draft, World

from smartcity_pkg.bundle.inventory import InventoryReceipt, parse_receipt
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.install.inventory import KEY_FILE, signed_inventory
from smartcity_pkg.install.place import Place

_NEEDED = "sh cat cd chmod base64 tr ln rm sync mkdir stat date uname nproc dirname xargs basename"
_NEEDED += " readlink tar sha256sum dd timeout zstd gzip"


class Searching:
    """A host on which only some folder's programs are found; it remembers what it was told."""

    def __init__(self, host: Host, path: str = "") -> None:
        self._host = host
        self._prefix = ("env", f"PATH={path}") if path else ()
        self.seen = b""

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        done = self._host.run((*self._prefix, *argv), **options)  # type: ignore[arg-type]
        self.seen += done.stdout + done.stderr + bytes(options.get("stdin", b""))  # type: ignore[call-overload]
        return done

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)


def at(place: Place, host: Host) -> Place:
    return Place(host, place.server, place.store, ComposeEngine(host, place.store))


def made(place: Place, world: World) -> InventoryReceipt:
    release = world.bundle(Draft())[1].release
    return parse_receipt(signed_inventory(place, release), "r.json")


def key_of(place: Place) -> Path:
    return Path(str(place.store.secrets)) / KEY_FILE


@pytest.fixture
def without_openssl(place: Place, tmp_path: Path) -> Searching:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in _NEEDED.split():
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return Searching(place.host, str(folder))


def test_it_lists_layers_and_documents_of_the_store_apart(place: Place, world: World) -> None:
    release = world.ship(place.host, Draft(), store=place.store)
    receipt = made(place, world)
    contents = world.bundle(Draft())[1]
    assert (receipt.region, receipt.server, receipt.release) == ("32.15", "s1", release.name)
    assert frozenset(contents.layers) <= receipt.diff_ids
    assert receipt.documents == {blob.digest for blob in contents.small_blobs}


def test_layers_that_are_not_there_are_not_listed(place: Place, world: World) -> None:
    contents = world.bundle(Draft())[1]
    absent = next(iter(contents.layers))
    world.ship(place.host, Draft(), store=place.store, leave_out=(absent,))
    assert absent not in made(place, world).diff_ids


def test_the_key_is_made_once_and_never_leaves_the_server(place: Place, world: World) -> None:
    watching = Searching(place.host)
    there = at(place, watching)  # type: ignore[arg-type]
    first = made(there, world)
    assert made(there, world).public_key == first.public_key
    secret = key_of(place).read_bytes()
    assert key_of(place).stat().st_mode & 0o777 == 0o600
    assert secret.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert secret.splitlines()[1] not in watching.seen
    assert b"PRIVATE KEY" not in watching.seen


def test_a_server_without_openssl_has_a_key_all_the_same(
    place: Place, world: World, without_openssl: Searching
) -> None:
    there = at(place, without_openssl)  # type: ignore[arg-type]
    first = made(there, world)
    assert key_of(place).stat().st_mode & 0o777 == 0o600
    assert made(there, world).public_key == first.public_key
    # openssl arrives: it goes on with the same key.
    assert made(place, world).public_key == first.public_key


def test_a_key_of_another_kind_is_told(place: Place, world: World) -> None:
    made(place, world)
    place.host.run(
        ("openssl", "genpkey", "-algorithm", "RSA", "-out", str(key_of(place))), timeout_s=60
    )
    with pytest.raises(RemoteCommandError, match="another kind"):
        made(place, world)


def test_no_key_is_left_half_made(place: Place, world: World) -> None:
    made(place, world)
    assert [p.name for p in key_of(place).parent.iterdir()] == [KEY_FILE]
    assert digest.is_digest(made(place, world).key_id)
