"""Packing and reading back: nothing lost, nothing left to chance, nothing half-written."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bundle_world import (
    FILES,
    Keys,
    grant_bytes,
    layer,
    packed,
    plan,
    raw_layers,
    write_layout,
    zstd,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.bundle import compression
from smartcity_pkg.bundle.inspect import inspect
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
from smartcity_pkg.bundle.sources import SourceImage
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import files_of
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.release import ReleaseApp, pinned
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import SmartCityError, UsageError
from smartcity_pkg.core.progress import Event, Transfer

ROOT = Path(__file__).parents[3]

_NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z0-9._]{1,8}[a-z]){0,2}", fullmatch=True)
_LAYERS = st.dictionaries(_NAMES, st.binary(max_size=3000), max_size=3).map(layer)


@settings(max_examples=25)
@given(
    images=st.dictionaries(
        st.from_regex(r"[a-z]{1,9}:[0-9]", fullmatch=True),
        st.lists(_LAYERS, min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
    files=st.dictionaries(_NAMES, st.binary(max_size=500), max_size=3).filter(
        lambda f: not any(a != b and b.startswith(a + "/") for a in f for b in f)
    ),
    form=st.sampled_from(["bundle", "bundle.tar"]),
)
def test_pack_then_unpack_is_the_identity(
    keys: Keys, images: dict[str, list[bytes]], files: dict[str, bytes], form: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = layout_source(write_layout(folder / "source", images))
        made = packed(
            source, list(images), keys, folder / form, cache=folder / "cache", files=files
        )
        contents = verify(folder / form, keys.trusted)
        assert contents == made.contents
        with open_bundle(folder / form) as bundle:
            layers = raw_layers(contents, bundle.open)
            assert files_of(contents.release, bundle.read) == files
        for source_name, wanted in images.items():
            [image] = [i for i in contents.release.images if i.source == source_name]
            assert image.reference == pinned(source_name, image.config_digest)
            assert [layers[d] for d in image.diff_ids] == wanted
            assert [x.size_bytes for x in image.layers] == [len(x) for x in wanted]


def test_directory_and_tar_hold_the_same_files(bundles: dict[str, Path]) -> None:
    with open_bundle(bundles["directory"]) as one, open_bundle(bundles["tar"]) as other:
        assert one.root == other.root
        assert one.signatures == other.signatures
        assert one.blobs == other.blobs
        for blob in one.blobs:
            assert one.read(blob) == other.read(blob)


def test_layers_shared_by_images_are_stored_once(
    bundles: dict[str, Path], images: dict[str, list[bytes]]
) -> None:
    summary = inspect(bundles["tar"])
    different = {x for layers in images.values() for x in layers}
    assert summary.layers_bytes == sum(map(len, different))
    [base] = {x for i in summary.images for x in i.layers if x.used_by == 2}
    assert summary.shared_bytes == base.packed_bytes


def test_every_blob_that_a_store_needs_is_listed(bundles: dict[str, Path], keys: Keys) -> None:
    contents = verify(bundles["tar"], keys.trusted)
    with open_bundle(bundles["tar"]) as bundle:
        small = {b.digest for b in contents.small_blobs}
        packed_layers = {x.blob.digest for x in contents.layers.values()}
        documents = {b.digest for b in contents.sboms.values()}
        assert not documents & small  # no server needs them
        assert small | packed_layers | documents | bundle.signature_blobs == bundle.blobs.keys()
        release = contents.release
        assert {release.digest, release.files_digest, contents.root_digest} <= small
        assert {i.config_digest for i in release.images} <= small


_PACK_ELSEWHERE = """
import os, sys
from importlib.metadata import version
from pathlib import Path
os.cpu_count = lambda: int(os.environ["CORES"])
from bundle_world import Keys, packed
from smartcity_pkg.bundle.keys import load_signing_key
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import TrustedKeys
os.umask(int(sys.argv[1], 8))
source, key, output, *references = sys.argv[2:]
keys = Keys(load_signing_key(Path(key)), TrustedKeys())
if os.environ["WHO"] == "nobody":
    version("smartcity")  # what it loads may lie where nobody may read
    os.setgid(65534)
    os.setuid(65534)
packed(layout_source(Path(source)), references, keys, Path(output), cache=Path(output + ".cache"))
"""


@dataclass(frozen=True)
class Elsewhere:
    """Where and by whom a bundle is packed."""

    umask: str
    zone: str
    cores: int
    who: str
    language: str
    encode: Callable[[bytes], bytes]


def test_same_inputs_give_the_same_bytes_anywhere(images: dict[str, list[bytes]]) -> None:
    """Two machines, as far as two processes can be two: the files they write are compared."""
    from bundle_world import make_keys

    # Larger than one of the pieces in which zstd spreads a layer over cores.
    noise = random.Random(4).randbytes(1 << 20)
    images = {**images, "smartcity/besar:1": [layer({f"{n}": noise for n in range(20)})]}
    stranger = "nobody" if os.geteuid() == 0 else "me"
    outputs: list[dict[str, tuple[int, bytes]]] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        make_keys(home)
        for place in (
            Elsewhere("022", "Asia/Jakarta", 1, "me", "id_ID.UTF-8", bytes),
            Elsewhere("077", "America/Lima", 4, stranger, "C", zstd),
        ):
            outputs.append(_packed_elsewhere(home, images, place, len(outputs)))
    assert outputs[0] == outputs[1]


def _packed_elsewhere(
    home: Path, images: dict[str, list[bytes]], place: Elsewhere, number: int
) -> dict[str, tuple[int, bytes]]:
    folder = home / place.zone.replace("/", "-")
    order = list(images) if number == 0 else list(reversed(images))
    write_layout(folder / "source", {r: images[r] for r in order}, place.encode)
    folder.chmod(0o777)
    for form in ("out", "out.tar"):
        environment = {
            **os.environ,
            "TZ": place.zone,
            "LC_ALL": place.language,
            "CORES": str(place.cores),
            "WHO": place.who,
            "PYTHONHASHSEED": str(number),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}",
        }
        arguments = [place.umask, folder / "source", home / "release.key", folder / form, *order]
        subprocess.run(
            [sys.executable, "-c", _PACK_ELSEWHERE, *map(str, arguments)],
            env=environment,
            cwd=folder,
            check=True,
        )
    tar = folder / "out.tar"
    if place.who == "nobody":
        assert tar.stat().st_uid == 65534
    return {
        **{
            str(p.relative_to(folder / "out")): (p.stat().st_mode, p.read_bytes())
            for p in (folder / "out").rglob("*")
            if p.is_file()
        },
        "tar": (tar.stat().st_mode, tar.read_bytes()),
    }


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_compressed_bytes_do_not_depend_on_the_size_of_reads(seed: int) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(40_000) * 60 + chance.randbytes(chance.randrange(900_000))

    def compressed(most: int) -> bytes:
        encoder, out, rest = compression.compressor(), [], memoryview(data)
        while rest:
            size = chance.randrange(1, most)
            out.append(encoder.compress(rest[:size]))
            rest = rest[size:]
        return b"".join([*out, encoder.flush()])

    assert compressed(1 << 22) == compressed(70_000)


def test_a_layer_packed_before_is_not_read_again(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    folder = write_layout(tmp_path / "source", images)
    source = layout_source(folder)
    first = packed(source, list(images), keys, tmp_path / "one.tar", cache=tmp_path / "cache")
    for data in {x for layers in images.values() for x in layers}:
        (folder / "blobs/sha256" / digest.hex_of(digest.of_bytes(data))).unlink()
    second = packed(source, list(images), keys, tmp_path / "two.tar", cache=tmp_path / "cache")
    assert (first.reused_layers, second.reused_layers) == (0, 4)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_damaged_cache_is_mended(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    packed(source, list(images), keys, tmp_path / "one.tar", cache=tmp_path / "cache")
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    again = packed(source, list(images), keys, tmp_path / "two.tar", cache=tmp_path / "cache")
    assert again.reused_layers == 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_bundle_is_replaced_but_nothing_else_is(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    for name in ("bundle", "bundle.tar"):
        packed(source, list(images), keys, tmp_path / name, cache=tmp_path / "cache")
        packed(source, list(images), keys, tmp_path / name, cache=tmp_path / "cache", files={})
        assert verify(tmp_path / name, keys.trusted).release.files == {}
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("penting")
    (tmp_path / "notes.tar").write_text("penting")
    for precious in (home, tmp_path / "notes.tar"):
        with pytest.raises(UsageError):
            packed(source, list(images), keys, precious, cache=tmp_path / "cache")
    assert (home / "letter.txt").read_text() == "penting"
    assert (tmp_path / "notes.tar").read_text() == "penting"


def test_output_may_be_named_after_the_release(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    made = packed(
        source,
        list(images),
        keys,
        lambda release: tmp_path / f"{release.name}.tar",
        cache=tmp_path / "cache",
    )
    assert made.path == tmp_path / f"{made.contents.release.name}.tar"
    assert made.path.stat().st_size > made.size_bytes > 0


@pytest.mark.parametrize("name", ["bundle", "bundle.tar"])
def test_a_killed_pack_leaves_no_half_bundle(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path, name: str
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    cache = tmp_path / "cache"
    request = PackRequest(
        plan=plan(),
        serial=1,
        files=FILES,
        apps=(),
        images=resolve_images(source, list(images), cache),
        source=source,
        cache=cache,
        signing_key=keys.signing,
        output=tmp_path / "out" / name,
        grant=grant_bytes(keys.signing),
    )

    def stop_in_the_middle(event: Event) -> None:
        if isinstance(event, Transfer) and event.task == "write" and event.done > event.total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(request, stop_in_the_middle)
    assert list((tmp_path / "out").iterdir()) == []
    pack(request)
    verify(tmp_path / "out" / name, keys.trusted)


_PACK_AND_DIE = """
import sys
from pathlib import Path
from bundle_world import Keys, packed
from smartcity_pkg.bundle.keys import load_signing_key
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import TrustedKeys
source, key, output, cache, *references = sys.argv[1:]
keys = Keys(load_signing_key(Path(key)), TrustedKeys())
print("ready", flush=True)
packed(layout_source(Path(source)), references, keys, Path(output), cache=Path(cache))
print("done", flush=True)
"""


@pytest.mark.parametrize("name", ["bundle", "bundle.tar"])
def test_kill_9_at_any_point_leaves_no_half_bundle_under_its_name(
    tmp_path: Path, name: str
) -> None:
    from bundle_world import make_keys

    chance = random.Random(9)
    images = {
        f"smartcity/a{n}:1": [layer({"x": chance.randbytes(1 << 20) + bytes(9 << 20)})]
        for n in range(4)
    }
    keys = make_keys(tmp_path)
    write_layout(tmp_path / "source", images)
    output = tmp_path / "out" / name

    def start(number: int) -> subprocess.Popen[bytes]:
        arguments = [tmp_path / "source", tmp_path / "release.key", output,
                     tmp_path / f"cache{number}", *images]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", _PACK_AND_DIE, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}"},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def end(process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None
        said = process.stdout.read()
        process.stdout.close()
        process.wait()
        return said == b"done\n"

    process, began = start(0), time.monotonic()
    assert end(process)
    took = time.monotonic() - began
    verify(output, keys.trusted)
    killed = 0
    for number in range(1, 9):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        process = start(number)
        time.sleep(chance.random() * took)
        process.kill()
        killed += not end(process)
        if output.exists():
            verify(output, keys.trusted)
        assert end(start(number)), "the same cache and place can be used again"
        verify(output, keys.trusted)
    assert killed > 0


def test_a_cache_or_output_that_cannot_be_written_is_said(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    (tmp_path / "file").write_text("x")
    for cache, output in (("file", "out.tar"), ("file/x", "out.tar"), ("cache", "file/out.tar")):
        with pytest.raises(SmartCityError, match="file") as caught:
            packed(source, list(images), keys, tmp_path / output, cache=tmp_path / cache)
        assert caught.value.hint


def test_an_app_that_names_another_build_of_its_image_is_refused(
    keys: Keys, images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    source = layout_source(write_layout(tmp_path / "source", images))
    found: dict[str, SourceImage] = resolve_images(source, list(images), tmp_path / "cache")
    app = ReleaseApp(
        app="laksa",
        version="1.0.0",
        server="server-1",
        project="laksa",
        compose_files=(),
        env_file="laksa.env",
        services=("web",),
        images=(pinned("smartcity/laksa:1.0.0", digest.of_bytes(b"older")),),
        networks=(),
        config_digest=digest.of_bytes(b""),
    )
    request = PackRequest(
        plan=plan(),
        serial=1,
        files=FILES,
        apps=(app,),
        images=found,
        source=source,
        cache=tmp_path / "cache",
        signing_key=keys.signing,
        output=tmp_path / "bundle.tar",
    )
    with pytest.raises(SmartCityError, match="not resolved"):
        pack(request)
    right = {
        "images": (pinned("smartcity/laksa:1.0.0", found["smartcity/laksa:1.0.0"].config_digest),)
    }
    made = pack(replace(request, apps=(app.model_copy(update=right),)))
    assert isinstance(made.contents.release.apps[0], Model)
