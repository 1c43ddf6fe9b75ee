"""`inspect`, `inspect --sbom` and `diff`, as people run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_world import make_keys, packed, write_layout
from layer_forge import dpkg, tar
from workspace import Ran

from smartcity_pkg.bundle.inspect import sbom_document
from smartcity_pkg.bundle.sources.layout import layout_source

BASE = tar([("etc/os-release", b"ID=debian\nVERSION_ID=13\n"),
            ("var/lib/dpkg/status", dpkg("libc6=2.41", "curl=8.0"))])  # fmt: skip
NEWER = tar([("var/lib/dpkg/status", dpkg("libc6=2.42"))])


def run(folder: Path, *words: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "smartcity_pkg", *words],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "SMARTCITY_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inside")
    keys = make_keys(made)
    for name, images, files in (
        ("a", {"city/laksa:1.0.0": [BASE]}, {"s/laksa/.env": b"A=1\n"}),
        ("b", {"city/laksa:1.1.0": [BASE, NEWER]}, {"s/laksa/.env": b"A=2\n"}),
    ):
        source = layout_source(write_layout(made / name, images))
        output = made / f"{name}.tar"
        packed(source, list(images), keys, output, cache=made / "cache", files=files)
    return made


def test_inspect_says_the_same_to_people_and_programs(folder: Path) -> None:
    shown = run(folder, "inspect", "a.tar").out
    assert "dpkg 2" in shown
    assert "debian 13" in shown
    document = run(folder, "inspect", "a.tar", "--json").json
    [image] = document["images"]
    assert [p["name"] for p in image["packages"]] == ["curl", "libc6"]
    assert document["packages"] == {"kinds": {"deb": 2}, "without_licence": 2}
    assert document["signed_by"]


def test_the_document_goes_to_the_screen_or_a_file_byte_for_byte(folder: Path) -> None:
    image, data = sbom_document(folder / "a.tar", "laksa")
    assert run(folder, "inspect", "a.tar", "--sbom", "laksa").out.encode() == data + b"\n"
    wrapped = run(folder, "inspect", "a.tar", "--sbom", "laksa", "--json").json
    assert (wrapped["kind"], wrapped["document"]) == ("sbom", json.loads(data))
    run(folder, "inspect", "a.tar", "--sbom", "laksa", "--out", "laksa.cdx.json")
    assert (folder / "laksa.cdx.json").read_bytes() == data
    assert wrapped["image"] == image.reference


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("a.tar", "--sbom", "nginx"), 2, "its images: city/laksa:1.0.0"),
        (("a.tar", "--out", "x"), 2, "--out needs --sbom"),
        (("a.tar", "--sbom", "laksa", "--out", "a.tar/x"), 1, "a.tar/x cannot be written"),
        (("none.tar", "--sbom", "laksa"), None, "none.tar"),
    ],
)
def test_a_wrong_question_is_answered_with_what_to_do(
    folder: Path, words: tuple[str, ...], code: int | None, said: str
) -> None:
    ran = run(folder, "inspect", *words)
    assert ran.code == code if code is not None else ran.code != 0
    assert not ran.out
    assert said in ran.err
    assert "What to do" in ran.err


def test_diff_shows_packages_bytes_and_with_config_the_lines(folder: Path) -> None:
    shown = run(folder, "diff", "a.tar", "b.tar").out
    assert "s/laksa/.env" in shown
    assert "2.42" in shown
    assert "+A=2" not in shown
    assert "+A=2" in run(folder, "diff", "a.tar", "b.tar", "--config").out
    document = run(folder, "diff", "a.tar", "b.tar", "--json").json
    assert document["kind"] == "bundle-diff"
    [image] = document["images"]
    changes = {p["name"]: p["change"] for p in image["packages"]}
    assert changes == {"curl": "removed", "libc6": "upgraded"}
    assert (
        "Apps, configuration and images are the same." in run(folder, "diff", "a.tar", "a.tar").out
    )


def test_diff_speaks_indonesian(folder: Path) -> None:
    shown = run(folder, "--lang", "id", "diff", "a.tar", "b.tar").out
    assert "sebelum" in shown
    assert "before" not in shown
