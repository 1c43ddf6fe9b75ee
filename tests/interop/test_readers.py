"""What smartcity writes is read by programs that never heard of it: cosign, skopeo, a registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundle_world import make_keys
from interop_world import Made
from private_registry import PrivateRegistry, need_registry, private_registry

from smartcity_pkg.bundle.registry.address import Transport, parse_address
from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.pull import pull
from smartcity_pkg.bundle.registry.push import push
from smartcity_pkg.core import digest
from smartcity_pkg.lab.programs import Readers

pytestmark = pytest.mark.lab

_OFFLINE = ("--insecure-ignore-tlog=true", "--private-infrastructure=true")
_PLAIN = ("--allow-http-registry=true", "--allow-insecure-registry=true")


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def skopeo(readers: Readers, *words: str) -> str:
    done = run(readers.argv("skopeo", "--insecure-policy", *words))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    need_registry()
    with private_registry(tmp_path_factory.mktemp("registry")) as started:
        yield started


@pytest.fixture(scope="module")
def place(registry: PrivateRegistry, made: Made) -> str:
    """Where the bundle was pushed."""
    name = f"{registry.host}/kominfo/karawang"
    there = Repository(parse_address(name), Transport(), None, writes=True)
    push(made.tar, there, made.keys.trusted)
    return name


# -- cosign -----------------------------------------------------------------------------------


def test_cosign_accepts_the_directory_and_refuses_another_key(
    made: Made, readers: Readers, tmp_path: Path
) -> None:
    make_keys(tmp_path, "foreign")
    for key, good in ((made.public_key, True), (tmp_path / "foreign.pub", False)):
        argv = readers.argv(
            *("cosign", "verify", f"--key={key}", *_OFFLINE, "--local-image", str(made.folder))
        )
        done = run(argv)
        assert (done.returncode == 0) is good, done.stderr
    told = json.loads(
        run(readers.argv("cosign", "verify", f"--key={made.public_key}", *_OFFLINE,
                         "--local-image", str(made.folder))).stdout
    )  # fmt: skip
    assert told[0]["critical"]["image"]["docker-manifest-digest"] == made.contents.root_digest


@pytest.mark.parametrize(
    "words", [("verify",), ("verify-attestation", "--type=slsaprovenance1")], ids=lambda w: w[0]
)
def test_cosign_accepts_what_was_pushed_and_refuses_another_key(
    made: Made, readers: Readers, place: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    make_keys(tmp_path, "foreign")
    for reference in (f"{place}@{made.contents.root_digest}", f"{place}:latest"):
        for key, good in ((made.public_key, True), (tmp_path / "foreign.pub", False)):
            done = run(
                readers.argv("cosign", *words, f"--key={key}", *_OFFLINE, *_PLAIN, reference)
            )
            assert (done.returncode == 0) is good, done.stderr


def test_what_cosign_signs_in_the_registry_is_pulled_with_it(
    made: Made, readers: Readers, registry: PrivateRegistry, tmp_path: Path
) -> None:
    """A second signature, added by another tool, travels along and does no harm."""
    name = f"{registry.host}/kominfo/second"
    push(made.tar, Repository(parse_address(name), Transport(), None, writes=True),
         made.keys.trusted)  # fmt: skip
    environment = {"COSIGN_PASSWORD": "", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for words in (
        ("generate-key-pair",),
        ("sign", "--yes", "--key=cosign.key", "--tlog-upload=false", *_PLAIN,
         f"{name}@{made.contents.root_digest}"),
    ):  # fmt: skip
        subprocess.run(
            readers.argv("cosign", *words),
            cwd=tmp_path, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    there = Repository(parse_address(name), Transport(), None)
    done = pull(there, made.keys.trusted, tmp_path / "x.tar", tmp_path)
    assert done.contents.root_digest == made.contents.root_digest
    assert [s.key_id for s in done.contents.signatures] == [made.keys.signing.key_id]


# -- skopeo -----------------------------------------------------------------------------------


def test_skopeo_finds_each_image_of_a_directory_by_its_name(made: Made, readers: Readers) -> None:
    for image in made.contents.release.images:
        told = json.loads(skopeo(readers, "inspect", f"oci:{made.folder}:{image.reference}"))
        assert (told["Architecture"], told["Os"]) == ("amd64", "linux")
        packed = [made.contents.layers[d].blob.digest for d in image.diff_ids]
        assert told["Layers"] == packed
        config = skopeo(
            readers, "inspect", "--config", "--raw", f"oci:{made.folder}:{image.reference}"
        )
        assert digest.of_bytes(config.encode()) == image.config_digest


def test_skopeo_copies_each_image_of_a_directory_unchanged(
    made: Made, readers: Readers, tmp_path: Path
) -> None:
    for number, image in enumerate(made.contents.release.images):
        out = tmp_path / f"{number}"
        skopeo(readers, "copy", f"oci:{made.folder}:{image.reference}", f"oci:{out}:x")
        blobs = {p.name for p in (out / "blobs/sha256").iterdir()}
        wanted = {made.contents.layers[d].blob.digest for d in image.diff_ids}
        assert {d.removeprefix("sha256:") for d in (*wanted, image.config_digest)} <= blobs


def test_skopeo_reads_the_tar_as_an_archive(made: Made, readers: Readers) -> None:
    for image in made.contents.release.images:
        told = json.loads(skopeo(readers, "inspect", f"oci-archive:{made.tar}:{image.reference}"))
        assert len(told["Layers"]) == len(image.layers)


def test_the_skopeo_of_debian_12_reads_a_directory(made: Made) -> None:
    """The oldest one that people have: 1.9."""
    if shutil.which("skopeo") is None:
        if os.environ.get("SMARTCITY_CI"):
            pytest.fail("needs skopeo")
        pytest.skip("needs skopeo")
    for image in made.contents.release.images:
        done = run(["skopeo", "inspect", f"oci:{made.folder}:{image.reference}"])
        assert done.returncode == 0, done.stderr


def test_skopeo_reads_each_image_in_the_registry(
    made: Made, readers: Readers, place: str, tmp_path: Path
) -> None:
    raw = skopeo(readers, "inspect", "--raw", "--tls-verify=false", f"docker://{place}:latest")
    assert digest.of_bytes(raw.encode()) == made.contents.root_digest
    for number, entry in enumerate(json.loads(raw)["manifests"]):
        if "artifactType" not in entry:
            skopeo(
                readers, "copy", "--src-tls-verify=false",
                f"docker://{place}@{entry['digest']}", f"oci:{tmp_path / str(number)}:x",
            )  # fmt: skip
