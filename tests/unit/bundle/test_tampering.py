"""Whatever is done to a bundle on its way: it is refused, nothing crashes, nothing is written."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_forge import (
    Files,
    blob,
    edited,
    refused,
    replaced,
    roots,
    signed,
    unsigned,
    write_folder,
    write_tar,
)
from bundle_world import Keys, make_keys, zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.bundle import compression, oci, ustar
from smartcity_pkg.bundle.inspect import inspect
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, UntrustedBundleError


def test_what_the_tests_change_is_accepted_unchanged(
    sound: Files, tar_bytes: bytes, keys: Keys, tmp_path: Path
) -> None:
    verify(write_folder(tmp_path / "bundle", sound), keys.trusted)
    path = write_tar(tmp_path / "bundle.tar", sound)
    assert path.read_bytes() == tar_bytes
    verify(path, keys.trusted)
    same = replaced(sound, roots(sound)[0]["digest"], blob(sound, roots(sound)[0]["digest"]),
                    keys.signing)  # fmt: skip
    assert same == sound


# -- without the key ------------------------------------------------------------------------------


@settings(max_examples=300)
@given(data=st.data())
def test_any_flipped_bit_of_the_tar_is_refused(
    tar_bytes: bytes, keys: Keys, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(tar_bytes) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(tar_bytes)
    changed[place] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.tar"
        path.write_bytes(changed)
        refused(path, keys.trusted)
        assert list(Path(folder).iterdir()) == [path]


def test_a_flipped_bit_in_each_file_of_the_directory_is_refused(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    for number, (name, data) in enumerate(sorted(sound.items())):
        for place in {0, len(data) // 2, len(data) - 1}:
            changed = bytearray(data)
            changed[place] ^= 1
            path = tmp_path / f"{number}-{place}"
            refused(write_folder(path, {**sound, name: bytes(changed)}), keys.trusted)


@settings(max_examples=60)
@given(data=st.data())
def test_a_tar_cut_short_anywhere_is_refused(
    tar_bytes: bytes, keys: Keys, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(tar_bytes) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.tar"
        path.write_bytes(tar_bytes[:size])
        with pytest.raises((UntrustedBundleError, InputError)) as caught:
            verify(path, keys.trusted)
        assert size < ustar.BLOCK_BYTES or caught.value.exit_code == 10


def test_each_file_cut_removed_or_swapped_is_refused(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    names = sorted(sound)
    for number, name in enumerate(names):
        other = names[number - 1]
        without = {n: d for n, d in sound.items() if n != name}
        swapped = {**sound, name: sound[other], other: sound[name]}
        for kind, files in (
            ("cut", {**sound, name: sound[name][:-1]}),
            ("empty", {**sound, name: b""}),
            ("longer", {**sound, name: sound[name] + b"\n"}),
            ("removed", without),
            ("swapped", swapped),
        ):
            with pytest.raises((UntrustedBundleError, InputError)) as caught:
                verify(write_folder(tmp_path / f"{kind}{number}", files), keys.trusted)
            removed_whole = kind == "removed" and name in ("oci-layout", "index.json")
            assert removed_whole or caught.value.exit_code == 10, (kind, name)
            refused(write_tar(tmp_path / f"{kind}{number}.tar", files), keys.trusted)


@pytest.mark.parametrize(
    "name",
    [
        "extra.txt",
        "blobs/sha256/" + "0" * 64,
        "blobs/sha256/short",
        "blobs/sha256/" + "A" * 64,
        "blobs/sha512/" + "0" * 64,
        "blobs/extra",
    ],
)
def test_an_added_file_is_refused(sound: Files, keys: Keys, tmp_path: Path, name: str) -> None:
    files = {**sound, name: b"x"}
    refused(write_folder(tmp_path / "bundle", files), keys.trusted)
    refused(write_tar(tmp_path / "bundle.tar", files), keys.trusted)


def test_an_added_blob_is_refused_though_its_name_is_right(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    files = {**sound, oci.blob_name(digest.of_bytes(b"malware")): b"malware"}
    refused(write_folder(tmp_path / "bundle", files), keys.trusted, "leads to")


def _member(name: str, **more: object) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        data = b"x" if "type" not in more else b""
        info.size = len(data)
        for field, value in more.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(data))

    return add


_BAD_MEMBERS = {
    "traversal": _member("../../etc/cron.d/x"),
    "inner traversal": _member("blobs/../../x"),
    "absolute": _member("/etc/passwd"),
    "dot": _member("./index.json"),
    "symlink": _member("blobs/sha256/" + "0" * 64, type=tarfile.SYMTYPE, linkname="/etc/shadow"),
    "hard link": _member("blobs/sha256/" + "0" * 64, type=tarfile.LNKTYPE, linkname="index.json"),
    "device": _member("blobs/sha256/" + "0" * 64, type=tarfile.CHRTYPE),
    "fifo": _member("blobs/sha256/" + "0" * 64, type=tarfile.FIFOTYPE),
    "directory": _member("blobs", type=tarfile.DIRTYPE),
    "long name": _member("a" * 4000),
    "set-uid": _member("zzz", mode=0o4755),
    "owner": _member("zzz", uid=1000),
    "time": _member("zzz", mtime=1),
    "pax header": _member("zzz", pax_headers={"path": "../x"}),
}


@pytest.mark.parametrize("kind", _BAD_MEMBERS)
@pytest.mark.parametrize("first", [True, False])
def test_a_strange_member_of_the_tar_is_refused(
    sound: Files, keys: Keys, tmp_path: Path, kind: str, first: bool
) -> None:
    path = tmp_path / "in" / "bundle.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        if first:
            _BAD_MEMBERS[kind](tar)
    body = ustar.pack(sound)
    start = path.read_bytes().rstrip(b"\0") if first else b""
    start += bytes(-len(start) % 512)
    path.write_bytes(start + body[: -len(ustar.END)])
    with tarfile.open(path.with_suffix(".tail"), "w", format=tarfile.PAX_FORMAT) as tar:
        if not first:
            _BAD_MEMBERS[kind](tar)
    with path.open("ab") as out:
        out.write(path.with_suffix(".tail").read_bytes())
    path.with_suffix(".tail").unlink()
    refused(path, keys.trusted, "tar file is malformed")
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "bundle.tar"]


def test_a_tar_with_a_name_twice_is_refused(sound: Files, keys: Keys, tmp_path: Path) -> None:
    name = "index.json"
    once = ustar.pack({name: sound[name]})[: -len(ustar.END)]
    body = ustar.pack(sound)
    place = body.index(once)
    path = tmp_path / "bundle.tar"
    path.write_bytes(body[:place] + once + body[place:])
    refused(path, keys.trusted, "twice")


def test_links_and_pipes_in_the_directory_are_refused(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    some = next(n for n in sound if n.startswith("blobs/"))
    for kind in ("link", "pipe", "folder"):
        path = write_folder(tmp_path / kind, sound)
        (path / some).unlink()
        if kind == "link":
            (tmp_path / "elsewhere").write_bytes(sound[some])
            (path / some).symlink_to(tmp_path / "elsewhere")
        elif kind == "pipe":
            os.mkfifo(path / some)
        else:
            (path / some).mkdir()
        refused(path, keys.trusted, "no regular file")
    path = write_folder(tmp_path / "blobs-link", sound)
    (path / "blobs").rename(tmp_path / "moved")
    (path / "blobs").symlink_to(tmp_path / "moved")
    refused(path, keys.trusted, "no regular file")


# -- signatures -----------------------------------------------------------------------------------


def test_a_bundle_without_signatures_is_refused(sound: Files, keys: Keys, tmp_path: Path) -> None:
    root = roots(sound)[0]
    entry = oci.Descriptor.model_validate(root)
    bare = {**sound, "index.json": oci.top_index_json(entry)}
    refused(write_folder(tmp_path / "bundle", bare), keys.trusted, "no trusted key")
    none = signed(sound, root["digest"])
    refused(write_folder(tmp_path / "none", none), keys.trusted, "no trusted key")


def test_a_foreign_signature_is_refused(sound: Files, keys: Keys, tmp_path: Path) -> None:
    foreign = make_keys(tmp_path, "foreign")
    root = roots(sound)[0]["digest"]
    files = replaced(sound, root, blob(sound, root), foreign.signing)
    refused(write_folder(tmp_path / "bundle", files), keys.trusted, "no trusted key")
    refused(write_folder(tmp_path / "unknown", sound), TrustedKeys(), "no trusted key")


def test_a_foreign_signature_beside_a_trusted_one_proves_nothing(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    foreign = make_keys(tmp_path, "foreign")
    root = roots(sound)[0]["digest"]
    both = signed(unsigned(sound), root, foreign.signing, keys.signing)
    contents = verify(write_folder(tmp_path / "bundle", both), keys.trusted)
    assert [s.key_id for s in contents.signatures] == [keys.signing.key_id]


def root_of(files: Files) -> oci.Index:
    return oci.parse(oci.Index, blob(files, roots(files)[0]["digest"]), "root")


def test_a_signature_of_another_bundle_is_refused(sound: Files, keys: Keys, tmp_path: Path) -> None:
    release = json.loads(blob(sound, roots(sound)[0]["digest"]))["manifests"][-1]
    newer = replaced(
        sound,
        json.loads(blob(sound, release["digest"]))["config"]["digest"],
        edited(
            blob(sound, json.loads(blob(sound, release["digest"]))["config"]["digest"]),
            lambda document: document.update(serial=9),
        ),
        keys.signing,
    )
    assert verify(write_folder(tmp_path / "newer", newer), keys.trusted).release.serial == 9
    parts = {n: d for n, d in newer.items() if n not in sound}
    root = oci.Descriptor.model_validate(roots(sound)[0])
    beside = {oci.KIND_SIGNATURES: oci.Descriptor.model_validate(roots(newer)[1])}
    mixed = {**sound, **parts}
    mixed["index.json"] = oci.top_index_json(root, beside, oci.images_of(root_of(sound)))
    refused(write_folder(tmp_path / "mixed", mixed), keys.trusted, "for another bundle")


def test_index_json_may_be_written_in_one_way_only(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    document = json.loads(sound["index.json"])
    other_root = edited(sound["index.json"], lambda d: d["manifests"].append(d["manifests"][0]))
    fewer = edited(sound["index.json"], lambda d: d["manifests"].pop())
    renamed = sound["index.json"].replace(b"smartcity/laksa:1.0.0-", b"smartcity/laksa:1.0.1-")
    swapped = edited(sound["index.json"], lambda d: d["manifests"].reverse())
    assert len({sound["index.json"], fewer, renamed, swapped}) == 4
    for number, data in enumerate(
        (
            json.dumps(document).encode(),
            sound["index.json"] + b"\n",
            sound["index.json"].replace(b"{", b'{"x":1,', 1),
            b"\xef\xbb\xbf" + sound["index.json"],
            other_root,
            fewer,
            renamed,
            swapped,
            b"[]",
            b"{}",
            b"",
            b"[" * 50_000,
            b'{"schemaVersion":2,"manifests":[]}',
        )
    ):
        refused(write_folder(tmp_path / str(number), {**sound, "index.json": data}), keys.trusted)


def test_inspect_refuses_what_is_malformed_and_believes_no_signature(
    sound: Files, keys: Keys, tmp_path: Path
) -> None:
    foreign = make_keys(tmp_path, "foreign")
    path = write_folder(tmp_path / "bundle", sound)
    assert inspect(path).trusted_by is None
    assert inspect(path, keys.trusted).trusted_by == (keys.signing.key_id,)
    with pytest.raises(UntrustedBundleError):
        inspect(path, foreign.trusted)
    (path / "extra").write_bytes(b"")
    with pytest.raises(UntrustedBundleError):
        inspect(path)


# -- no bundle at all -----------------------------------------------------------------------------


def test_what_is_no_bundle_is_an_input_error(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("bukan bundel")
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.tar").write_bytes(b"")
    for name in ("missing.tar", "notes.txt", "empty", "zero.tar"):
        with pytest.raises(InputError) as caught:
            verify(tmp_path / name, keys.trusted)
        assert str(tmp_path / name) in caught.value.message
        assert caught.value.hint


def test_a_layer_is_stopped_at_its_first_byte_too_many() -> None:
    bomb = io.BytesIO(zstd(bytes(500 << 20)))
    seen = 0
    with pytest.raises(compression.CorruptLayerError, match="more than 1000"):
        for chunk in compression.decompressed(bomb, 1000):
            seen += len(chunk)
    assert seen <= 1000
