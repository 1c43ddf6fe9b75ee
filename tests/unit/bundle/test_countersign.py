"""Signing what is packed already: here or elsewhere, whole or not at all, the same in any order."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from bundle_forge import read_folder, refused
from bundle_world import Keys, make_keys, packed, write_layout

from smartcity_pkg.bundle.countersign import (
    Countersigned,
    DetachedSignature,
    SigningRequest,
    attach,
    read_request,
    read_signature,
    request_for,
    sign_bundle,
    sign_request,
)
from smartcity_pkg.bundle.ring import Ring, RingKey, TrustedKeys
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, SmartCityError, UntrustedBundleError

FORMS = ["bundle", "bundle.tar"]


@pytest.fixture
def second(tmp_path: Path) -> Keys:
    return make_keys(tmp_path, "second")


@pytest.fixture
def unsigned(keys: Keys, images: dict[str, list[bytes]], tmp_path: Path) -> Callable[[str], Path]:
    """Makes an unsigned bundle of a name."""
    source = layout_source(write_layout(tmp_path / "source", images))

    def make(name: str) -> Path:
        path = tmp_path / "made" / name
        packed(source, list(images), keys, path, cache=tmp_path / "cache", unsigned=True)
        return path

    return make


def both(*signers: Keys) -> TrustedKeys:
    """A ring of the signers that asks for all of them."""
    ring = [RingKey(k.signing.key_id, k.signing.public_pem) for k in signers]
    return Ring(tuple(ring), len(ring)).on(date.max)


def content(path: Path) -> Any:
    """All bytes of a bundle of either form."""
    return read_folder(path) if path.is_dir() else path.read_bytes()


@pytest.mark.parametrize("name", FORMS)
def test_an_unsigned_bundle_is_refused_until_it_is_signed(
    unsigned: Callable[[str], Path], keys: Keys, name: str
) -> None:
    path = unsigned(name)
    refused(path, keys.trusted, "no trusted key signed the bundle")
    made = sign_bundle(path, keys.signing)
    assert (made.changed, made.signed_by) == (True, (keys.signing.key_id,))
    assert verify(path, keys.trusted).signatures[0].key_id == keys.signing.key_id


def test_signing_later_gives_the_bytes_of_signing_at_once(
    unsigned: Callable[[str], Path], bundles: dict[str, Path], keys: Keys
) -> None:
    for form, name in (("directory", "bundle"), ("tar", "bundle.tar")):
        path = unsigned(name)
        sign_bundle(path, keys.signing)
        assert content(path) == content(bundles[form])


@pytest.mark.parametrize("name", FORMS)
def test_the_order_of_signers_does_not_count(
    unsigned: Callable[[str], Path], keys: Keys, second: Keys, tmp_path: Path, name: str
) -> None:
    found = []
    for signers in ((keys, second), (second, keys)):
        path = unsigned(name)
        for signer in signers:
            sign_bundle(path, signer.signing)
        verify(path, both(keys, second))
        verify(path, keys.trusted)  # the grant is signed by this one
        found.append(content(path))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", FORMS)
def test_signing_twice_changes_nothing(
    unsigned: Callable[[str], Path], keys: Keys, name: str
) -> None:
    path = unsigned(name)
    sign_bundle(path, keys.signing)
    before, stat = content(path), path.stat()
    again = sign_bundle(path, keys.signing)
    assert (again.changed, content(path)) == (False, before)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


@pytest.mark.parametrize("name", FORMS)
def test_layers_are_not_touched_and_modes_are_kept(
    unsigned: Callable[[str], Path], keys: Keys, name: str
) -> None:
    path = unsigned(name)
    layers = verify_unsigned(path)
    sign_bundle(path, keys.signing)
    assert verify(path, keys.trusted).layers == layers
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    assert {(p.stat().st_mode & 0o777, p.stat().st_nlink) for p in files} == {(0o644, 1)}
    assert [p.name for p in path.parent.iterdir()] == [name]


def verify_unsigned(path: Path) -> Any:
    """The layers of a bundle that nobody signed."""
    from smartcity_pkg.bundle.layout import open_bundle
    from smartcity_pkg.bundle.verify import sound_contents

    with open_bundle(path) as bundle:
        return sound_contents(bundle).layers


def test_the_form_stays_whatever_the_name_and_links_are_followed(
    unsigned: Callable[[str], Path], keys: Keys, tmp_path: Path
) -> None:
    odd_file = unsigned("bundle.tar").rename(tmp_path / "made/bundle.bin")
    odd_folder = unsigned("bundle").rename(tmp_path / "made/folder.tar")
    link = tmp_path / "link.tar"
    link.symlink_to(odd_file)
    for path in (link, odd_folder):
        assert sign_bundle(path, keys.signing).changed
        verify(path, keys.trusted)
    assert link.is_symlink() and odd_file.is_file() and odd_folder.is_dir()
    assert not sign_bundle(odd_file, keys.signing).changed


# -- a crash ---------------------------------------------------------------------------------------

_SIGN = """
import sys, time
from pathlib import Path
from smartcity_pkg.bundle import countersign, write
from smartcity_pkg.bundle.keys import load_signing_key

def slowly(event):
    print("writing", flush=True)
    time.sleep(0.05)

countersign.sign_bundle(Path(sys.argv[1]), load_signing_key(Path(sys.argv[2])), slowly)
"""


@pytest.mark.parametrize("name", FORMS)
def test_a_killed_signer_leaves_the_old_bundle_whole(
    unsigned: Callable[[str], Path], keys: Keys, second: Keys, tmp_path: Path, name: str
) -> None:
    path = unsigned(name)
    sign_bundle(path, keys.signing)
    before = content(path)
    for lines in (1, 5, 9):
        process = subprocess.Popen(
            [sys.executable, "-c", _SIGN, str(path), str(tmp_path / "second.key")],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _line in range(lines):
            assert process.stdout.readline() == b"writing\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert content(path) == before
        verify(path, keys.trusted)
    sign_bundle(path, second.signing)
    verify(path, both(keys, second))


def test_a_disk_that_cannot_be_written_leaves_the_old_bundle(
    unsigned: Callable[[str], Path], keys: Keys
) -> None:
    path = unsigned("bundle.tar")
    before = path.read_bytes()

    def full(_event: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(SmartCityError, match="cannot be written: the disk is full"):
        sign_bundle(path, keys.signing, full)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["bundle.tar"]


# -- elsewhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_a_signature_made_elsewhere_gives_the_same_bytes(
    unsigned: Callable[[str], Path], keys: Keys, tmp_path: Path, name: str
) -> None:
    path = unsigned(name)
    (tmp_path / "request.json").write_bytes(request_for(path).to_json())
    there = sign_request(read_request(tmp_path / "request.json"), keys.signing)
    (tmp_path / "signature.json").write_bytes(there.to_json())
    made = attach(path, read_signature(tmp_path / "signature.json"))
    assert made.changed
    verify(path, keys.trusted)
    attached = content(path)
    sign_bundle(path, keys.signing)
    assert content(path) == attached
    assert not attach(path, there).changed


def test_the_request_tells_what_would_be_signed(unsigned: Callable[[str], Path]) -> None:
    request = request_for(unsigned("bundle"))
    assert request.pemda == "Kabupaten Karawang (32.15)"
    assert len(request.to_json()) < 10_000


def test_a_false_signature_is_not_attached(
    unsigned: Callable[[str], Path], keys: Keys, second: Keys
) -> None:
    path = unsigned("bundle")
    before = content(path)
    good = sign_request(request_for(path), keys.signing)
    other = sign_request(request_for(path), second.signing)
    for name, bad in {
        "of another bundle": good.model_copy(update={"root_digest": digest.of_bytes(b"x")}),
        "of another key": good.model_copy(update={"public_key": other.public_key}),
        "root's signature of another": good.model_copy(update={"signature": other.signature}),
        "statement's of another": good.model_copy(
            update={"statement_signature": other.statement_signature}
        ),
        "turned round": good.model_copy(
            update={
                "signature": good.statement_signature,
                "statement_signature": good.signature,
            }
        ),
        "no base64": good.model_copy(update={"signature": "§"}),
    }.items():
        with pytest.raises(UntrustedBundleError):
            attach(path, bad)
            pytest.fail(name)
        assert content(path) == before, name


def test_a_request_whose_provenance_is_of_another_bundle_is_not_signed(
    unsigned: Callable[[str], Path], keys: Keys
) -> None:
    request = request_for(unsigned("bundle"))
    for update in (
        {"root_digest": digest.of_bytes(b"x")},
        {"statement": "{}"},
        {"statement": "[]"},
        {"statement": ""},
        {"statement": '{"subject": [{"digest": "x"}]}'},
        {"statement": request.statement.replace("sha256", "sha512")},
    ):
        with pytest.raises(UntrustedBundleError):
            sign_request(request.model_copy(update=update), keys.signing)


BAD_FILES = {
    "empty": b"",
    "text": b"halo",
    "a list": b"[]",
    "no fields": b"{}",
    "another kind": b'{"kind":"receipt"}',
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("name", [*BAD_FILES, "missing", "folder"])
def test_a_file_that_is_no_request_or_signature_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file.json"
    if name == "folder":
        path.mkdir()
    elif name != "missing":
        path.write_bytes(BAD_FILES[name])
    readers: list[Callable[[Path], SigningRequest | DetachedSignature]] = [
        read_request,
        read_signature,
    ]
    for read in readers:
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(path) in caught.value.message


def test_an_unknown_field_in_a_request_is_refused(
    unsigned: Callable[[str], Path], tmp_path: Path
) -> None:
    request = request_for(unsigned("bundle"))
    document = {**request.model_dump(mode="json"), "more": 1}
    (tmp_path / "r.json").write_bytes(digest.canonical_json(document))
    with pytest.raises(InputError, match="more"):
        read_request(tmp_path / "r.json")


def test_a_bundle_that_is_not_sound_is_not_signed(
    unsigned: Callable[[str], Path], keys: Keys
) -> None:
    path = unsigned("bundle")
    (path / "extra").write_bytes(b"x")
    for refused_by in (lambda: sign_bundle(path, keys.signing), lambda: request_for(path)):
        with pytest.raises(UntrustedBundleError):
            refused_by()


def test_what_an_old_signature_says_is_kept(
    unsigned: Callable[[str], Path], keys: Keys, second: Keys
) -> None:
    path = unsigned("bundle.tar")
    made: list[Countersigned] = [sign_bundle(path, k.signing) for k in (keys, second)]
    assert set(made[-1].signed_by) == {keys.signing.key_id, second.signing.key_id}
    assert verify(path, keys.trusted).signatures[0].key_id == keys.signing.key_id
