"""Offers, files and links on a real file system: whole, genuine, or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from install_world import SERVER, Draft, World

from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.catalogue.release import Release, ReleaseApp
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import PreflightError, UntrustedBundleError
from smartcity_pkg.hosts.host import Completed, HostAround
from smartcity_pkg.install import installed, offers
from smartcity_pkg.install.place import Place, providers_first

FIRST, SECOND = Draft(), Draft(serial=2, page="dua", version="1.1.0")


@pytest.fixture
def shipped(place: Place, world: World) -> Release:
    return world.ship(place.host, FIRST, store=place.store)


class Listening(HostAround):
    """The host inside; counts the commands, and the bytes that they answer."""

    commands = answered_bytes = 0

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        done = self.inside.run(argv, **options)
        self.commands += 1
        self.answered_bytes += len(done.stdout)
        return done


def with_documents(place: Place, world: World) -> Place:
    """The place, seen from a machine that has what it shipped."""
    path, contents = world.bundle(FIRST)
    with open_bundle(path) as bundle:
        documents = {b.digest: bundle.read(b.digest) for b in contents.small_blobs}
    return replace(place, at_hand=documents.get)


def path_of(place: Place, of: str) -> Path:
    return Path(str(place.store.blob(of)))


def test_the_newest_release_is_chosen(place: Place, world: World, shipped: Release) -> None:
    second = world.ship(place.host, SECOND, store=place.store)
    assert offers.release_names(place) == (second.name, shipped.name)
    assert offers.choose(place, None) == second.name
    assert offers.choose(place, shipped.name) == shipped.name


def test_an_empty_store_says_what_to_do(place: Place) -> None:
    with pytest.raises(PreflightError) as refused:
        offers.choose(place, None)
    assert "smartcity ship" in refused.value.hint


def test_an_unknown_release_is_refused_and_the_known_ones_named(
    place: Place, shipped: Release
) -> None:
    with pytest.raises(PreflightError) as refused:
        offers.choose(place, "9-aaaaaaaaaaaa")
    assert shipped.name in refused.value.hint


def test_two_releases_of_one_number_must_be_told_apart(
    place: Place, world: World, shipped: Release
) -> None:
    twin = world.ship(place.host, Draft(page="lain"), store=place.store)
    with pytest.raises(PreflightError) as refused:
        offers.choose(place, None)
    assert twin.name in refused.value.message
    assert offers.choose(place, twin.name) == twin.name


def test_a_genuine_release_is_read_back(place: Place, world: World, shipped: Release) -> None:
    assert offers.verified_release(place, shipped.name, world.trusted).release == shipped


def test_a_release_that_nobody_trusted_signed_is_refused(place: Place, shipped: Release) -> None:
    with pytest.raises(UntrustedBundleError):
        offers.verified_release(place, shipped.name, TrustedKeys())


def test_documents_at_hand_are_compared_in_one_round_trip_and_do_not_travel(
    place: Place, world: World, shipped: Release
) -> None:
    costs = []
    for seen in (place, with_documents(place, world)):
        host = Listening(place.host)
        found = offers.verified_release(replace(seen, host=host), shipped.name, world.trusted)
        assert found.release == shipped
        costs.append((host.commands, host.answered_bytes))
    assert [commands for commands, _bytes in costs] == [4, 2]
    assert costs[1][1] < costs[0][1] / 2


@pytest.mark.parametrize("at_hand", [False, True])
def test_every_small_blob_that_lies_is_refused_and_removed(
    place: Place, world: World, shipped: Release, at_hand: bool
) -> None:
    place = with_documents(place, world) if at_hand else place
    for blob in world.bundle(FIRST)[1].small_blobs:
        path = path_of(place, blob.digest)
        good = path.read_bytes()
        path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
        with pytest.raises(UntrustedBundleError):
            offers.verified_release(place, shipped.name, world.trusted)
        assert not path.exists(), "so that ship brings it again"
        with pytest.raises(UntrustedBundleError):
            offers.verified_release(place, shipped.name, world.trusted)
        path.write_bytes(good)
    assert offers.verified_release(place, shipped.name, world.trusted).release == shipped


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"root_digest": "x"}', "\0" * 9])
def test_a_broken_offer_is_refused(
    place: Place, world: World, shipped: Release, content: str
) -> None:
    Path(str(place.store.offer(shipped.name))).write_text(content)
    with pytest.raises(UntrustedBundleError):
        offers.verified_release(place, shipped.name, world.trusted)


def test_an_offer_under_another_releases_name_is_refused(
    place: Place, world: World, shipped: Release
) -> None:
    second = world.ship(place.host, SECOND, store=place.store)
    genuine = Path(str(place.store.offer(shipped.name)))
    Path(str(place.store.offer(second.name))).write_bytes(genuine.read_bytes())
    with pytest.raises(UntrustedBundleError):
        offers.verified_release(place, second.name, world.trusted)


def test_layers_in_the_store_are_hashed_there(place: Place, shipped: Release) -> None:
    layers = shipped.images[0].diff_ids
    assert offers.check_blobs(place, [*layers, digest.of_bytes(b"absent")], 1) == set(layers)
    path = path_of(place, layers[1])
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(UntrustedBundleError) as refused:
        offers.check_blobs(place, layers, 1)
    assert layers[1][7:19] in refused.value.message
    assert not path.exists()


def test_unpacking_gives_exactly_this_servers_files(place: Place, shipped: Release) -> None:
    installed.unpack(place, shipped)
    folder = Path(str(place.store.release(shipped.name)))
    found = {
        str(p.relative_to(folder)): digest.of_bytes(p.read_bytes())
        for p in folder.rglob("*")
        if p.is_file()
    }
    assert found.pop("release.json") == shipped.digest
    assert found == shipped.files
    assert installed.look(place).folders == (shipped.name,)
    assert installed.read_release(place, shipped.name) == shipped


def test_a_release_that_is_unpacked_is_left_alone(place: Place, shipped: Release) -> None:
    installed.unpack(place, shipped)
    file = Path(str(place.store.release(shipped.name))) / SERVER / "lapor/compose.yaml"
    before = file.stat().st_ino
    installed.unpack(place, shipped)
    assert file.stat().st_ino == before


@pytest.mark.parametrize("harm", ["changed", "added", "removed", "linked", "document"])
def test_a_folder_that_was_changed_is_unpacked_afresh(
    place: Place, shipped: Release, harm: str
) -> None:
    installed.unpack(place, shipped)
    folder = Path(str(place.store.release(shipped.name)))
    file = folder / SERVER / "lapor/compose.yaml"
    if harm == "changed":
        file.write_text("services: {}\n")
    elif harm == "added":
        (folder / SERVER / "lapor/compose.override.yaml").write_text("services: {}\n")
    elif harm == "removed":
        file.unlink()
    elif harm == "linked":
        (folder / SERVER / "link").symlink_to("/etc")
    else:
        (folder / "release.json").write_text(json.dumps({}))
    assert not installed.files_intact(place, shipped)
    installed.unpack(place, shipped)
    assert installed.files_intact(place, shipped)


def test_what_a_crash_left_half_unpacked_does_not_count(place: Place, shipped: Release) -> None:
    part = Path(str(place.store.releases)) / f"{shipped.name}.part/{SERVER}"
    part.mkdir(parents=True)
    (part / "rubbish").write_text("x")
    assert installed.look(place).folders == ()
    installed.unpack(place, shipped)
    assert installed.files_intact(place, shipped)


def test_an_installed_release_that_lies_about_its_name_is_refused(
    place: Place, shipped: Release
) -> None:
    installed.unpack(place, shipped)
    folder = Path(str(place.store.releases))
    (folder / shipped.name).rename(folder / "1-aaaaaaaaaaaa")
    with pytest.raises(UntrustedBundleError):
        installed.read_release(place, "1-aaaaaaaaaaaa")


def test_commit_moves_both_links(place: Place) -> None:
    installed.look(place)
    installed.commit(place, "1-a", before="")
    found = installed.look(place)
    assert (found.current, found.previous) == ("1-a", "")
    installed.commit(place, "2-b", before="1-a")
    installed.commit(place, "2-b", before="1-a")
    found = installed.look(place)
    assert (found.current, found.previous) == ("2-b", "1-a")
    assert str(Path(str(place.store.current)).readlink()) == "releases/2-b"


def app(name: str, *after: str) -> ReleaseApp:
    return ReleaseApp(
        app=name, version="1.0.0", server=SERVER, project=name, compose_files=("c.yaml",),
        env_file="", services=(), images=(), networks=(), after=after, config_digest="",
    )  # fmt: skip


def test_providers_come_first_whatever_the_order() -> None:
    apps = (app("web", "db", "cache"), app("cache", "db"), app("db"), app("solo"))
    assert [a.app for a in providers_first(apps)] == ["db", "cache", "web", "solo"]


def test_a_circle_still_gives_every_app_once() -> None:
    apps = (app("a", "b"), app("b", "a"), app("c"))
    assert sorted(a.app for a in providers_first(apps)) == ["a", "b", "c"]


def test_a_container_of_another_program_has_no_origin(place: Place) -> None:
    root = place.store.releases
    assert place.origin((f"{root}/1-a/s1/web/compose.yaml",)) == "1-a"
    assert place.origin(("/home/sari/compose.yaml",)) == ""
    assert place.origin(()) == ""
