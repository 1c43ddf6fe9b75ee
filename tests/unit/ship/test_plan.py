from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ship_world import SERVER, facts, pack

from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import DiskFullError, UntrustedBundleError
from smartcity_pkg.ship.plan import MARGIN_BYTES, SMALL_BYTES, TransferPlan, plan_transfer

BASE, DEPS, APP, OTHER = (name * 3000 for name in (b"base", b"deps", b"app1", b"other"))
IDS = {raw: digest.of_bytes(raw) for raw in (BASE, DEPS, APP, OTHER)}
LAKSA = {"laksa:1": (BASE, DEPS, APP)}


def where(plan: TransferPlan) -> dict[str, str]:
    return {b.content: b.where for b in plan.blobs if b.is_layer}


def test_an_empty_server_gets_everything_once() -> None:
    _bundle, contents = pack({"a:1": (BASE, APP), "b:1": (BASE, OTHER)})
    plan = plan_transfer(contents, SERVER, facts())
    assert [b.content for b in plan.to_send] == [IDS[BASE], IDS[APP], IDS[OTHER]]
    assert {b.digest for b in plan.small} == {b.digest for b in contents.small_blobs}
    wire = sum(layer.blob.size_bytes for layer in contents.layers.values())
    assert plan.total_bytes == wire + sum(b.size_bytes for b in contents.small_blobs)
    assert plan.saved_bytes == 0


def test_what_the_store_holds_is_not_sent() -> None:
    _bundle, contents = pack(LAKSA)
    held = {IDS[BASE]: len(BASE), **{b.digest: b.size_bytes for b in contents.small_blobs}}
    plan = plan_transfer(contents, SERVER, facts(blobs=held))
    assert where(plan) == {IDS[BASE]: "store", IDS[DEPS]: "wire", IDS[APP]: "wire"}
    assert plan.small == ()


def test_a_file_of_another_size_is_not_the_content() -> None:
    _bundle, contents = pack(LAKSA)
    held = {IDS[BASE]: len(BASE) - 1, contents.root_digest: 1}
    plan = plan_transfer(contents, SERVER, facts(blobs=held))
    assert where(plan)[IDS[BASE]] == "wire"
    assert contents.root_digest in {b.digest for b in plan.small}


def test_only_changed_layers_of_an_upgrade_travel() -> None:
    _bundle, contents = pack(LAKSA)
    old = (IDS[BASE], IDS[DEPS], IDS[OTHER])
    plan = plan_transfer(contents, SERVER, facts(chains=[old]))
    assert where(plan) == {IDS[BASE]: "engine", IDS[DEPS]: "engine", IDS[APP]: "wire"}


def test_overlay2_knows_a_layer_only_on_its_own_parent() -> None:
    _bundle, contents = pack(LAKSA)
    plan = plan_transfer(contents, SERVER, facts(chains=[(IDS[OTHER], IDS[DEPS], IDS[APP])]))
    assert set(where(plan).values()) == {"wire"}


def test_a_layer_that_one_of_two_images_lacks_travels() -> None:
    _bundle, contents = pack({"a:1": (BASE, APP), "b:1": (DEPS, APP)})
    plan = plan_transfer(contents, SERVER, facts(chains=[(IDS[BASE], IDS[APP])]))
    assert where(plan) == {IDS[BASE]: "engine", IDS[APP]: "wire", IDS[DEPS]: "wire"}


@pytest.mark.parametrize("prefix", ["", "docker.io/", "docker.io/library/"])
def test_containerd_spares_only_an_image_that_is_there_whole(prefix: str) -> None:
    _bundle, contents = pack(LAKSA)
    chain = (IDS[BASE], IDS[DEPS], IDS[APP])
    mine = prefix + contents.release.images[0].reference
    whole = facts(chains=[chain], tags={0: mine}, containerd=True)
    assert set(where(plan_transfer(contents, SERVER, whole)).values()) == {"engine"}
    for other in (
        facts(chains=[chain], tags={0: "laksa:1"}, containerd=True),
        facts(chains=[chain[:2]], tags={0: mine}, containerd=True),
    ):
        assert set(where(plan_transfer(contents, SERVER, other)).values()) == {"wire"}


def test_an_engine_in_doubt_is_not_counted_on() -> None:
    _bundle, contents = pack(LAKSA)
    server = facts(chains=[(IDS[BASE], IDS[DEPS], IDS[APP])])
    plan = plan_transfer(contents, SERVER, server, trust_engine=False)
    assert set(where(plan).values()) == {"wire"}


def test_without_zstd_there_layers_travel_as_gzip() -> None:
    _bundle, contents = pack(LAKSA)
    plan = plan_transfer(contents, SERVER, facts(tools=("gzip", "tar")))
    assert {(b.encoding, b.wire_digest) for b in plan.to_send} == {("gzip", None)}
    with_zstd = plan_transfer(contents, SERVER, facts())
    assert not {b.part for b in plan.to_send} & {b.part for b in with_zstd.to_send}


def test_a_large_document_travels_resumably() -> None:
    large = bytes(SMALL_BYTES + 1)
    _bundle, contents = pack(LAKSA, documents=[large])
    plan = plan_transfer(contents, SERVER, facts())
    (blob,) = (b for b in plan.to_send if not b.is_layer)
    assert (blob.content, blob.encoding) == (digest.of_bytes(large), "none")
    assert blob.content not in {b.digest for b in plan.small}


def test_a_server_without_part_in_the_release_gets_documents_only() -> None:
    _bundle, contents = pack(LAKSA)
    assert plan_transfer(contents, "lain", facts()).to_send == ()


def test_a_bundle_without_a_layer_of_its_release_is_refused() -> None:
    _bundle, contents = pack(LAKSA)
    del contents.layers[IDS[DEPS]]
    with pytest.raises(UntrustedBundleError):
        plan_transfer(contents, SERVER, facts())


class TestRoom:
    RAW = len(BASE) + len(DEPS) + len(APP)

    @pytest.mark.parametrize(
        ("disk", "fits"),
        [
            ({"store_free": 10 * RAW + MARGIN_BYTES}, True),
            ({"store_free": RAW + MARGIN_BYTES}, False),
            ({"store_free": MARGIN_BYTES, "one_disk": False}, False),
            ({"engine_free": MARGIN_BYTES + RAW, "one_disk": False}, False),
            ({"engine_free": MARGIN_BYTES + 2 * RAW, "one_disk": False}, True),
        ],
    )
    def test_disks_that_cannot_take_it_are_refused(self, disk: dict[str, int], fits: bool) -> None:
        _bundle, contents = pack(LAKSA)
        if fits:
            plan_transfer(contents, SERVER, facts(**disk))
            return
        with pytest.raises(DiskFullError) as caught:
            plan_transfer(contents, SERVER, facts(**disk))
        assert "nothing was sent" in caught.value.hint

    def test_a_full_disk_does_not_matter_when_nothing_is_to_be_sent(self) -> None:
        _bundle, contents = pack(LAKSA)
        held = {b.digest: b.size_bytes for b in contents.small_blobs}
        server = facts(
            blobs=held,
            chains=[(IDS[BASE], IDS[DEPS], IDS[APP])],
            store_free=0,
            offers=[contents.release.name],
        )
        assert plan_transfer(contents, SERVER, server).nothing_to_do


RAWS = [bytes([n]) * (n + 1) for n in range(8)]
CHAIN = st.lists(st.sampled_from(RAWS), min_size=1, max_size=5, unique=True)
NAMED = {digest.of_bytes(raw): raw for raw in RAWS}


@given(
    images=st.lists(CHAIN, min_size=1, max_size=4),
    engine=st.lists(CHAIN, max_size=4),
    stored=st.sets(st.sampled_from(RAWS)),
    containerd=st.booleans(),
)
def test_every_needed_layer_is_there_or_sent_exactly_once(
    images: list[list[bytes]], engine: list[list[bytes]], stored: set[bytes], containerd: bool
) -> None:
    _bundle, contents = pack({f"app{n}:1": chain for n, chain in enumerate(images)})
    chains = [[digest.of_bytes(raw) for raw in chain] for chain in engine]
    server = facts(
        blobs={digest.of_bytes(raw): len(raw) for raw in stored},
        chains=chains,
        containerd=containerd,
    )
    plan = plan_transfer(contents, SERVER, server)
    decided = [b.content for b in plan.blobs]
    needed = {digest.of_bytes(raw) for chain in images for raw in chain}
    assert len(decided) == len(set(decided))
    assert set(decided) == needed
    sent = {b.content for b in plan.to_send}
    for image in contents.release.images:
        for depth, diff_id in enumerate(image.diff_ids, 1):
            held = NAMED[diff_id] in stored or (
                not containerd and any(tuple(c[:depth]) == image.diff_ids[:depth] for c in chains)
            )
            assert held or diff_id in sent
    assert plan.total_bytes + plan.saved_bytes == sum(
        contents.layers[d].blob.size_bytes for d in needed
    ) + sum(b.size_bytes for b in contents.small_blobs)
