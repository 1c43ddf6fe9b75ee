"""Layers from hostile hands: nothing crashes, memory stays bounded, and what is missing is said."""

from __future__ import annotations

import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_world import FILES, Keys, packed, plan, write_layout
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_forge import Symlink, dpkg, metadata, names, package_json, read, tar

from smartcity_pkg.bundle.inspect import inspect
from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
from smartcity_pkg.bundle.sbom.cyclonedx import document, parse
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.core.progress import Event, Note

STATUS = "var/lib/dpkg/status"
GOOD = tar([(STATUS, dpkg("curl=8.0")), ("etc/x", b"1" * 3000)])


def header(name: bytes, flag: bytes = b"0", size: bytes = b"00000000000\0") -> bytes:
    """A ustar header with these bytes, and a right checksum."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = flag
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(record: bytes) -> bytes:
    return header(b"x", b"x", b"%011o\0" % len(record)) + padded(record)


BAD = {
    "no tar at all": (b"hello" * 200, "no header"),
    "random bytes": (random.Random(1).randbytes(5000), "no header"),
    "a wrong checksum": (GOOD[:500] + b"\1" + GOOD[501:], "no header"),
    "cut in a header": (tar([("a", b"")])[:500], "cut short"),
    "cut in a file": (tar([("a", b"1" * 600)])[:900], "cut short"),
    "a file of an exabyte": (header(b"a", b"0", b"\x80\0\0\0\x10\0\0\0\0\0\0\0"), "no header"),
    "a negative size": (header(b"a", b"0", b"\xff" * 12), "no header"),
    "a size that is no number": (header(b"a", b"0", b"zzzzzzzzzzz\0"), "no header"),
    "a long name of a gigabyte": (header(b"L", b"L", b"10000000000\0"), "header too large"),
    "a pax header of a gigabyte": (header(b"x", b"x", b"10000000000\0"), "header too large"),
    "a pax record without end": (pax(b"99 path=a\n"), "no header"),
    "a pax record without =": (pax(b"8 abcde\n"), "no header"),
    "a pax length of zero": (pax(b"0 path=a\n"), "no header"),
    "a pax size that is none": (pax(b"12 size=-1x\n") + header(b"a"), "no header"),
    "nothing after a long name": (header(b"L", b"L", b"00000000002\0") + padded(b"ab"), "cut short"),  # noqa: E501
    "one zero block, then more": (bytes(512) + GOOD, "no header"),
    "a path that leads out": (tar([("../../etc/os-release", b"ID=x\n")]), "path"),
    "a path longer than a path": (tar([("a/" * 3000 + "b", b"")]), "path"),
    "a database of a gigabyte": (header(STATUS.encode(), b"0", b"10000000000\0"), "cut short"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said_and_what_could_be_is_kept(name: str) -> None:
    data, why = BAD[name]
    found = read(GOOD, data)
    assert why in found.unread
    if name != "a database of a gigabyte":
        assert [c.package.name for c in found.components] == ["curl"]
    sbom = parse(document("a:1", "sha256:" + "0" * 64, found))
    assert why in sbom.unread


def test_a_sparse_or_oversized_file_is_named_as_unread() -> None:
    sparse = header(STATUS.encode(), b"S", b"00000001000\0") + bytes(512)
    assert read(sparse).unread == (f"sparse {STATUS}",)
    large = tar([("x/node_modules/y/package.json", b" " * (1 << 20) + b"{}")])
    assert read(large).unread == ("too large x/node_modules/y/package.json",)


def test_the_map_of_an_old_sparse_file_is_not_taken_for_entries() -> None:
    block = bytearray(header(b"core", b"S", b"00000001000\0"))
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = bytearray(512)
    more[504] = 1
    assert names(bytes(block) + bytes(more) + bytes(512) + b"d" * 512 + GOOD) == ["curl 8.0"]


def test_what_follows_the_end_is_no_part_of_the_layer() -> None:
    end = GOOD.rstrip(b"\0")
    hidden = tar([("a/node_modules/b/package.json", package_json("b", "1"))])
    assert names(padded(end) + bytes(1024) + hidden) == ["curl 8.0"]


def test_names_from_packages_are_harmless_in_the_document() -> None:
    evil = "a\x1b[2J\n\u202e<script>" + "x" * 5000
    layer = tar(
        [
            ("x/node_modules/y/package.json", package_json(evil, "1\0", license=evil)),
            (b"x/\xff\xfe.egg-info".decode("utf-8", "surrogateescape"), metadata("z", "1")),
        ]
    )
    data = document("a:1", "sha256:" + "0" * 64, read(layer))
    text = data.decode()
    assert text.isprintable()
    npm, pypi = parse(data).packages
    assert len(npm.name) <= 256
    assert (npm.version, pypi.name) == ("1", "z")
    assert "x/\\\\xff\\\\xfe.egg-info" in text


@settings(max_examples=300)
@given(data=st.data())
def test_no_change_of_a_layer_makes_reading_fail(data: st.DataObject) -> None:
    layer = bytearray(
        tar(
            [
                (STATUS, dpkg("a=1", "b=2")),
                ("p" * 150 + "/x-1.dist-info/METADATA", metadata("x", "1")),
                ("s/node_modules/y/package.json", package_json("y", "1", license="MIT")),
                ("usr/share/doc/a", Symlink("../b")),
                ("lib/apk/db/installed", b"P:a\nV:1\n\n"),
                ("etc/.wh.x", b""),
            ],
            data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])),
        )
    )
    for _change in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(layer) - 1))
        layer[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(layer)))
    found = read(bytes(layer[:cut]) if data.draw(st.booleans()) else bytes(layer))
    parse(document("a:1", "sha256:" + "0" * 64, found))


_MEASURE = """
import resource, sys
from layer_forge import *
from smartcity_pkg.bundle.sbom.cyclonedx import document, parse
from smartcity_pkg.bundle.sbom.image import image_packages
from smartcity_pkg.bundle.sbom.layer import layer_packages
import test_sbom_hostile as t
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = image_packages([layer_packages(t.BOMBS[sys.argv[1]])])
data = document("a:1", "sha256:" + "0" * 64, found)
assert len(data) <= 16 << 20
parse(data)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, found.unread)
"""


def _plain(name: bytes, data: bytes) -> bytes:
    return header(name, b"0", b"%011o\0" % len(data)) + padded(data)


def _gnu(name: bytes, data: bytes) -> bytes:
    return header(b"L", b"L", b"%011o\0" % len(name)) + padded(name) + _plain(b"-", data)


def _linked(name: bytes, _data: bytes) -> bytes:
    target = b"a/long/folder/" + name + b".target"
    long_link = header(b"K", b"K", b"%011o\0" % len(target)) + padded(target)
    return long_link + header(name, b"1")


def _many(
    entry: Callable[[int], tuple[str, bytes]],
    count: int,
    write: Callable[[bytes, bytes], bytes] = _plain,
) -> Callable[[], object]:
    def chunks() -> object:
        for number in range(count):
            name, data = entry(number)
            yield write(name.encode(), data)

    return chunks


def _huge_status() -> object:
    stanza = dpkg("x" * 200 + "=" + "9" * 200)
    size = 16 << 20
    yield header(STATUS.encode(), b"0", b"%011o\0" % size)
    text = b"".join(stanza.replace(b"x" * 9, b"%09d" % n, 1) + b"\n" for n in range(40_000))
    yield (text + b"\n" * size)[:size]


BOMBS: dict[str, Callable[[], object]] = {
    "half a million files": _many(lambda n: (f"f/{n}", b""), 500_000),
    "sixty thousand packages": _many(
        lambda n: (f"n/node_modules/{n}/package.json", package_json(f"{n}", "1", license="L" * 256)),  # noqa: E501
        60_000,
    ),
    "deep paths": _many(lambda n: (f"{'d/' * 20}{n}/x-{n}.egg-info", metadata("x", str(n))), 60_000),  # noqa: E501
    "one large database": _huge_status,
    "16 MiB of one line": lambda: [
        header(STATUS.encode(), b"0", b"%011o\0" % (16 << 20)), b"Package:" * (2 << 20)
    ],
    "smallest stanzas": lambda: [
        header(STATUS.encode(), b"0", b"%011o\0" % (16 << 20)),
        b"".join(b"Package:%d\nVersion:1\n\n" % n for n in range(700_000))[: 16 << 20],
    ],
    "only line ends": lambda: [
        header(STATUS.encode(), b"0", b"%011o\0" % (16 << 20)), b"\n" * (16 << 20)
    ],
    "deepest paths": _many(
        lambda n: (f"{'d/' * 20}{n}/{'e/' * 1900}x-{n}.egg-info", metadata("x", str(n))), 3000, _gnu
    ),
    "paths of 190 folders": _many(
        lambda n: (f"{n}/{'e/' * 190}x-{n}.egg-info", metadata("x", str(n))), 20_000, _gnu
    ),
    "packages that say nothing": _many(lambda n: (f"{n}.egg-info", b""), 200_000),
    "hard links to nothing": _many(lambda n: (f"{n}.egg-info", b""), 150_000, _linked),
    "zeros without end": lambda: (bytes(1 << 20) for _ in range(2000)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded_whatever_a_layer_holds(name: str) -> None:
    root = Path(__file__).parents[3]
    paths = (root, root / "tests/support", root / "tests/unit/bundle")
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, name],
        env={"PYTHONPATH": ":".join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown_kib = int(done.stdout.split()[0])
    assert grown_kib < 250 << 10, done.stdout


def test_a_layer_that_is_no_tar_is_packed_and_its_image_is_marked(
    keys: Keys, tmp_path: Path
) -> None:
    images = {"smartcity/laksa:1.0.0": [GOOD, b"this is no tar" * 100]}
    source = layout_source(write_layout(tmp_path / "source", images))
    told: list[Event] = []
    request = PackRequest(
        plan=plan(), serial=1, files=FILES, apps=(), source=source, cache=tmp_path / "cache",
        images=resolve_images(source, list(images), tmp_path / "cache"),
        signing_key=keys.signing, output=tmp_path / "bundle.tar",
    )  # fmt: skip
    pack(request, told.append)
    [note] = [e for e in told if isinstance(e, Note)]
    assert "smartcity/laksa:1.0.0" in note.text
    assert "no header" in note.text
    [image] = inspect(tmp_path / "bundle.tar").images
    assert image.sbom.unread == ("no header",)
    assert [p.name for p in image.sbom.packages] == ["curl"]


def test_the_cache_mends_what_it_kept_of_a_layer(keys: Keys, tmp_path: Path) -> None:
    images = {"smartcity/laksa:1.0.0": [GOOD]}
    source = layout_source(write_layout(tmp_path / "source", images))
    outputs = []
    for damage in (None, b"", b"?", b"\0" * 100):
        for path in (tmp_path / "cache").glob("packages-*/*"):
            if damage is not None:
                path.write_bytes(damage)
        packed(source, list(images), keys, tmp_path / "x.tar", cache=tmp_path / "cache")
        outputs.append((tmp_path / "x.tar").read_bytes())
    assert len(set(outputs)) == 1
    [kept] = (tmp_path / "cache").glob("packages-*/*")
    assert kept.stat().st_size > 100


def test_layers_packed_by_an_older_smartcity_are_read_from_the_cache(
    keys: Keys, tmp_path: Path
) -> None:
    images = {"smartcity/laksa:1.0.0": [GOOD, tar([("etc/x", b"1")])]}
    folder = write_layout(tmp_path / "source", images)
    source = layout_source(folder)
    packed(source, list(images), keys, tmp_path / "x.tar", cache=tmp_path / "cache")
    for path in (tmp_path / "cache").glob("packages-*/*"):
        path.unlink()
    again = packed(source, list(images), keys, tmp_path / "y.tar", cache=tmp_path / "cache")
    assert again.reused_layers == 2
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()
