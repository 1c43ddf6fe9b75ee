"""Packed answers by a real shell: whole, cut, and without gzip."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartcity_pkg.core.errors import RemoteCommandError
from smartcity_pkg.hosts.host import Completed, Host, script
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.packed import files_of, packed, unpacked

SAY = '# say it\nprintf "%s" "$1"; head -c 100000 /dev/zero'


@pytest.fixture
def host() -> Host:
    return LocalHost("sini")


def asked(host: Host, text: str, *words: str) -> tuple[Completed, bytes]:
    done = host.run(script(packed(text), *words), check=False)
    return done, unpacked(host, done)


def test_what_is_said_comes_back_and_is_small(host: Host) -> None:
    done, said = asked(host, SAY, "isi \n\xff")
    assert said == "isi \n\xff".encode() + bytes(100_000)
    assert len(done.stdout) < 1_000


def test_without_gzip_it_comes_as_it_is(host: Host, tmp_path: Path) -> None:
    for tool in ("sh", "head"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    bare = host.run(("env", f"PATH={tmp_path}", "sh", *script(packed(SAY), "isi")[1:]))
    assert unpacked(host, bare) == b"isi" + bytes(100_000)
    assert len(bare.stdout) > 100_000


@pytest.mark.parametrize("end", ["false", "exit 3", "cat /tiada"])
def test_what_did_not_come_to_its_end_is_an_error(host: Host, end: str) -> None:
    with pytest.raises(RemoteCommandError, match="say it"):
        asked(host, f"{SAY}\n{end}\necho more", "isi")


def test_an_early_end_that_is_meant_is_whole(host: Host) -> None:
    assert asked(host, "# say it\necho a; exit 0; echo b")[1] == b"a\n"


def test_files_have_any_names_and_any_content() -> None:
    said = b"satu 3\na\nbdua tiga 0\nempat =\n"
    assert files_of(said) == {"satu": b"a\nb", "dua tiga": b"", "empat": None}
