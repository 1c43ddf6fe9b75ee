"""Copies of backups in a second place: encrypted, resumed, refused when damaged, brought back."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from install_site import CutAfter, Site

from smartcity_pkg.core.errors import EngineError, UnreachableError, UsageError
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.install import copies
from smartcity_pkg.install.backups import Backup, Manifest
from smartcity_pkg.install.shelf import FolderShelf, HostShelf, Shelf

SECRET = b"warga yang melapor"
SIZE = 20 << 20  # more than two pieces


def on_shelf(folder: Path, name: str = "20260101T000000Z-lapor-1") -> Backup:
    """A backup as a server has it."""
    data = (SECRET + os.urandom(1 << 20)) * (SIZE // (1 << 20))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        app="lapor", version="1", release="1-a", why="command", began=at, ended=at,
        size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), verified=True,
    )  # fmt: skip
    (folder / name).mkdir(parents=True)
    (folder / name / "data").write_bytes(data)
    text = manifest.model_dump_json(exclude={"stored"})
    (folder / name / "manifest.json").write_text(text)
    return Backup(name=name, manifest=manifest)


@pytest.fixture(params=["folder", "host"])
def second(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """A second place of either kind."""
    if request.param == "folder":
        return FolderShelf(tmp_path / "second")
    if os.geteuid() != 0:
        pytest.skip("a host's commands run as root")
    return HostShelf(LocalHost(), str(tmp_path / "second"))


def test_an_encrypted_copy_opens_with_the_identity_alone(second: Shelf, tmp_path: Path) -> None:
    backup = on_shelf(tmp_path / "server")
    identity, recipient = copies.new_identity()
    server = FolderShelf(tmp_path / "server")
    done = copies.copy(server, backup, second, recipient=recipient)
    assert done.sent_bytes > SIZE
    (copy,) = copies.whole(second)
    stored = tmp_path / "second" / backup.name
    assert sorted(p.name for p in stored.iterdir()) == ["data.age", "manifest.json"]
    assert stored.stat().st_mode & 0o077 == 0
    assert SECRET not in (stored / "data.age").read_bytes()
    assert identity not in (stored / "manifest.json").read_text()
    assert copies.proven(second, copy)
    assert copies.copy(server, backup, second, recipient=recipient).sent_bytes == 0
    back = FolderShelf(tmp_path / "new")
    for wrong in ("", "nonsense", copies.new_identity()[0]):
        with pytest.raises(UsageError):
            copies.fetch(second, copy, back, identity=wrong)
        assert back.names() == ()
    copies.fetch(second, copy, back, identity=f"# a comment\n{identity}\n")
    assert (tmp_path / "new" / backup.name / "data").read_bytes() == (
        tmp_path / "server" / backup.name / "data"
    ).read_bytes()
    assert copies.whole(back) == (backup,)


def test_a_plain_copy_goes_on_where_it_stopped(second: Shelf, tmp_path: Path) -> None:
    backup = on_shelf(tmp_path / "server")
    server = FolderShelf(tmp_path / "server")
    first = server.read(f"{backup.name}/data", 0, 9 << 20)
    second.append(f"{backup.name}.part/data", 0, first)
    assert second.names() == ()
    done = copies.copy(server, backup, second)
    assert done.sent_bytes == backup.manifest.size_bytes - (9 << 20)
    (copy,) = copies.whole(second)
    assert copies.fetch(second, copy, FolderShelf(tmp_path / "new")) == done.size_bytes
    assert copies.fetch(second, copy, FolderShelf(tmp_path / "new")) == 0


def test_a_garbled_beginning_is_noticed_and_sent_again(second: Shelf, tmp_path: Path) -> None:
    backup = on_shelf(tmp_path / "server")
    server = FolderShelf(tmp_path / "server")
    second.append(f"{backup.name}.part/data", 0, b"x" * 1000)
    with pytest.raises(EngineError):
        copies.copy(server, backup, second)
    assert second.names() == ()
    assert copies.copy(server, backup, second).sent_bytes == backup.manifest.size_bytes


def test_a_damaged_copy_is_found_out_and_never_comes_back(second: Shelf, tmp_path: Path) -> None:
    backup = on_shelf(tmp_path / "server")
    identity, recipient = copies.new_identity()
    server, back = FolderShelf(tmp_path / "server"), FolderShelf(tmp_path / "new")
    for key in ("", recipient):
        copies.copy(server, backup, second, recipient=key)
        (copy,) = copies.whole(second)
        assert copy.manifest.stored
        second.append(f"{backup.name}/{copy.manifest.stored.file}", 9 << 20, b"flipped")
        assert not copies.proven(second, copy)
        with pytest.raises((EngineError, UsageError)):
            copies.fetch(second, copy, back, identity=identity)
        assert back.names() == ()


@pytest.mark.lab
def test_a_link_that_is_lost_while_copying_is_told_as_such(bare: Site, tmp_path: Path) -> None:
    folder = "/var/lib/smartcity/backups"
    backup = on_shelf(bare.server.path(folder))
    _identity, recipient = copies.new_identity()
    for key in ("", recipient):
        second = FolderShelf(tmp_path / f"second-{bool(key)}")
        cut = HostShelf(CutAfter(bare.host, 2), folder)  # type: ignore[arg-type]
        with pytest.raises(UnreachableError):
            copies.copy(cut, backup, second, recipient=key)
        assert second.names() == ()
        done = copies.copy(HostShelf(bare.host, folder), backup, second, recipient=key)
        assert (done.sent_bytes < SIZE) == (not key)
