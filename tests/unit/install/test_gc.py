"""What garbage collection plans: a pure function, and what it may never take."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from install_world import Draft, World

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.install.gc import FRESH_S, Holdings, kept_releases, plan

DAY = FRESH_S
DRAFTS = [
    Draft(serial=n, version=f"1.{n}.0", page=f"{n}", store_version=f"1.{(n + 1) // 2}.0")
    for n in range(1, 6)
]


@pytest.fixture(scope="module")
def releases(world: World) -> list[Release]:
    return [world.bundle(d)[1].release for d in DRAFTS]


def holdings(releases: list[Release], **changes: Any) -> Holdings:
    """The third runs, the second is before it, the fourth and fifth wait; all content is old."""
    names = [r.name for r in releases]
    documents = {n: frozenset({f"sha256:{i:064x}"}) for i, n in enumerate(names)}
    layers = {d for r in releases for i in r.images for d in i.diff_ids}
    contents = {
        *layers,
        *(r.files_digest for r in releases),
        *(d for s in documents.values() for d in s),
    }
    made = Holdings(
        current=names[2],
        previous=names[1],
        origins=frozenset({names[2]}),
        folders=dict.fromkeys(names[:3], 10),
        unpacked={r.name: r for r in releases[:3]},
        offers={r.name: (r, documents[r.name]) for r in releases},
        blobs=dict.fromkeys(contents, (DAY, 1)),
        parts={},
        tags=frozenset(i.reference for r in releases[:3] for i in r.images),
        in_use=frozenset(i.reference for i in releases[2].images),
        references=frozenset(i.reference for r in releases for i in r.images),
    )
    return dataclasses.replace(made, **changes)


def test_only_the_oldest_goes(releases: list[Release]) -> None:
    waste = plan(holdings(releases))
    oldest = releases[0]
    needed = {i.reference for r in releases[1:] for i in r.images}
    assert waste.folders == (oldest.name,)
    assert waste.offers == (oldest.name,)
    assert set(waste.images) == {i.reference for i in oldest.images} - needed
    assert oldest.files_digest in waste.blobs
    assert waste.images_bytes > 0


def test_what_waits_keeps_its_layers_and_what_runs_needs_none(releases: list[Release]) -> None:
    have = holdings(releases)
    gone = set(plan(have).blobs)
    absent = [i for r in releases[3:] for i in r.images if i.reference not in have.tags]
    waiting = {d for i in absent for d in i.diff_ids}
    assert waiting
    assert not gone & waiting
    assert not gone & {r.files_digest for r in releases[1:]}
    second_copies = {d for i in releases[2].images for d in i.diff_ids} - waiting
    assert second_copies <= gone


def test_young_content_that_nobody_names_waits_a_day(releases: list[Release]) -> None:
    stray = f"sha256:{'f' * 64}"
    have = holdings(releases)
    young = dataclasses.replace(
        have, blobs={**have.blobs, stray: (DAY - 1, 5)}, parts={"x.part": (DAY - 1, 5)}
    )
    assert stray not in plan(young).blobs
    assert plan(young).parts == ()
    assert stray in plan(young, fresh_s=0).blobs
    assert plan(young, fresh_s=0).parts == ("x.part",)


def test_after_an_uninstallation_everything_that_arrived_stays(releases: list[Release]) -> None:
    bare = holdings(
        releases, current="", previous="", origins=frozenset(), folders={}, unpacked={},
        tags=frozenset(), in_use=frozenset(),
    )  # fmt: skip
    assert plan(bare).nothing


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_that_may_start_is_ever_taken(releases: list[Release], data: st.DataObject) -> None:
    names = [r.name for r in releases]
    any_name = st.sampled_from([*names, ""])
    have = holdings(
        releases,
        current=data.draw(any_name),
        previous=data.draw(any_name),
        origins=frozenset(data.draw(st.sets(st.sampled_from(names)))),
    )
    for name in data.draw(st.sets(st.sampled_from(names))):
        have = dataclasses.replace(have, offers={**have.offers, name: None})
    waste, kept = plan(have, fresh_s=0), kept_releases(have)
    assert not set(waste.folders) & kept
    assert not set(waste.offers) & kept
    assert not set(waste.images) & have.in_use
    startable = [r for r in releases if r.name in {have.current, have.previous}]
    startable = [r for r in startable if r.name in have.unpacked or have.offers[r.name]]
    assert not set(waste.images) & {i.reference for r in startable for i in r.images}
    unreadable = [n for n in kept if n not in have.unpacked and not have.offers.get(n)]
    if unreadable or None in have.offers.values():
        assert waste.blobs == ()
    if unreadable:
        assert waste.images == ()
