"""Packing and reading back: nothing lost, nothing left to chance, nothing half-written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_world import FILES, Keys, layer, packed, plan, raw_layers, write_layout, zstd
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


@settings(max_examples=25, deadline=None)
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
from pathlib import Path
from bundle_world import Keys, packed
from smartcity_pkg.bundle.keys import load_signing_key
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import TrustedKeys
os.umask(int(sys.argv[1], 8))
source, key, output, *references = sys.argv[2:]
keys = Keys(load_signing_key(Path(key)), TrustedKeys())
packed(layout_source(Path(source)), references, keys, Path(output), cache=Path(output + ".cache"))
"""


def test_same_inputs_give_the_same_bytes_anywhere(
    images: dict[str, list[bytes]], tmp_path: Path
) -> None:
    from bundle_world import make_keys

    make_keys(tmp_path)
    outputs: list[dict[str, tuple[int, bytes]]] = []
    for umask, zone, encode in (("022", "Asia/Jakarta", bytes), ("077", "America/Lima", zstd)):
        folder = tmp_path / zone.replace("/", "-")
        order = list(images) if umask == "022" else list(reversed(images))
        write_layout(folder / "source", {r: images[r] for r in order}, encode)
        for name in ("out", "out.tar"):
            environment = {
                **os.environ,
                "TZ": zone,
                "PYTHONHASHSEED": str(len(outputs)),
                "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}",
            }
            arguments = [umask, folder / "source", tmp_path / "release.key", folder / name, *order]
            subprocess.run(
                [sys.executable, "-c", _PACK_ELSEWHERE, *map(str, arguments)],
                env=environment,
                cwd=folder,
                check=True,
            )
        outputs.append(
            {
                **{
                    str(p.relative_to(folder / "out")): (p.stat().st_mode, p.read_bytes())
                    for p in (folder / "out").rglob("*")
                    if p.is_file()
                },
                "tar": ((folder / "out.tar").stat().st_mode, (folder / "out.tar").read_bytes()),
            }
        )
    assert outputs[0] == outputs[1]


@settings(max_examples=10, deadline=None)
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
    )

    def stop_in_the_middle(event: Event) -> None:
        if isinstance(event, Transfer) and event.task == "write" and event.done > event.total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(request, stop_in_the_middle)
    assert list((tmp_path / "out").iterdir()) == []
    pack(request)
    verify(tmp_path / "out" / name, keys.trusted)


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
        compose_files=("compose.yaml",),
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
