"""A server remembers whose it is and how high it got: no mixing, no quiet way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from install_world import SERVER, Draft, World

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.watermark import History, Watermark, judge, raise_to, read


def release(world: World, serial: int, **changes: Any) -> Release:
    return world.bundle(dataclasses.replace(Draft(), serial=serial, **changes))[1].release


def verdict(made: Release, history: History, *, allow: bool = False) -> str:
    return judge(SERVER, made, history, allow_downgrade=allow)


def refusal(made: Release, history: History, *, allow: bool = False) -> str:
    with pytest.raises(UntrustedBundleError) as caught:
        verdict(made, history, allow=allow)
    assert caught.value.exit_code == 10
    assert caught.value.hint
    return caught.value.message


def test_a_new_server_takes_any_release(world: World) -> None:
    assert verdict(release(world, 7), History()) == ""


def test_a_higher_number_goes_on(world: World) -> None:
    history = History(Watermark.of(release(world, 2)), release(world, 2))
    assert verdict(release(world, 3), history) == ""
    assert verdict(release(world, 2), history) == ""


def test_a_lower_number_is_refused_unless_asked_for(world: World) -> None:
    two = release(world, 2)
    history = History(Watermark.of(two), two)
    said = refusal(release(world, 1), history)
    assert "number 1" in said and "older than 2" in said
    assert verdict(release(world, 1), history, allow=True) == two.name


def test_rolling_back_does_not_lower_the_mark(world: World) -> None:
    """After 1, 3, rollback to 1: 2 is still a step back, 1 may be repaired, 3 may return."""
    one, three = release(world, 1), release(world, 3)
    history = History(Watermark.of(three), one, (three,))
    refusal(release(world, 2), history)
    assert verdict(one, history) == ""
    assert verdict(three, history) == ""


def test_one_number_never_means_two_releases(world: World) -> None:
    mine, other = release(world, 2), release(world, 2, page="lain")
    for history in (
        History(Watermark.of(mine), mine),
        History(Watermark.of(mine)),
        History(Watermark.of(release(world, 3)), release(world, 3), (mine,)),
        History(None, mine),
    ):
        for allow in (False, True):
            said = refusal(other, history, allow=allow)
            assert mine.name in said and other.name in said


def test_another_pemdas_release_is_refused_whatever_is_allowed(world: World) -> None:
    mine, other = release(world, 1), release(world, 9, region="32.16")
    for history in (History(Watermark.of(mine), mine), History(Watermark.of(mine)),
                    History(None, mine)):  # fmt: skip
        said = refusal(other, history, allow=True)
        assert "32.15" in said and "32.16" in said


def test_before_there_was_a_mark_the_highest_release_counts(world: World) -> None:
    history = History(None, release(world, 1), (release(world, 3),))
    refusal(release(world, 2), history)


# -- on a server -----------------------------------------------------------------------------------


def test_the_mark_is_kept_and_only_raised(place: Place, world: World) -> None:
    assert read(place) is None
    two = release(world, 2)
    raise_to(place, two, None)
    assert read(place) == Watermark.of(two)
    raise_to(place, release(world, 1), read(place))
    assert read(place) == Watermark.of(two)
    raise_to(place, release(world, 3), read(place))
    found = read(place)
    assert found is not None and found.serial == 3
    assert Path(str(place.store.watermark)).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text", ["", "{}", "null", '{"serial": 0}', "\0", '{"schema_version": 2}', "[" * 5000]
)
def test_a_damaged_mark_is_not_taken_for_none(place: Place, world: World, text: str) -> None:
    raise_to(place, release(world, 2), None)
    Path(str(place.store.watermark)).write_text(text)
    with pytest.raises(UntrustedBundleError, match=r"watermark\.json is damaged"):
        read(place)
