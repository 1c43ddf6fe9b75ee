"""Bundles that build upon what servers have: packed, read, refused, and shipped."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from bundle_world import FILES, Keys, grant_bytes, layer, plan, write_layout
from ship_world import facts

from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.differential import Base
from smartcity_pkg.bundle.inspect import inspect
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
from smartcity_pkg.bundle.patch.book import layers_at
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.catalogue.release import ReleaseApp, pinned
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import PreflightError, UntrustedBundleError
from smartcity_pkg.ship.plan import plan_transfer

SERVER = "server-1"
FILES_OF_APP = {f"app/{n}.py": random.Random(n).randbytes(3000) for n in range(60)}
BASE = layer({"base": random.Random(99).randbytes(50_000)})
OLD, NEW = layer(FILES_OF_APP), layer({**FILES_OF_APP, "app/7.py": b"new"})
SMALL = layer({"small": b"new"})
IDS = {name: digest.of_bytes(raw) for name, raw in
       {"base": BASE, "old": OLD, "new": NEW, "small": SMALL}.items()}  # fmt: skip


def packed(
    folder: Path, keys: Keys, layers: Sequence[bytes], name: str, base: Base | None = None
) -> BundleContents:
    """A release of one image for one server, packed to `folder`/`name`."""
    source = layout_source(write_layout(folder / f"source-{name}", {"laksa:1": list(layers)}))
    cache = folder / "cache"
    images = resolve_images(source, ["laksa:1"], cache)
    reference = pinned("laksa:1", images["laksa:1"].config_digest)
    app = ReleaseApp(
        app="laksa", version="1.0.0", server=SERVER, project="laksa", compose_files=(),
        env_file="env", services=("web",), images=(reference,), networks=(),
        config_digest=digest.of_bytes(b""),
    )  # fmt: skip
    request = PackRequest(
        plan=plan(), serial=1, files=FILES, apps=(app,), images=images, source=source,
        cache=cache, signing_key=keys.signing, grant=grant_bytes(keys.signing),
        output=folder / name, base=base,
    )  # fmt: skip
    return pack(request).contents


@pytest.fixture
def since(tmp_path: Path, keys: Keys) -> Base:
    """What the server has of an older release, whose bundle is at hand."""
    packed(tmp_path, keys, (BASE, OLD), "old.tar")
    held = {SERVER: frozenset({IDS["base"], IDS["old"]})}
    return Base(held, (layers_at(tmp_path / "old.tar"),))


@pytest.mark.parametrize("name", ["new.tar", "new"])
def test_only_what_servers_lack_is_packed(
    tmp_path: Path, keys: Keys, since: Base, name: str
) -> None:
    contents = packed(tmp_path, keys, (BASE, NEW, SMALL), name, since)
    whole = packed(tmp_path, keys, (BASE, NEW, SMALL), f"whole-{name}")
    assert contents.release == whole.release
    layers = contents.layers
    assert layers[IDS["base"]].held
    assert layers[IDS["new"]].old == IDS["old"]
    assert layers[IDS["small"]].whole
    assert verify(tmp_path / name, keys.trusted) == contents
    assert inspect(tmp_path / name).packed_bytes < 5_000
    assert contents.differential
    assert not whole.differential


def test_the_same_base_gives_the_same_bytes(tmp_path: Path, keys: Keys, since: Base) -> None:
    digests = {packed(tmp_path, keys, (BASE, NEW), f"{n}.tar", since).root_digest for n in range(2)}
    assert len(digests) == 1


def test_a_base_without_the_bytes_here_gives_no_patch(tmp_path: Path, keys: Keys) -> None:
    held = {SERVER: frozenset({IDS["base"], IDS["old"]})}
    contents = packed(tmp_path, keys, (BASE, NEW), "new.tar", Base(held))
    assert contents.layers[IDS["new"]].whole
    assert contents.layers[IDS["base"]].held


def test_what_nobody_has_makes_a_whole_bundle(tmp_path: Path, keys: Keys) -> None:
    contents = packed(tmp_path, keys, (BASE, NEW), "new.tar", Base({SERVER: frozenset()}))
    assert not contents.differential
    assert verify(tmp_path / "new.tar", keys.trusted) == contents


def test_a_changed_patch_is_refused(tmp_path: Path, keys: Keys, since: Base) -> None:
    contents = packed(tmp_path, keys, (BASE, NEW), "new", since)
    path = tmp_path / "new/blobs/sha256" / digest.hex_of(contents.layers[IDS["new"]].blob.digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UntrustedBundleError):
        verify(tmp_path / "new", keys.trusted)


class TestShipping:
    """What such a bundle asks of a server."""

    @pytest.fixture
    def contents(self, tmp_path: Path, keys: Keys, since: Base) -> BundleContents:
        return packed(tmp_path, keys, (BASE, NEW), "new.tar", since)

    def where(self, contents: BundleContents, **server: object) -> Mapping[str, str]:
        plan = plan_transfer(contents, SERVER, facts(**server))  # type: ignore[arg-type]
        return {b.content: f"{b.where} {b.encoding}" for b in plan.blobs}

    def test_what_was_left_out_is_in_the_engine_and_the_patch_travels(
        self, contents: BundleContents
    ) -> None:
        server = facts(chains=[(IDS["base"], IDS["old"])])
        made = plan_transfer(contents, SERVER, server)
        assert [b.where for b in made.blobs] == ["engine", "wire"]
        assert [b.old for b in made.to_send] == [IDS["old"]]
        assert [r.layers for r in made.recoveries] == [(IDS["old"],)]

    def test_a_layer_on_another_parent_is_brought_out_of_the_engine(
        self, contents: BundleContents
    ) -> None:
        found = self.where(contents, chains=[(IDS["old"], IDS["base"])])
        assert found[IDS["base"]] == "recovered zstd"

    def test_what_is_in_the_store_is_enough(self, contents: BundleContents) -> None:
        found = self.where(contents, blobs={IDS["base"]: len(BASE), IDS["old"]: len(OLD)})
        assert found == {IDS["base"]: "store zstd", IDS["new"]: "wire patch"}

    @pytest.mark.parametrize("chain", [(), (IDS["base"],), (IDS["old"],)])
    def test_a_server_without_the_base_refuses(
        self, contents: BundleContents, chain: tuple[str, ...]
    ) -> None:
        with pytest.raises(PreflightError, match="laksa:1") as refused:
            plan_transfer(contents, SERVER, facts(chains=[chain]))
        assert "--since" in refused.value.hint

    def test_a_base_that_the_engine_cannot_give_back_is_missing(
        self, contents: BundleContents
    ) -> None:
        server = facts(chains=[(IDS["base"], IDS["old"])])
        with pytest.raises(PreflightError):
            plan_transfer(contents, SERVER, server, lost={IDS["old"]})

    def test_a_server_without_zstd_refuses(self, contents: BundleContents) -> None:
        server = facts(chains=[(IDS["base"], IDS["old"])], tools=["gzip", "tar"])
        with pytest.raises(PreflightError, match="zstd"):
            plan_transfer(contents, SERVER, server)


def test_several_servers_share_only_what_all_have(tmp_path: Path, keys: Keys, since: Base) -> None:
    other = Base({SERVER: since.held[SERVER] - {IDS["base"]}}, since.sources)
    contents = packed(tmp_path, keys, (BASE, NEW), "new.tar", other)
    assert contents.layers[IDS["base"]].whole
    with open_bundle(tmp_path / "new.tar") as bundle:
        assert contents.layers[IDS["base"]].blob.digest in bundle.blobs
    assert contents.layers[IDS["new"]].old == IDS["old"]
