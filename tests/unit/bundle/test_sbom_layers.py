"""What is read out of layers: each package manager's files, and what upper layers do to them."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass

import pytest
from layer_forge import FOLDER, HardLink, Symlink, dpkg, metadata, names, package_json, read, tar

from smartcity_pkg.bundle.sbom.found import LayerPackages, path_hash
from smartcity_pkg.bundle.sbom.layer import layer_packages

STATUS = "var/lib/dpkg/status"
SITE = "usr/lib/python3/dist-packages"
# Alpine 3.20's own database, two packages of it, files shortened.
APK = b"""C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.6.5-r0
A:x86_64
S:8515
I:315392
T:Alpine base dir structure and init scripts
U:https://git.alpinelinux.org/cgit/aports/tree/main/alpine-baselayout
L:GPL-2.0-only
o:alpine-baselayout
m:Natanael Copa <ncopa@alpinelinux.org>
t:1714981135
c:66187892e05b03a41d08e9acabd19b7576a1c875
D:alpine-baselayout-data=3.6.5-r0 /bin/sh
q:1000
F:dev
F:etc
R:motd
Z:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=

C:Q1NG/Bj2FMTHrpLQjYUHPsY2WmLnk=
P:musl-utils
V:1.2.5-r0
A:x86_64
L:MIT AND BSD-2-Clause AND GPL-2.0-or-later
o:musl
F:sbin
R:ldconfig

"""
DEP5 = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: contoh

Files: *
Copyright: 2020 Someone
License: GPL-2+ or Artistic

Files: lib/*
Copyright: 2021 Another
License: Expat

License: Expat
 Permission is hereby granted...
"""


def test_dpkg_names_what_is_on_the_disk_and_nothing_that_was_removed() -> None:
    data = dpkg("libc6=2.41-12", "curl=8.14.1-2+deb13u1", "bash=1:5.2")
    gone = dpkg("old=1.0", state="deinstall ok config-files")
    half = dpkg("half=2.0", state="install ok half-configured")
    layer = tar([("./" + STATUS, b"\n".join([data, gone, half]))])
    assert names(layer) == ["bash 1:5.2", "curl 8.14.1-2+deb13u1", "half 2.0", "libc6 2.41-12"]


def test_distroless_images_have_one_file_a_package() -> None:
    stanza = b"Package: tzdata\nVersion: 2025b-4\nArchitecture: all\nSource: tz (2025b)\n"
    layer = tar(
        [
            (f"{STATUS}.d/tzdata", stanza),
            (f"{STATUS}.d/tzdata.md5sums", b"d41d8cd98f00b204e9800998ecf8427e  usr/x\n"),
            ("etc/os-release", b'ID=debian\nVERSION_ID="13"\n'),
        ]
    )
    [found] = read(layer).components
    assert found.purl == "pkg:deb/debian/tzdata@2025b-4?arch=all&distro=debian-13"
    assert found.package.source == "tz (2025b)"


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk_names_packages_with_their_licences(path: str) -> None:
    release = b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.0\n'
    found = read(tar([(path, APK), ("usr/lib/os-release", release)])).components
    assert [c.purl for c in found] == [
        "pkg:apk/alpine/alpine-baselayout@3.6.5-r0?arch=x86_64&distro=alpine-3.20.0",
        "pkg:apk/alpine/musl-utils@1.2.5-r0?arch=x86_64&distro=alpine-3.20.0",
    ]
    assert found[0].package.licences == ("GPL-2.0-only",)
    assert found[1].package.licences == ("MIT AND BSD-2-Clause AND GPL-2.0-or-later",)
    assert (found[0].package.source, found[1].package.source) == ("", "musl")


@pytest.mark.parametrize(
    ("path", "more", "licences"),
    [
        ("a/x.dist-info/METADATA", ["License-Expression: MIT OR BSD-3-Clause"],
         ("MIT OR BSD-3-Clause",)),
        ("a/x.egg-info/PKG-INFO", ["License: ZPL 2.1"], ("ZPL 2.1",)),
        ("a/x.egg-info", ["License: UNKNOWN"], ()),
        ("opt/venv/lib/python3.13/site-packages/x.dist-info/METADATA",
         ["License: The long text", "        of a licence",
          "Classifier: License :: OSI Approved :: MIT License",
          "Classifier: Programming Language :: Python"], ("MIT License",)),
        ("usr/share/x.egg/EGG-INFO/PKG-INFO", [], ()),
    ],
)  # fmt: skip
def test_python_packages_wherever_they_lie(
    path: str, more: list[str], licences: tuple[str, ...]
) -> None:
    [found] = read(tar([(path, metadata("Flask_Login", "0.6.3", *more))])).components
    assert found.purl == "pkg:pypi/flask-login@0.6.3"
    assert (found.package.name, found.package.licences) == ("Flask_Login", licences)
    assert found.places == (path,)


def test_npm_packages_but_not_what_lies_inside_them() -> None:
    app = "srv/app/node_modules"
    layer = tar(
        [
            ("srv/app/package.json", package_json("the-app", "1.0.0")),
            (f"{app}/express/package.json", package_json("express", "5.1.0", license="MIT")),
            (f"{app}/express/lib/package.json", package_json("not-this", "1.0.0")),
            (f"{app}/express/node_modules/ms/package.json", package_json("ms", "2.0.0")),
            (f"{app}/ms/package.json", package_json("ms", "2.1.3", license={"type": "MIT"})),
            (f"{app}/@babel/core/package.json", package_json("@babel/core", "7.28.0")),
            (f"{app}/@babel/core/lib/package.json", b'{"type": "module"}'),
            (f"{app}/.pnpm/a@1/node_modules/a/package.json", package_json("a", "1.0.0")),
            ("usr/lib/node_modules/npm/package.json", package_json("npm", "11.5.2")),
            (f"{app}/broken/package.json", b"{"),
            (f"{app}/deep/package.json", b"[" * 100_000),
        ]
    )
    found = {c.purl: c.package.licences for c in read(layer).components}
    assert found == {
        "pkg:npm/%40babel/core@7.28.0": (),
        "pkg:npm/a@1.0.0": (),
        "pkg:npm/express@5.1.0": ("MIT",),
        "pkg:npm/ms@2.0.0": (),
        "pkg:npm/ms@2.1.3": ("MIT",),
        "pkg:npm/npm@11.5.2": (),
    }


def test_one_package_in_two_places_is_one_component_with_both() -> None:
    data = package_json("ms", "2.1.3")
    paths = [f"srv/{x}/node_modules/ms/package.json" for x in "ab"]
    [found] = read(tar([(p, data) for p in paths])).components
    assert list(found.places) == paths


def test_licences_come_from_copyright_files_also_through_links() -> None:
    doc = "usr/share/doc"
    layer = tar(
        [
            (STATUS, dpkg("a=1", "b=1", "c=1", "d=1", "loop=1")),
            (f"{doc}/a/copyright", DEP5),
            (f"{doc}/b", Symlink("a")),
            (f"{doc}/c/copyright", Symlink("../b/copyright")),
            (f"{doc}/d/copyright", b"Free text. License: yes\n"),
            (f"{doc}/loop", Symlink("loop")),
        ]
    )
    named = {c.package.name: c.package.licences for c in read(layer).components}
    expected = ("Expat", "GPL-2+ or Artistic")
    assert named == {"a": expected, "b": expected, "c": expected, "d": (), "loop": ()}


@dataclass(frozen=True)
class Over:
    """Layers on top of `BELOW`, and what is left of it (or comes with them)."""

    layers: list[list[tuple[str, object]]]
    left: str


BELOW: list[tuple[str, object]] = [
    (STATUS, dpkg("curl=8.0", "libc6=2.41")),
    (f"{SITE}/flask-3.0.dist-info/METADATA", metadata("flask", "3.0")),
    (f"{SITE}/click-8.1.dist-info/METADATA", metadata("click", "8.1")),
    ("srv/node_modules/ms/package.json", package_json("ms", "2.1.3")),
]
ALL = "curl 8.0, libc6 2.41, ms 2.1.3, click 8.1, flask 3.0"
WITHOUT_PYTHON = "curl 8.0, libc6 2.41, ms 2.1.3"
NEW_FLASK = (f"{SITE}/flask-3.1.dist-info/METADATA", metadata("flask", "3.1"))
OVERLAYS = {
    "nothing about packages": Over([[("srv/app.py", b"x"), (SITE, FOLDER)]], ALL),
    "an overwritten database": Over(
        [[(STATUS, dpkg("libc6=2.42"))]], "libc6 2.42, ms 2.1.3, click 8.1, flask 3.0"
    ),
    "a database overwritten by an empty one": Over(
        [[(STATUS, b"")]], "ms 2.1.3, click 8.1, flask 3.0"
    ),
    "a whiteout of a file": Over(
        [[(f"{SITE}/flask-3.0.dist-info/.wh.METADATA", b"")]],
        "curl 8.0, libc6 2.41, ms 2.1.3, click 8.1",
    ),
    "a whiteout of a folder": Over(
        [[(f"{SITE}/.wh.flask-3.0.dist-info", b"")]], "curl 8.0, libc6 2.41, ms 2.1.3, click 8.1"
    ),
    "a whiteout far above": Over([[(".wh.usr", b"")]], WITHOUT_PYTHON),
    "a whiteout of something whose name only begins so": Over(
        [[(f"{SITE}/.wh.flask", b""), (f"{SITE}/.wh.flask-3.0.dist-inf", b"")]], ALL
    ),
    "an opaque folder": Over([[(f"{SITE}/.wh..wh..opq", b"")]], WITHOUT_PYTHON),
    "an opaque folder that brings its own": Over(
        [[NEW_FLASK, (f"{SITE}/.wh..wh..opq", b"")]], f"{WITHOUT_PYTHON}, flask 3.1"
    ),
    "an opaque root": Over([[(".wh..wh..opq", b"")]], ""),
    "an opaque folder of the same name elsewhere": Over(
        [[("opt/usr/lib/python3/dist-packages/.wh..wh..opq", b"")]], ALL
    ),
    "aufs' own marks": Over([[(".wh..wh.aufs", b""), (".wh..wh.plnk", FOLDER)]], ALL),
    "an upgrade: whiteout and new folder": Over(
        [[(f"{SITE}/.wh.flask-3.0.dist-info", b""), NEW_FLASK]],
        "curl 8.0, libc6 2.41, ms 2.1.3, click 8.1, flask 3.1",
    ),
    "a folder replaced by a link": Over([[(SITE, Symlink("/opt/packages"))]], WITHOUT_PYTHON),
    "a folder replaced by a file": Over(
        [[("srv", b"")]], "curl 8.0, libc6 2.41, click 8.1, flask 3.0"
    ),
    "a file replaced by a folder": Over([[(STATUS, FOLDER)]], "ms 2.1.3, click 8.1, flask 3.0"),
    "taken away and brought back": Over(
        [[(".wh.srv", b"")], [("srv/node_modules/ms/package.json", package_json("ms", "3.0.0"))]],
        "curl 8.0, libc6 2.41, ms 3.0.0, click 8.1, flask 3.0",
    ),
    "brought and taken away again": Over(
        [[NEW_FLASK], [(f"{SITE}/.wh.flask-3.1.dist-info", b"")]], ALL
    ),
    "a whiteout below a later folder hides only what is lower": Over(
        [[(f"{SITE}/.wh.click-8.1.dist-info", b"")], [NEW_FLASK]],
        "curl 8.0, libc6 2.41, ms 2.1.3, flask 3.0, flask 3.1",
    ),
    "a path twice in one layer: the later": Over(
        [[(STATUS, dpkg("a=1")), (STATUS, dpkg("b=1"))]], "b 1, ms 2.1.3, click 8.1, flask 3.0"
    ),
    "a folder and then a link in its place": Over(
        [[("opt/node_modules/x/package.json", package_json("x", "1")), ("opt", Symlink("srv"))]],
        ALL,
    ),
    "a hard link to a file that is read anyway": Over(
        [[NEW_FLASK, ("v/flask-3.1.dist-info/METADATA", HardLink(NEW_FLASK[0]))]],
        f"{ALL}, flask 3.1",
    ),
    "a hard link to a file of any name": Over(
        [
            [
                ("store/4f/2a", package_json("y", "2")),
                ("a/node_modules/y/package.json", HardLink("store/4f/2a")),
            ]
        ],
        "curl 8.0, libc6 2.41, ms 2.1.3, y 2, click 8.1, flask 3.0",
    ),
    "a hard link into the layer below": Over(
        [[("var/lib/dpkg/status.d/all", HardLink(f"/{STATUS}")), (STATUS, b"")]], ALL
    ),
    "names with ./, //, / in front": Over(
        [
            [(".//usr/lib/./python3//dist-packages/.wh.flask-3.0.dist-info", b"")],
            [(f"/{NEW_FLASK[0]}", NEW_FLASK[1])],
        ],
        "curl 8.0, libc6 2.41, ms 2.1.3, click 8.1, flask 3.1",
    ),
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("name", OVERLAYS)
def test_upper_layers_hide_what_they_hide_and_nothing_else(name: str, form: int) -> None:
    over = OVERLAYS[name]
    layers = [tar(BELOW, form), *(tar(entries, form) for entries in over.layers)]
    assert ", ".join(names(*layers)) == over.left


def test_long_names_are_read_in_every_form_of_tar() -> None:
    folder = "/".join(["panjang" * 4] * 5)  # 144 bytes: no ustar name, but a prefix
    far = "/".join(["panjang" * 8] * 20)  # more than ustar can hold
    for form, path in (
        (tarfile.USTAR_FORMAT, folder),
        (tarfile.GNU_FORMAT, far),
        (tarfile.PAX_FORMAT, far),
    ):
        entries = [(f"{path}/x-1.dist-info/METADATA", metadata("x", "1"))]
        assert names(tar(entries, form)) == ["x 1"]


def test_the_size_of_reads_does_not_matter() -> None:
    raw = tar([*BELOW, ("srv/" + "long/" * 60 + "x-1.dist-info/METADATA", metadata("x", "1"))])
    whole = layer_packages(lambda: [raw]).to_json()
    assert b"x-1.dist-info" in whole
    for size in (1, 7, 511, 512, 513, 4096):
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        assert layer_packages(lambda pieces=pieces: pieces).to_json() == whole


def test_what_the_cache_keeps_of_a_layer_is_what_was_read() -> None:
    found = layer_packages(lambda: [tar([*BELOW, ("a/.wh.b", b""), ("c/.wh..wh..opq", b"")])])
    again = LayerPackages.from_json(found.to_json())
    assert again is not None
    assert again.to_json() == found.to_json()
    assert path_hash("a/b") in again.hides
    assert path_hash("c") in again.opaque
    assert path_hash("c") not in again.hides
    for other in (b"{}", b"[]", b"x", found.to_json().replace(b'"kind"', b'"sort"')):
        assert LayerPackages.from_json(other) is None
