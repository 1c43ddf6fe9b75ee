"""When a disk will be full, from samples that are made up."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from install_facts import FACTS, GB

from smartcity_pkg.hosts.facts import FileSystem
from smartcity_pkg.install.usage import Sample, disks, full_in_days, parse

DAY = 86_400
NOW = 400 * DAY


def nights(count: int, free: float, pace: float, noise: float = 0.0) -> list[Sample]:
    """`count` nights up to now, at the end of which `free` bytes are left."""
    chance = random.Random(count)
    return [
        Sample(
            NOW - n * DAY,
            {"store": int(free + pace * n + chance.uniform(-noise, noise))},
        )
        for n in reversed(range(count))
    ]


def test_a_steady_pace_is_gone_on_with() -> None:
    assert full_in_days(nights(30, 10 * GB, GB / 10), "store", 10 * GB, NOW) == pytest.approx(100)


def test_an_installations_jump_changes_little() -> None:
    samples = nights(30, 10 * GB, GB / 10)
    jump = [
        dataclasses.replace(s, free_bytes={"store": s.free_bytes["store"] + 20 * GB})
        for s in samples[:20]
    ]
    found = full_in_days([*jump, *samples[20:]], "store", 10 * GB, NOW)
    # The mean slope would say 13 days.
    assert found is not None
    assert 60 < found <= 100


def test_little_knowledge_is_none() -> None:
    assert full_in_days([], "store", GB, NOW) is None
    assert full_in_days(nights(7, GB, GB / 10), "store", GB, NOW) is None, "six days"
    assert full_in_days(nights(8, GB, GB / 10), "store", GB, NOW) is not None
    few = nights(30, GB, GB / 10)[::7]
    assert full_in_days(few, "store", GB, NOW) is None, "five samples"
    assert full_in_days(nights(30, GB, GB / 10), "engine", GB, NOW) is None


def test_what_is_older_than_the_window_does_not_count() -> None:
    old = [dataclasses.replace(s, at_s=s.at_s - 90 * DAY) for s in nights(30, GB, GB)]
    assert full_in_days(old, "store", GB, NOW) is None
    assert full_in_days([*old, *nights(30, 10 * GB, GB / 10)], "store", 10 * GB, NOW) == (
        pytest.approx(100)
    )


def test_a_disk_that_does_not_fill_has_no_day() -> None:
    assert full_in_days(nights(30, GB, 0), "store", GB, NOW) is None
    assert full_in_days(nights(30, GB, -GB), "store", GB, NOW) is None
    assert full_in_days(nights(30, GB, 100), "store", GB, NOW) is None, "beyond ten years"


@given(
    st.lists(
        st.builds(
            Sample,
            st.integers(0, 2 * NOW),
            st.dictionaries(st.sampled_from(["store", "engine"]), st.integers(0, 10**13)),
        ),
        max_size=30,
    ),
    st.integers(0, 10**13),
)
def test_no_samples_lead_to_a_day_in_the_past(samples: list[Sample], free: int) -> None:
    found = full_in_days(sorted(samples, key=lambda s: s.at_s), "store", free, NOW)
    assert found is None or 0 <= found < 3650


def test_lines_that_are_none_are_passed_by() -> None:
    text = "20 store=5 engine=7\n10 store=6\n\ntorn\n30 store=\n40\n50 store=-1\n60 store=x"
    assert parse(text) == (Sample(10, {"store": 6}), Sample(20, {"store": 5, "engine": 7}))


def test_one_disk_for_both_is_shown_once() -> None:
    [disk] = disks(FACTS, ())
    assert (disk.place, disk.free_bytes, disk.full_in_days) == ("store+engine", 100 * GB, None)
    apart = dataclasses.replace(FACTS, engine_disk=FileSystem(7, GB, 2 * GB))
    assert [d.place for d in disks(apart, ())] == ["store", "engine"]
    later = dataclasses.replace(apart, clock_s=NOW)
    store, engine = disks(later, nights(30, GB, GB))
    assert store.full_in_days == pytest.approx(100)
    assert engine.full_in_days is None
