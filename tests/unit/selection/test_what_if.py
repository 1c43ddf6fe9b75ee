"""What if: the changes are read exactly, and the answer is that of the changed profile."""

from __future__ import annotations

import pytest
from selection_world import TODAY, app, catalogue, pemda, server

from smartcity_pkg.core.errors import NothingFitsError, UsageError
from smartcity_pkg.selection import select
from smartcity_pkg.selection.what_if import Change, changed, compare, parse

APPS = catalogue(
    app("one", benefit=30, memory=1000),
    app("two", benefit=20, memory=1200, staff={"linux": 0.5}),
    app("three", benefit=10, memory=1000, bandwidth=5000),
)
PROFILE = pemda(server("app1", 1024), server("app2", 512), staff={"linux": 0.25}, link_mbps=4)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("memory=+16GiB", Change("memory", 16)),
        ("memory=+512MiB", Change("memory", 0.5)),
        ("memory=-2", Change("memory", -2)),
        ("cpus=+4", Change("cpus", 4)),
        ("disk=+1.5TiB", Change("disk", 1536)),
        ("bandwidth=+20Mbps", Change("bandwidth", 20)),
        ("bandwidth=-500kbps", Change("bandwidth", -0.5)),
        ("budget=+50000000", Change("budget", 50_000_000)),
        ("staff.linux=+0.5", Change("staff", 0.5, skill="linux")),
        ("server.app-2.memory=+8GiB", Change("memory", 8, server="app-2")),
    ],
)
def test_a_change_is_read_in_the_profiles_units(text: str, change: Change) -> None:
    assert parse(text) == (change,)
    assert parse(f"{text}, cpus=+1") == (change, Change("cpus", 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "memory=16GiB",
        "memory=+16Mbps",
        "memory=+GiB",
        "staff=+1",
        "staff.=+1",
        "memory.x=+1",
        "server.app1.bandwidth=+1",
        "server.memory=+1",
        "cpus=+1,",
        "cpus=+1e9",
        "cpus=+nan",
        "colour=+1",
    ],
)
def test_what_cannot_be_read_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "memory=+16GiB" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server.nosuch.memory=+1", "no server called nosuch"),
        ("server.app1.memory=-99", "servers.0.memory_gib"),
        ("staff.linux=-1", "staff.linux"),
        ("bandwidth=-4", "link_mbps"),
        ("budget=+1", "sets no limit to the budget"),
    ],
)
def test_a_change_that_the_profile_cannot_take_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        compare(APPS, PROFILE, parse(text), today=TODAY)


def test_the_answer_is_that_of_the_changed_profile() -> None:
    changes = parse("server.app2.memory=+1GiB,staff.linux=+0.25,bandwidth=+2Mbps")
    answer = compare(APPS, PROFILE, changes, today=TODAY)
    bigger = PROFILE.model_copy(
        update={
            "servers": (
                PROFILE.servers[0],
                PROFILE.servers[1].model_copy(
                    update={"memory_gib": PROFILE.servers[1].memory_gib + 1}
                ),
            ),
            "staff": {"linux": 0.5},
            "link_mbps": 6.0,
        }
    )
    assert answer.before == select(APPS, PROFILE, today=TODAY)
    assert answer.after == select(APPS, bigger, today=TODAY)
    assert (answer.before.benefit, answer.after.benefit, answer.server) == (30, 50, "")


def test_an_open_change_goes_to_the_server_where_it_brings_most() -> None:
    changes = parse("memory=+700MiB,staff.linux=+0.25")
    answer = compare(APPS, PROFILE, changes, today=TODAY)
    assert (answer.server, answer.after.benefit) == ("app2", 50)
    best = max(
        select(APPS, changed(PROFILE, changes, name), today=TODAY).benefit
        for name in ("app1", "app2")
    )
    assert answer.after.benefit == best


def test_less_than_the_must_haves_need_says_what_lacks() -> None:
    profile = pemda(server("app1", 1024), must=("one",))
    with pytest.raises(NothingFitsError, match="lacks"):
        compare(APPS, profile, parse("memory=-0.5GiB"), today=TODAY)
