"""Images in every form that tools write them: all give the same bundle."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_world import (
    Keys,
    gzipped,
    layer,
    packed,
    write_layout,
    write_new_archive,
    write_old_archive,
    zstd,
)

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.sources import open_source
from smartcity_pkg.bundle.sources.saved import read_export
from smartcity_pkg.bundle.sources.source import familiar
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import EngineError, InputError, SmartCityError, UsageError
from smartcity_pkg.core.progress import Event, Transfer, no_progress

Images = dict[str, list[bytes]]


def _folder(path: Path, images: Images) -> str:
    return f"oci:{write_layout(path, images)}"


def _gzip_folder(path: Path, images: Images) -> str:
    return f"oci:{write_layout(path, images, gzipped)}"


def _zstd_folder(path: Path, images: Images) -> str:
    return f"oci:{write_layout(path, images, zstd)}"


def _oci_archive(path: Path, images: Images) -> str:
    folder = write_layout(path, images, gzipped)
    with tarfile.open(f"{path}.tar", "w") as tar:
        tar.add(folder, arcname=".")
    return f"oci:{path}.tar"


def _old_archive(path: Path, images: Images) -> str:
    return f"archive:{write_old_archive(path, images)}"


def _new_archive(path: Path, images: Images) -> str:
    return f"archive:{write_new_archive(path, images)}"


def _gzip_archive(path: Path, images: Images) -> str:
    return f"archive:{write_new_archive(path, images, gzipped)}"


_FORMS: dict[str, Callable[[Path, Images], str]] = {
    "layout with raw layers": _folder,
    "layout with gzip layers": _gzip_folder,
    "layout with zstd layers": _zstd_folder,
    "oci-archive with gzip layers": _oci_archive,
    "docker-archive of engine 20.10": _old_archive,
    "docker-archive of engine 26": _new_archive,
    "docker-archive with gzip layers": _gzip_archive,
}


@pytest.mark.parametrize("form", _FORMS)
def test_every_form_gives_the_same_bundle(
    form: str, images: Images, keys: Keys, bundles: dict[str, Path], tmp_path: Path
) -> None:
    source = open_source(_FORMS[form](tmp_path / "source", images))
    packed(source, list(images), keys, tmp_path / "out.tar", cache=tmp_path / "cache")
    assert (tmp_path / "out.tar").read_bytes() == bundles["tar"].read_bytes()


@pytest.mark.parametrize("form", ["directory", "tar"])
def test_a_bundle_is_itself_a_source(
    form: str, images: Images, keys: Keys, bundles: dict[str, Path], tmp_path: Path
) -> None:
    source = open_source(f"oci:{bundles[form]}")
    packed(source, list(images), keys, tmp_path / "out.tar", cache=tmp_path / "cache")
    assert (tmp_path / "out.tar").read_bytes() == bundles["tar"].read_bytes()


def test_an_image_is_found_by_each_of_its_spellings(images: Images, tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path / "source", {"nginx:latest": [layer({})]}))
    for name in ("nginx", "nginx:latest", "docker.io/library/nginx", "localhost/nginx:latest"):
        found = source.resolve([name], LayerCache(tmp_path / "cache"), no_progress)
        assert found[name].reference == name
    assert familiar("registry.go.id:5000/a/b") == "registry.go.id:5000/a/b:latest"


def test_all_missing_images_are_named_together(images: Images, tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path / "source", images))
    with pytest.raises(SmartCityError) as caught:
        source.resolve(["no:1", *images, "none:2"], LayerCache(tmp_path / "cache"), no_progress)
    assert "no:1, none:2" in caught.value.message
    assert "smartcity/laksa:1.0.0" in caught.value.hint


def test_a_layer_that_is_not_its_diff_id_is_refused(
    images: Images, keys: Keys, tmp_path: Path
) -> None:
    folder = write_layout(tmp_path / "source", images)
    path = (
        folder / "blobs/sha256" / digest.hex_of(digest.of_bytes(images["smartcity/laksa:1.0.0"][1]))
    )
    path.write_bytes(layer({"srv/app.py": b"print('other')"}))
    with pytest.raises(InputError, match="not the layer"):
        packed(
            open_source(f"oci:{folder}"),
            list(images),
            keys,
            tmp_path / "out.tar",
            cache=tmp_path / "cache",
        )
    assert not (tmp_path / "out.tar").exists()


def test_a_damaged_gzip_layer_is_refused(images: Images, keys: Keys, tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "source", images, lambda data: gzipped(data)[:-20])
    with pytest.raises(InputError, match="damaged"):
        packed(
            open_source(f"oci:{folder}"),
            list(images),
            keys,
            tmp_path / "out.tar",
            cache=tmp_path / "cache",
        )


def test_sources_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    (tmp_path / "empty").mkdir()
    for text in ("podman", "oci", "oci:", "archive:", "registry:x"):
        with pytest.raises(UsageError):
            open_source(text)
    for text in ("oci:missing", "oci:text", "oci:empty", "archive:missing", "archive:text"):
        kind, _colon, name = text.partition(":")
        with pytest.raises(InputError):
            open_source(f"{kind}:{tmp_path / name}")


def test_no_engine_is_said_in_our_words(tmp_path: Path) -> None:
    source = open_source(f"docker:unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        source.resolve(["a:1"], LayerCache(tmp_path / "cache"), no_progress)
    assert "DOCKER_HOST" in caught.value.hint


def _stream(path: Path, cut: int | None = None) -> tuple[bytes, ...]:
    data = path.read_bytes()[:cut]
    return tuple(data[i : i + 7000] for i in range(0, len(data), 7000))


@pytest.mark.parametrize("write", [write_old_archive, write_new_archive])
def test_an_engines_export_is_read_as_it_streams(
    write: Callable[[Path, Images], Path], images: Images, tmp_path: Path
) -> None:
    chunks = _stream(write(tmp_path / "export.tar", images))
    cache = LayerCache(tmp_path / "cache")
    wanted = {digest.of_bytes(x) for layers in images.values() for x in layers}
    events: list[Event] = []
    configs = read_export(iter(chunks), 10, wanted, cache, events.append)
    assert {name for c in configs for name in c.names} == set(images)
    for diff_id in wanted:
        assert cache.whole(diff_id)
    last = events[-1]
    assert isinstance(last, Transfer)
    assert last.done == last.total > 10


@pytest.mark.parametrize("write", [write_old_archive, write_new_archive])
def test_only_what_is_wanted_of_an_export_is_kept(
    write: Callable[[Path, Images], Path], images: Images, tmp_path: Path
) -> None:
    chunks = _stream(write(tmp_path / "export.tar", images))
    one = digest.of_bytes(images["smartcity/laksa:1.0.0"][1])
    cache = LayerCache(tmp_path / "cache")
    read_export(iter(chunks), 10, {one}, cache, no_progress)
    kept = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert {p.name.split("-")[0] for p in kept} == {digest.hex_of(one)}


def test_an_export_cut_short_is_an_engine_error(images: Images, tmp_path: Path) -> None:
    path = write_new_archive(tmp_path / "export.tar", images)
    for cut in (0, 100, 2000, path.stat().st_size // 2):
        with pytest.raises(EngineError, match="cut short"):
            chunks = iter(_stream(path, cut))
            read_export(chunks, 10, set(), LayerCache(tmp_path / "cache"), no_progress)
    assert not list((tmp_path / "cache").rglob("*.part"))
