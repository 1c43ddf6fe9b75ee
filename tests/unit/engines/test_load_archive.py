"""The archive for `docker load`: two shapes that say the same thing."""

from __future__ import annotations

import io
import json
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.catalogue.release import Layer, ReleaseImage, pinned
from smartcity_pkg.core import digest
from smartcity_pkg.engines import archive

layers = st.lists(st.binary(max_size=20), min_size=1, max_size=5)


def described(config: bytes, contents: list[bytes]) -> ReleaseImage:
    of_config = digest.of_bytes(config)
    return ReleaseImage(
        reference=pinned("smartcity/laksa:1.0.0", of_config),
        source="smartcity/laksa:1.0.0",
        config_digest=of_config,
        layers=tuple(Layer(diff_id=digest.of_bytes(c), size_bytes=len(c)) for c in contents),
        architecture="amd64",
        os="linux",
        sbom_digest=of_config,
    )


@given(config=st.binary(min_size=1, max_size=50), contents=layers)
def test_both_shapes_name_the_same_layers_by_diff_id(config: bytes, contents: list[bytes]) -> None:
    image = described(config, contents)
    files = archive.small_files(image, config)
    [docker] = json.loads(files["manifest.json"])
    [entry] = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files[archive.blob_path(entry["digest"])])
    expected = [archive.blob_path(d) for d in image.diff_ids]
    assert docker["Layers"] == expected
    assert [archive.blob_path(la["digest"]) for la in manifest["layers"]] == expected
    assert all(la["mediaType"].endswith(".tar") for la in manifest["layers"]), "raw layers"
    assert docker["Config"] == archive.blob_path(manifest["config"]["digest"])


@given(config=st.binary(min_size=1, max_size=50), contents=layers)
def test_every_document_is_what_its_descriptor_says(config: bytes, contents: list[bytes]) -> None:
    files = archive.small_files(described(config, contents), config)
    [entry] = json.loads(files["index.json"])["manifests"]
    manifest_bytes = files[archive.blob_path(entry["digest"])]
    assert digest.of_bytes(manifest_bytes) == entry["digest"]
    assert len(manifest_bytes) == entry["size"]
    of_config = json.loads(manifest_bytes)["config"]
    assert (of_config["digest"], of_config["size"]) == (digest.of_bytes(config), len(config))


def test_the_image_is_loaded_under_a_staging_name_that_containerd_understands() -> None:
    image = described(b"{}", [b"x"])
    files = archive.small_files(image, b"{}")
    [docker] = json.loads(files["manifest.json"])
    [entry] = json.loads(files["index.json"])["manifests"]
    staging = archive.staging_reference(image)
    assert docker["RepoTags"] == [staging]
    assert staging not in (image.reference, image.source)
    assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/library/{staging}"


def test_layers_are_not_among_the_small_files() -> None:
    image = described(b"{}", [b"one", b"two"])
    assert not set(archive.small_files(image, b"{}")) & {
        archive.blob_path(d) for d in image.diff_ids
    }


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), st.binary()))
def test_the_small_tar_holds_exactly_the_files(files: dict[str, bytes]) -> None:
    made = archive.small_tar(files)
    assert made == archive.small_tar(dict(reversed(files.items()))), "same files, same bytes"
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    assert found == files
