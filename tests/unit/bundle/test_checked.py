"""A bundle that was read through is not read again, unless somebody may have written to it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from bundle_world import Keys

from smartcity_pkg.bundle.checked import CheckedBundles, file_state
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.core.progress import Event, Transfer


class Reader:
    """Verifies one bundle, with notes in a folder of its own."""

    def __init__(self, path: Path, keys: Keys, notes: Path) -> None:
        self.path, self.keys, self.notes = path, keys, CheckedBundles(notes)

    def reads(self, *, again: bool = False) -> int:
        """How many bytes of layers a check reads."""
        told: list[Event] = []
        trusted = self.keys.trusted
        verify(self.path, trusted, told.append, checked=self.notes, again=again)
        return max(
            (e.done for e in told if isinstance(e, Transfer) and e.task == "verify"), default=0
        )

    def layer_at(self) -> int:
        """Where the bytes of the largest layer begin."""
        with open_bundle(self.path) as bundle:
            largest = max(bundle.blobs, key=lambda d: bundle.blobs[d])
            return bundle.place(f"blobs/sha256/{largest.removeprefix('sha256:')}").offset

    def flip(self) -> None:
        """One bit of a layer, at the same size, with the modification time of before."""
        before = self.path.stat()
        place = self.layer_at() + 20
        with self.path.open("r+b") as file:
            file.seek(place)
            found = file.read(1)[0]
            file.seek(place)
            file.write(bytes([found ^ 1]))
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def reader(bundles: dict[str, Path], keys: Keys, tmp_path: Path) -> Reader:
    path = tmp_path / "bundle.tar"
    shutil.copyfile(bundles["tar"], path)
    return Reader(path, keys, tmp_path / "checked")


def test_what_was_read_is_not_read_again_unless_that_is_asked_for(reader: Reader) -> None:
    size_bytes = reader.reads()
    assert size_bytes > 0
    assert reader.reads() == 0
    assert reader.reads(again=True) == size_bytes


def test_a_bit_that_was_flipped_behind_the_notes_is_found(reader: Reader) -> None:
    reader.reads()
    time.sleep(0.02)  # the kernel's clock for files goes in ticks
    reader.flip()
    with pytest.raises(UntrustedBundleError):
        reader.reads()


def test_a_broken_bundle_is_never_noted(reader: Reader) -> None:
    reader.flip()
    for _time in range(2):
        with pytest.raises(UntrustedBundleError):
            reader.reads()


def test_a_copy_is_read_for_itself(reader: Reader, tmp_path: Path) -> None:
    size_bytes = reader.reads()
    reader.path = Path(shutil.copyfile(reader.path, tmp_path / "copy.tar"))
    assert reader.reads() == size_bytes


def test_notes_that_are_damaged_or_cannot_be_written_cost_only_time(
    reader: Reader, tmp_path: Path
) -> None:
    size_bytes = reader.reads()
    for note in (tmp_path / "checked").iterdir():
        note.write_bytes(b"\xff\x00")
    assert reader.reads() == size_bytes
    (tmp_path / "file").write_text("no folder")
    reader.notes = CheckedBundles(tmp_path / "file")
    assert [reader.reads(), reader.reads()] == [size_bytes] * 2


def test_a_folder_and_a_file_with_whole_seconds_are_not_told_apart(
    bundles: dict[str, Path], reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_state(bundles["directory"]) is None
    assert file_state(reader.path.parent / "not there") is None
    monkeypatch.setattr("smartcity_pkg.bundle.checked._SECOND_NS", 1)
    assert file_state(reader.path) is None
