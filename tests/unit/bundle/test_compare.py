"""What changes between two bundles: nothing that does not, everything that does, and the bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from bundle_world import Keys, plan, write_layout
from layer_forge import dpkg, metadata, package_json, tar

from smartcity_pkg.bundle.compare import BundleDifference, PackageChange, compare
from smartcity_pkg.bundle.inspect import inspect
from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.catalogue.release import ReleaseApp, pinned
from smartcity_pkg.core import digest

BASE = tar([("var/lib/dpkg/status", dpkg("libc6=2.41", "curl=8.0")), ("bin/x", b"x" * 9000)])
NEWER = tar([("var/lib/dpkg/status", dpkg("libc6=2.42", "zlib1g=1.3"))])
PYTHON = tar([("a/flask-3.0.dist-info/METADATA", metadata("flask", "3.0"))])
CODE = tar([("srv/app.py", b"1")])
NODE = tar(
    [
        (f"n/{at}/node_modules/ms/package.json", package_json("ms", version))
        for at, version in enumerate(("2.0.0", "2.1.3"))
    ]
)
FILES = {
    "s1/laksa/.env": b"A=1\nB=2\n",
    "s1/laksa/files/0123456789abcdef-app.json": b'{"a": 1}\n',
    "s1/gateway/logo.png": b"\x89PNG\xff",
}


class Maker:
    """Packs apps (name and server → version and image) into bundles, one after another."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder, self._keys = folder, keys
        self._count = 0

    def __call__(
        self,
        apps: Mapping[tuple[str, str], tuple[str, str]],
        images: Mapping[str, Sequence[bytes]],
        files: Mapping[str, bytes] = FILES,
    ) -> Path:
        self._count += 1
        folder = self._folder / str(self._count)
        source = layout_source(write_layout(folder, images))
        found = resolve_images(source, list(images), self._folder / "cache")
        made = [
            ReleaseApp(
                app=app, version=version, server=server, project=app, compose_files=(),
                env_file="", services=(), networks=(),
                images=(pinned(image, found[image].config_digest),),
                config_digest=digest.of_bytes(repr(sorted(
                    (n, d) for n, d in files.items() if n.startswith(f"{server}/{app}/")
                )).encode()),
            )
            for (app, server), (version, image) in apps.items()
        ]  # fmt: skip
        request = PackRequest(
            plan=plan(), serial=self._count, files=files, apps=made, images=found, source=source,
            cache=self._folder / "cache", signing_key=self._keys.signing,
            output=self._folder / f"{self._count}.tar",
        )  # fmt: skip
        return pack(request).path


@pytest.fixture
def bundle(tmp_path: Path, keys: Keys) -> Maker:
    return Maker(tmp_path, keys)


APPS = {
    ("laksa", "s1"): ("1.0.0", "city/laksa:1.0.0"),
    ("gateway", "s1"): ("1.0.0", "city/gateway:1.0.0"),
}
IMAGES = {"city/laksa:1.0.0": [BASE, PYTHON, CODE], "city/gateway:1.0.0": [BASE, NODE]}


def test_two_bundles_of_the_same_release_do_not_differ(bundle: Maker) -> None:
    found = compare(bundle(APPS, IMAGES), bundle(APPS, IMAGES))
    assert (found.apps, found.files, found.images, found.unchanged_images) == ((), (), (), 2)
    [server] = found.servers
    assert (server.layers, server.packed_bytes, server.size_bytes) == (0, 0, 0)
    assert server.documents_bytes > 0  # the serial number alone makes another release


def test_apps_are_added_removed_upgraded_moved_and_restarted(bundle: Maker) -> None:
    before = bundle(
        {**APPS, ("kept", "s1"): APPS["gateway", "s1"], ("moved", "s1"): APPS["gateway", "s1"],
         ("again", "s1"): ("1.0.0", "city/gateway:1.0.0")},
        IMAGES,
    )  # fmt: skip
    after = bundle(
        {
            ("laksa", "s1"): ("1.1.0", "city/laksa:1.1.0"),
            ("kept", "s1"): APPS["gateway", "s1"],
            ("moved", "s2"): APPS["gateway", "s1"],
            ("again", "s1"): ("1.0.0", "city/gateway:1.0.0"),
            ("new", "s2"): ("3.0.0", "city/gateway:1.0.0"),
        },
        {"city/laksa:1.1.0": [BASE, PYTHON, CODE], "city/gateway:1.0.0": [BASE, NODE]},
        {**FILES, "s1/again/.env": b"X=1\n"},
    )
    found = {a.app: (a.change, a.before, a.after) for a in compare(before, after).apps}
    assert found == {
        "again": ("changed", "1.0.0", "1.0.0"),
        "gateway": ("removed", "1.0.0", ""),
        "laksa": ("changed", "1.0.0", "1.1.0"),
        "moved": ("changed", "1.0.0", "1.0.0"),
        "new": ("added", "", "3.0.0"),
    }
    [moved] = [a for a in compare(before, after).apps if a.app == "moved"]
    assert (moved.servers_before, moved.servers_after) == (("s1",), ("s2",))


def test_configuration_files_that_change_are_shown_line_by_line(bundle: Maker) -> None:
    after = {
        "s1/laksa/.env": b"A=1\nB=3\n",
        "s1/laksa/files/fedcba9876543210-app.json": b'{"a": 2}\n',
        "s1/gateway/logo.png": b"\x89PNG\xfe",
        "s1/gateway/new.conf": b"hello\n",
    }
    found = compare(bundle(APPS, IMAGES), bundle(APPS, IMAGES, after)).files
    changes = {f.path: (f.change, f.diff[2:]) for f in found}
    assert changes == {
        "s1/laksa/.env": ("changed", ("@@ -1,2 +1,2 @@", " A=1", "-B=2", "+B=3")),
        "s1/laksa/files/fedcba9876543210-app.json": (
            "changed", ("@@ -1 +1 @@", '-{"a": 1}', '+{"a": 2}'),
        ),
        "s1/gateway/logo.png": ("changed", ()),
        "s1/gateway/new.conf": ("added", ("@@ -0,0 +1 @@", "+hello")),
    }  # fmt: skip
    back = compare(bundle(APPS, IMAGES, after), bundle(APPS, IMAGES)).files
    assert {f.change for f in back if f.path.endswith("new.conf")} == {"removed"}


def _packages(found: BundleDifference, image: str) -> list[PackageChange]:
    return next(list(i.packages) for i in found.images if i.image == image)


def test_packages_are_added_removed_and_changed_image_by_image(bundle: Maker) -> None:
    node = tar([("n/0/node_modules/ms/package.json", package_json("ms", "2.2.0"))])
    before = bundle(APPS, IMAGES)
    after = bundle(
        {
            ("laksa", "s1"): ("1.1.0", "city/laksa:1.1.0"),
            ("gateway", "s1"): APPS["gateway", "s1"],
            ("more", "s1"): ("1.0.0", "city/more:1"),
        },
        {
            "city/laksa:1.1.0": [BASE, NEWER, CODE],
            "city/gateway:1.0.0": [BASE, NODE, node],
            "city/more:1": [BASE],
        },
    )
    found = compare(before, after)
    laksa = [(p.kind, p.name, p.change, p.before, p.after) for p in _packages(found, "city/laksa")]
    assert laksa == [
        ("deb", "curl", "removed", ("8.0",), ()),
        ("deb", "libc6", "upgraded", ("2.41",), ("2.42",)),
        ("deb", "zlib1g", "added", (), ("1.3",)),
        ("pypi", "flask", "removed", ("3.0",), ()),
    ]
    [ms] = _packages(found, "city/gateway")  # of two versions the other one stays
    assert (ms.name, ms.before, ms.after) == ("ms", ("2.0.0",), ("2.2.0",))
    assert {p.change for p in _packages(found, "city/more")} == {"added"}
    back = {p.name: p.change for p in _packages(compare(after, before), "city/laksa")}
    assert back["libc6"] == "downgraded"
    [more] = [i for i in found.images if i.image == "city/more"]
    assert more.before == ""
    [gone] = [i for i in compare(after, before).images if i.image == "city/more"]
    assert (gone.after, {p.change for p in gone.packages}) == ("", {"removed"})


def test_bytes_are_those_of_the_layers_that_each_server_lacks(bundle: Maker) -> None:
    before = bundle(APPS, IMAGES)
    changed = [BASE, PYTHON, tar([("srv/app.py", b"2")])]
    after = bundle(
        {
            ("laksa", "s1"): ("1.1.0", "city/laksa:1.1.0"),
            ("gateway", "s2"): APPS["gateway", "s1"],
        },
        {"city/laksa:1.1.0": changed, "city/gateway:1.0.0": [BASE, NODE]},
    )
    layers = {x.diff_id: x for i in inspect(after).images for x in i.layers}
    sizes = {
        name: [layers[digest.of_bytes(x)] for x in wanted]
        for name, wanted in (("s1", changed[2:]), ("s2", [BASE, NODE]))
    }
    for server in compare(before, after).servers:
        expected = sizes[server.server]
        assert server.layers == len(expected)
        assert server.packed_bytes == sum(x.packed_bytes for x in expected)
        assert server.size_bytes == sum(x.size_bytes for x in expected)
        documents = compare(after, after).servers[0].documents_bytes
        assert server.documents_bytes > documents == 0


def test_own_and_shared_bytes_of_the_apps_add_up_to_the_layers(bundle: Maker) -> None:
    summary = inspect(bundle(APPS, IMAGES))
    laksa, gateway = sorted(summary.apps, key=lambda a: a.app == "gateway")
    assert laksa.shared_bytes == gateway.shared_bytes == len(BASE)
    assert (laksa.own_bytes, gateway.own_bytes) == (len(PYTHON) + len(CODE), len(NODE))
    own = sum(a.own_packed_bytes for a in summary.apps)
    assert own + laksa.shared_packed_bytes == summary.packed_bytes
