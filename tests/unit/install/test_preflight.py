from __future__ import annotations

import dataclasses
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from bundle_world import grant_bytes
from install_facts import AROUND, BAD, FACTS, GB, WARNED, around, container, facts
from install_world import PORT, SERVER, Draft, World

from smartcity_pkg.bundle.grant import Grant, parse
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import InputError, PreflightError, UsageError
from smartcity_pkg.hosts.facts import EngineImage, FileSystem
from smartcity_pkg.install.check import load, save
from smartcity_pkg.install.preflight import RULES, judge, judge_all, require
from smartcity_pkg.install.question import Question


def release(world: World, **changes: Any) -> Release:
    return world.bundle(dataclasses.replace(Draft(), **changes))[1].release


def question(world: World, **changes: Any) -> Question:
    files = world.files(Draft())
    made = Question(server=SERVER, release=release(world), facts=FACTS, clock_s=1010, files=files)
    made = dataclasses.replace(made, around=AROUND)
    return dataclasses.replace(made, **changes)


def test_a_good_server_passes_without_a_word(world: World) -> None:
    assert judge(question(world)) == ()


@pytest.mark.parametrize("name", BAD)
def test_a_server_that_cannot_carry_the_release_is_blocked(world: World, name: str) -> None:
    changes, rule, numbers = BAD[name]
    found = judge(question(world, **changes))
    assert [(f.rule, f.level) for f in found] == [(rule, "block")]
    assert all(number in found[0].text for number in numbers), found[0].text


def test_dockers_disk_must_take_the_missing_images_twice_and_containers(world: World) -> None:
    made = release(world)
    images = made.images_on(SERVER)
    layers = {la.diff_id: la.size_bytes for i in images for la in i.layers}
    containers = 16 * 2**20
    need = 2 * sum(layers.values()) + containers

    def verdict(free: int, held: tuple[str, ...] = ()) -> list[str]:
        have = (EngineImage("sha256:x", held, ()),)
        given = facts(engine_disk=FileSystem(2, free, GB), images=have)
        return [f.rule for f in judge(question(world, facts=given, missing=images))]

    assert verdict(need) == []
    assert verdict(need - 1) == ["disk"]
    assert verdict(containers, tuple(layers)) == [], "layers that are there need no room"
    assert verdict(containers - 1, tuple(layers)) == ["disk"]


def test_an_upgrade_counts_only_what_comes_in_addition(world: World) -> None:
    before = release(world, memory_mib=1000)
    after = release(world, serial=2, memory_mib=1100)
    tight = facts(memory_available_bytes=150 * 2**20)
    assert judge(question(world, release=after, before=before, facts=tight)) == ()
    [first] = judge(question(world, release=after, facts=tight))
    assert (first.rule, first.level) == ("memory", "warn")


@pytest.mark.parametrize("rule", WARNED)
def test_what_is_a_warning(world: World, rule: str) -> None:
    changes, told_only = WARNED[rule]
    [found] = judge(question(world, **changes))
    assert (found.rule, found.level, found.told_only) == (rule, "warn", told_only)
    assert found.hint


def test_our_own_containers_are_no_strangers(world: World) -> None:
    ours = container("smartcity-lapor-lapor-1", "smartcity-lapor", "1-abc", PORT)
    given = around(containers=(ours,), listening=frozenset({PORT}))
    assert judge(question(world, around=given)) == ()


def test_every_rule_has_its_say(world: World) -> None:
    assert [(f.rule, f.level) for f in judge_all(question(world))] == [
        (r.id, "pass") for r in RULES
    ]
    alone = judge_all(question(world, release=None, files=None))
    assert [f.rule for f in alone] == [r.id for r in RULES if not r.needs_release]


def test_saved_facts_are_judged_as_those_of_the_server(world: World, tmp_path: Path) -> None:
    asked = question(
        world,
        clock_s=10**6,
        before=release(world, serial=1),
        missing=release(world).images_on(SERVER),
        grant=grant_of(world),
        around=around(containers=(container("tua", "smartcity-lapor", "", 99),)),
    )
    save(tmp_path / "facts.json", asked)
    again = load(tmp_path / "facts.json")
    assert judge_all(again) == judge_all(asked)
    assert {f.rule for f in judge(again)} == {"clock", "leftovers", "agreement"}
    (tmp_path / "other.json").write_text('{"schema_version": 1}')
    with pytest.raises(InputError, match="no saved facts"):
        load(tmp_path / "other.json")


def test_a_wrong_clock_is_only_a_warning(world: World) -> None:
    [found] = judge(question(world, clock_s=1000 + 3600))
    assert (found.rule, found.level) == ("clock", "warn")
    assert "1 h 0 min" in found.text


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ("2019-12-31", "begins on 2020-01-01"),
        ("2020-01-01", ""),
        ("2026-06-30", ""),
        ("2026-07-01", "ended on 2026-06-30"),
    ],
)
def test_a_release_is_blocked_outside_of_its_agreements_days(
    world: World, today: str, said: str
) -> None:
    grant = grant_of(world)
    at = datetime.fromisoformat(f"{today}T12:00:00").timestamp()
    here = facts(clock_s=at)
    found = judge(question(world, grant=grant, clock_s=at, facts=here))
    assert [(f.rule, f.level) for f in found] == ([("agreement", "block")] if said else [])
    assert all(said in f.text and "smartcity grant new 32.15" in f.hint for f in found)


def test_what_runs_may_be_repaired_after_the_agreement_has_ended(world: World) -> None:
    at = datetime.fromisoformat("2030-01-01T12:00:00").timestamp()
    running = release(world)
    asked = question(
        world, grant=grant_of(world), clock_s=at, facts=facts(clock_s=at), before=running
    )
    [found] = judge(asked)
    assert (found.rule, found.level) == ("agreement", "warn")


def grant_of(world: World) -> Grant:
    """An agreement from 2020-01-01 until 2026-06-30."""
    return parse(grant_bytes(world.key, expires=date(2026, 6, 30)))[0]


def test_all_blocks_are_listed_at_once_with_their_cures(world: World) -> None:
    bad = facts(architecture="arm64", tools=frozenset())
    findings = judge(question(world, facts=bad, clock_s=9999))
    with pytest.raises(PreflightError) as refused:
        require(SERVER, findings)
    assert refused.value.message.count("\n- ") == 3
    assert "arm64" in refused.value.message
    assert "apt-get install" in refused.value.hint


def test_a_warning_stops_until_it_is_accepted_by_name(world: World) -> None:
    findings = judge(question(world, clock_s=9999))
    with pytest.raises(PreflightError) as refused:
        require(SERVER, findings)
    assert "--accept clock" in refused.value.hint
    with pytest.raises(PreflightError):
        require(SERVER, findings, {"memory"})
    [found] = require(SERVER, findings, {"clock"})
    assert "clock" in found.text


def test_what_is_only_told_does_not_stop(world: World) -> None:
    findings = judge(question(world, around=around(names={"kota.go.id": ()})))
    [found] = require(SERVER, findings)
    assert "kota.go.id" in found.text


def test_a_block_cannot_be_accepted_nor_a_rule_made_up(world: World) -> None:
    findings = judge(question(world, facts=facts(architecture="arm64")))
    with pytest.raises(PreflightError):
        require(SERVER, findings, {"architecture"})
    with pytest.raises(UsageError, match="cuaca"):
        require(SERVER, (), {"cuaca"})


def test_a_real_machine_can_be_asked(world: World, place: Any, tmp_path: Path) -> None:
    from smartcity_pkg.hosts.surroundings import gather_all

    given, surroundings = gather_all(place.host, place.store, ("localhost",))
    assert surroundings.names["localhost"]
    assert surroundings.listening
    assert surroundings.inodes.keys() >= {"store", "temporary"}
    found = judge(question(world, facts=given, around=surroundings))
    assert {f.rule for f in found} <= {
        *("clock", "memory", "disk", "architecture", "engine", "firewall", "zstd"),
    }
