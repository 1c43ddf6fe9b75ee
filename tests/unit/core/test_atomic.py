"""Files are whole or as before, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from smartcity_pkg.core import atomic


class Boom(Exception):
    """What a caller's own code may raise."""


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_write_replaces_a_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/plan.yaml"
    atomic.write(path, b"old")
    atomic.write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path.parent) == ["plan.yaml"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.mkdir()
    (path / "kept").write_text("old")
    with pytest.raises(OSError):
        atomic.write(path, b"a file cannot replace a folder")
    assert names(tmp_path) == ["plan"]
    assert (path / "kept").read_text() == "old"


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_crash_while_a_file_is_built_leaves_the_old_content(
    tmp_path: Path, before: bytes | None
) -> None:
    path = tmp_path / "bundle.tar"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(Boom), atomic.replacing(path) as part:
        part.write_bytes(b"half of the n")
        raise Boom
    assert (path.read_bytes() if path.exists() else None) == before
    assert names(tmp_path) == (["bundle.tar"] if before else [])


def test_a_crash_while_a_folder_is_built_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "index.json").write_text("old")
    with pytest.raises(Boom), atomic.replacing(path) as part:
        part.mkdir()
        (part / "index.json").write_text("new")
        raise Boom
    assert (path / "index.json").read_text() == "old"
    assert names(tmp_path) == ["bundle"]


def test_ctrl_c_while_a_file_is_built_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as part:
        part.write_bytes(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("old", ["nothing", "empty", "full"])
def test_a_folder_takes_the_place_of_another(tmp_path: Path, old: str) -> None:
    path = tmp_path / "rendered"
    if old != "nothing":
        path.mkdir()
    if old == "full":
        (path / "left-over").write_text("old")
    with atomic.replacing(path) as part:
        part.mkdir()
        (part / "new").write_text("new")
    assert names(path) == ["new"]
    assert names(tmp_path) == ["rendered"]


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(b"old")
    with atomic.replacing(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_file_and_a_folder_never_replace_each_other(tmp_path: Path, folder_first: bool) -> None:
    path = tmp_path / "bundle"
    if folder_first:
        path.mkdir()
        (path / "kept").touch()
    else:
        path.write_text("kept")
    with pytest.raises(OSError), atomic.replacing(path) as part:
        if folder_first:
            part.write_text("new")
        else:
            part.mkdir()
    assert names(path) == ["kept"] if folder_first else path.read_text() == "kept"
    assert names(tmp_path) == ["bundle"]


def test_nothing_built_is_an_error_and_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic.replacing(path):
        pass
    assert path.read_text() == "old"


def test_the_folder_one_stands_in_can_be_replaced_while_it_is_empty(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    script = (
        "from pathlib import Path\n"
        "from smartcity_pkg.core import atomic\n"
        "with atomic.replacing(Path('.')) as part:\n"
        "    part.mkdir()\n"
        "    (part / 'new').touch()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=here, check=True)
    assert names(here) == ["new"]


def test_a_killed_process_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_text("old")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from smartcity_pkg.core import atomic\n"
        "with atomic.replacing(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half of the n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_what_is_replaced_keeps_its_content_for_those_who_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        atomic.write(path, b"new")
        assert os.fstat(reader.fileno()).st_nlink == 0
        assert reader.read() == b"old"
