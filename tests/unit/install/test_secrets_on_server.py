from __future__ import annotations

import re
from pathlib import Path

import pytest
from install_world import Draft, World

from smartcity_pkg.catalogue.release import ReleaseApp, SecretFile
from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.secrets import ensure_secrets


class Watching:
    """A host that remembers everything that passed through it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.seen = b""

    def run(self, argv: tuple[str, ...], **options: object) -> Completed:
        done = self._host.run(argv, **options)  # type: ignore[arg-type]
        self.seen += " ".join(argv).encode() + done.stdout + done.stderr
        return done

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)


@pytest.fixture
def apps(world: World) -> tuple[ReleaseApp, ...]:
    return world.bundle(Draft())[1].release.apps


def files(place: Place) -> dict[str, Path]:
    root = Path(str(place.store.secrets))
    return {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_file()}


def test_a_secret_is_made_once_and_shared_with_its_providers(
    place: Place, apps: tuple[ReleaseApp, ...]
) -> None:
    assert ensure_secrets(place, apps) == ("lapor/sandi",)
    found = files(place)
    assert set(found) == {"lapor/sandi", "penyimpan/lapor_sandi"}
    values = {p.read_text() for p in found.values()}
    assert len(values) == 1
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", values.pop())


def test_only_the_service_user_may_read_a_secret(
    place: Place, apps: tuple[ReleaseApp, ...]
) -> None:
    ensure_secrets(place, apps)
    found = files(place)
    assert {(p.stat().st_mode & 0o777, p.stat().st_uid) for p in found.values()} == {
        (0o400, 10001),
        (0o400, 10002),
    }
    assert Path(str(place.store.secrets)).stat().st_mode & 0o077 == 0


def test_an_existing_secret_is_kept(place: Place, apps: tuple[ReleaseApp, ...]) -> None:
    ensure_secrets(place, apps)
    before = {name: p.read_text() for name, p in files(place).items()}
    assert ensure_secrets(place, apps) == ()
    assert {name: p.read_text() for name, p in files(place).items()} == before


def test_a_later_reader_of_a_secret_gets_the_same_value(
    place: Place, apps: tuple[ReleaseApp, ...]
) -> None:
    lapor = [a for a in apps if a.app == "lapor"]
    ensure_secrets(place, lapor)
    assert ensure_secrets(place, apps) == ()
    found = files(place)
    assert found["lapor/sandi"].read_text() == found["penyimpan/lapor_sandi"].read_text()


def test_an_interrupted_making_leaves_nothing_that_counts(
    place: Place, apps: tuple[ReleaseApp, ...]
) -> None:
    folder = Path(str(place.store.secrets)) / "lapor"
    folder.mkdir(parents=True)
    (folder / "sandi").write_text("")  # a crash before the content was there
    (folder / "sandi.part").write_text("half")
    assert ensure_secrets(place, apps) == ("lapor/sandi",)
    assert len((folder / "sandi").read_text()) == 43


def test_a_changed_user_gets_the_old_value(place: Place, apps: tuple[ReleaseApp, ...]) -> None:
    ensure_secrets(place, apps)
    value = files(place)["lapor/sandi"].read_text()
    moved = apps[0].model_copy(
        update={"secrets": (SecretFile(source="lapor/sandi", path="lapor/sandi", uid=777),)}
    )
    ensure_secrets(place, [moved])
    path = files(place)["lapor/sandi"]
    assert (path.read_text(), path.stat().st_uid) == (value, 777)


def test_no_value_leaves_the_server(place: Place, apps: tuple[ReleaseApp, ...]) -> None:
    watching = Watching(place.host)
    seen = Place(watching, place.server, place.store, place.engine)  # type: ignore[arg-type]
    ensure_secrets(seen, apps)
    ensure_secrets(seen, apps)
    for path in files(place).values():
        assert path.read_bytes() not in watching.seen
