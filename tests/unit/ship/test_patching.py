"""When a patch, or what the engine has, is worth its time."""

from __future__ import annotations

import dataclasses

import pytest
from ship_world import SERVER, facts, pack

from smartcity_pkg.bundle.contents import Blob
from smartcity_pkg.bundle.patch.book import Patch
from smartcity_pkg.bundle.patch.encode import MOST_CARE, SOME_CARE
from smartcity_pkg.core import digest
from smartcity_pkg.ship.patching import Option, care_for, with_options, worthwhile
from smartcity_pkg.ship.plan import PlannedBlob, TransferPlan, plan_transfer
from smartcity_pkg.ship.recovery import recoveries

MB = 1_000_000
OLD, NEW, BASE = (f"sha256:{letter * 64}" for letter in "abc")


def planned(content: str = NEW, wire_bytes: int = 10 * MB) -> PlannedBlob:
    return PlannedBlob(content, 3 * wire_bytes, content, "wire", "zstd", wire_bytes, content)


def patch(size_bytes: int, old: str = OLD, new: str = NEW) -> Patch:
    return Patch(old, new, Blob("sha256:" + "d" * 64, size_bytes, "x"))


def option(size_bytes: int, old: str = OLD) -> Option:
    return Option(planned(), old, size_bytes, patch(size_bytes, old))


@pytest.mark.parametrize(
    ("mbps", "worth"),
    [pytest.param(10.0, True, id="slow"), pytest.param(1000.0, False, id="fast")],
)
def test_a_base_in_the_store_pays_unless_the_link_is_fast(mbps: float, worth: bool) -> None:
    server = facts(blobs={OLD: 30 * MB})
    assert worthwhile([option(50_000)], server, {}, mbps) == ((option(50_000),) if worth else ())


def test_bringing_the_base_out_of_the_engine_must_pay_too() -> None:
    """10 MB take 8 s at 10 Mbit/s; saving 500 MB on the server takes 5 s, saving 5 GB takes 46."""
    server = facts(chains=[(BASE, OLD)])
    for size, worth in ((500 * MB, True), (5000 * MB, False)):
        assert bool(worthwhile([option(50_000)], server, {BASE: size}, 10.0)) is worth


def test_the_containerd_store_gives_layers_back_more_slowly() -> None:
    sizes = {BASE: 500 * MB}
    ((slow,), (quick,)) = (
        recoveries([OLD], facts(chains=[(BASE, OLD)], containerd=c), sizes) for c in (True, False)
    )
    assert slow.seconds > quick.seconds
    assert slow.layers == quick.layers == (OLD,)


def test_layers_of_one_image_share_the_price() -> None:
    """Neither is worth 9 s alone, both are."""
    server = facts(chains=[(BASE, OLD)])
    sizes = {BASE: 1000 * MB}
    one = Option(planned(NEW), OLD, 50_000, patch(50_000))
    two = dataclasses.replace(one, blob=planned("sha256:" + "e" * 64), old=BASE)
    assert worthwhile([one], server, sizes, 10.0) == ()
    assert len(worthwhile([one, two], server, sizes, 10.0)) == 2


def test_a_patch_as_large_as_the_layer_is_not_taken() -> None:
    server = facts(blobs={OLD: 30 * MB})
    assert worthwhile([option(10 * MB)], server, {}, 1.0) == ()


def test_the_fewest_and_then_the_smallest_images_are_saved() -> None:
    sizes = {BASE: 5 * MB, OLD: MB, NEW: 90 * MB}
    server = facts(chains=[(BASE, OLD), (BASE, OLD, NEW), (BASE,), (OLD,)], tags={0: "kecil:1"})
    (found,) = recoveries([BASE, OLD], server, sizes)
    assert (found.image, found.image_bytes) == ("kecil:1", 6 * MB)
    assert recoveries(["sha256:" + "9" * 64], server, sizes) == ()


def upgrade() -> tuple[TransferPlan, Option]:
    old, new = b"old" * 40_000, b"new" * 40_000
    _bundle, contents = pack({"laksa:1": (new,)})
    server = facts(chains=[(digest.of_bytes(old),)])
    plan = plan_transfer(contents, SERVER, server)
    (blob,) = plan.to_send
    made = patch(7, digest.of_bytes(old), blob.content)
    return plan, Option(blob, made.old, 7, made)


def test_a_patch_takes_the_place_of_its_layer() -> None:
    plan, option = upgrade()
    server = facts(chains=[(option.old,)])
    better = with_options(plan, [option], server, {})
    (blob,) = better.to_send
    assert (blob.encoding, blob.old, blob.wire_bytes) == ("patch", option.old, 7)
    assert better.bases == {option.old}
    assert [r.layers for r in better.recoveries] == [(option.old,)]
    assert better.patched_bytes == plan.to_send[0].wire_bytes - 7
    assert better.saved_bytes == plan.saved_bytes + better.patched_bytes
    assert blob.part != plan.to_send[0].part


def test_a_base_that_is_in_the_store_is_not_asked_for() -> None:
    plan, option = upgrade()
    server = facts(chains=[(option.old,)], blobs={option.old: 1})
    assert with_options(plan, [option], server, {}).recoveries == ()


def test_a_layer_that_the_engine_has_on_another_parent_does_not_travel() -> None:
    plan, option = upgrade()
    same = Option(option.blob, option.blob.content, 0)
    server = facts(chains=[(BASE, option.blob.content)])
    better = with_options(plan, [same], server, {})
    assert [b.where for b in better.blobs if b.is_layer] == ["recovered"]
    assert better.to_send == ()
    assert better.bases == frozenset()


def test_care_is_taken_where_the_link_leaves_time_for_it() -> None:
    assert care_for(1000.0) == care_for(50.0) == SOME_CARE
    assert SOME_CARE < care_for(10.0) < MOST_CARE
    assert care_for(2.0) == care_for(0.1) == MOST_CARE


def test_an_apps_code_is_patched_at_10_mbps() -> None:
    """8 MB packed, 36 MB opened, the base in the store: 6 s on the link, 3 s to make and apply."""
    blob = PlannedBlob(NEW, 36 * MB, NEW, "wire", "zstd", 8 * MB, NEW)
    server = facts(blobs={OLD: 36 * MB})
    assert worthwhile([Option(blob, OLD, 400_000)], server, {}, 10.0)
    assert not worthwhile([Option(blob, OLD, 400_000)], server, {}, 100.0)
