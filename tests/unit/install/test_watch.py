"""Verdicts about apps from looks that are made up; real engines are in tests/install."""

from __future__ import annotations

import dataclasses
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.install.probe import Answer, Route
from smartcity_pkg.install.watch import Routes, Verdict, Watch, together

SETTLE_S, HEALTH_S, ROUTE_S = 5.0, 60.0, 60.0
PROJECT = "smartcity-laksa"
PAGE = Route("laksa", "/laksa/sehat", 80)
Look = tuple[float, list[ContainerState]]


def state(service: str = "web", **changes: Any) -> ContainerState:
    made = ContainerState(
        id=f"{service}-1",
        project=PROJECT,
        service=service,
        image="laksa:1",
        image_id="sha256:1",
        status="running",
        running=True,
        health="",
        health_output="",
        patience_s=0,
        start_period_s=0,
        exit_code=0,
        out_of_memory=False,
        restart_count=0,
        started_at="t0",
        files=(),
    )
    changed = dataclasses.replace(made, **changes)
    return dataclasses.replace(changed, running=changed.status == "running")


def crashed(times: int, **changes: Any) -> ContainerState:
    """A container that is about to be started again."""
    found = {"status": "restarting", "exit_code": 3, "restart_count": times, **changes}
    return state(**found, started_at=f"t{times}")


HEALTHY = state(health="healthy")


def watch(*services: str) -> Watch:
    return Watch("laksa", PROJECT, services or ("web",), settle_s=SETTLE_S, health_s=HEALTH_S)


def story(*looks: Look, services: tuple[str, ...] = ("web",)) -> Verdict:
    """The verdict after the last of several looks at given times; only the last may fail."""
    watching = watch(*services)
    verdict = Verdict()
    for now_s, states in looks:
        assert not verdict.failed, verdict.failed
        verdict = watching.judge(states, now_s)
    return verdict


# -- one service ----------------------------------------------------------------------------------


def test_a_healthy_container_is_well_since_it_was_first_seen_so() -> None:
    assert story((3, [HEALTHY])).well_since_s == 3
    assert story((0, [state(health="starting")]), (2, [HEALTHY]), (9, [HEALTHY])).well_since_s == 2


def test_a_starting_one_is_waited_for() -> None:
    verdict = story((0, [state(health="starting")]))
    assert not verdict.well
    assert not verdict.failed
    assert "starting" in verdict.waits_for


def test_an_engine_without_room_to_ask_is_told_apart() -> None:
    said = "OCI runtime exec failed: write /tmp/runc-process1: no space left on device"
    verdict = story((0, [state(health="unhealthy", health_output=said)]))
    assert said in verdict.failed
    assert "df -h" in verdict.hint
    assert not story((0, [state(health="unhealthy", health_output="refused")])).hint


def test_an_unhealthy_one_fails_with_what_its_check_said() -> None:
    verdict = story((0, [state(health="unhealthy", health_output="connection refused")]))
    assert "connection refused" in verdict.failed
    assert verdict.culprit is not None
    assert verdict.who == "laksa"


def test_without_a_check_it_must_stay_up_for_a_while_which_counts() -> None:
    assert not story((0, [state()])).well
    assert not story((0, [state()]), (SETTLE_S - 0.1, [state()])).well
    assert story((0, [state()]), (SETTLE_S, [state()])).well_since_s == 0


def test_a_restart_begins_the_settling_anew() -> None:
    again = state(restart_count=1, started_at="t1")
    assert not story((0, [state()]), (SETTLE_S, [again])).well
    settled = story((0, [state()]), (SETTLE_S, [again]), (2 * SETTLE_S, [again]))
    assert settled.well_since_s == SETTLE_S


def test_only_time_in_which_a_container_runs_settles_it() -> None:
    waiting, running = [state(status="created")], [state()]
    early = story((0, waiting), (2 * SETTLE_S, running))
    assert not early.well
    settled = story((0, waiting), (2 * SETTLE_S, running), (3 * SETTLE_S, running))
    assert settled.well_since_s == 2 * SETTLE_S


def test_a_restart_that_no_look_saw_begins_the_count_anew() -> None:
    again = state(health="healthy", restart_count=1, started_at="t1")
    assert story((0, [HEALTHY]), (4, [again])).well_since_s == 4
    by_hand = state(health="healthy", started_at="t1")
    assert story((0, [HEALTHY]), (4, [by_hand])).well_since_s == 4


def test_what_ends_for_good_is_seen_at_once_with_its_status() -> None:
    ended = story((0, [state()]), (4, [state(status="exited", exit_code=3)]))
    assert "status 3" in ended.failed
    assert story((0, [state(status="dead")])).failed


def test_dying_after_having_been_well_says_so() -> None:
    verdict = story((0, [HEALTHY]), (8, [state(status="exited", exit_code=4)]))
    assert "status 4" in verdict.failed
    assert "well for 8 s" in verdict.failed
    verdict = story((0, [HEALTHY]), (3, [state(health="unhealthy", health_output="no db")]))
    assert "no db" in verdict.failed
    assert "well for 3 s" in verdict.failed


def test_one_crash_is_forgiven_two_are_a_loop_whatever_it_is_now() -> None:
    assert not story((0, [crashed(1)])).failed
    for now in (crashed(2), state(restart_count=2, health="starting", started_at="t2")):
        verdict = story((0, [crashed(1)]), (40, [now]))
        assert "2 times in 40 s, status 3" in verdict.failed


def test_a_container_that_does_not_run_is_not_judged_by_its_health() -> None:
    """Docker calls it unhealthy then (seen on 26.1)."""
    again = crashed(1, health="unhealthy")
    verdict = story((0, [again]))
    assert not verdict.failed
    assert "restarting" in verdict.waits_for
    assert (
        "status 3" in story((0, [state(status="exited", exit_code=3, health="unhealthy")])).failed
    )


def test_in_the_start_period_more_crashes_are_forgiven_but_not_any_number() -> None:
    slow = [crashed(n, start_period_s=30) for n in range(6)]
    for n in range(5):
        assert not story(*((float(i), [slow[i]]) for i in range(n + 1))).failed
    assert story((0, [slow[0]]), (9, [slow[5]])).failed
    assert story((0, [slow[0]]), (31, [slow[2]])).failed, "after the start period two are too many"


def test_the_start_period_ends_with_the_first_health() -> None:
    good = state(health="healthy", start_period_s=30)
    looks = [(0.0, [good]), (1.0, [crashed(1, start_period_s=30)])]
    assert not story(*looks).failed
    assert story(*looks, (2, [crashed(2, start_period_s=30)])).failed


def test_memory_that_ran_out_fails_at_the_first_death_and_says_what_to_give() -> None:
    for dead in (
        crashed(0, out_of_memory=True),
        state(status="exited", exit_code=137, out_of_memory=True),
        state(restart_count=1, out_of_memory=True),
    ):
        verdict = story((0, [state(health="starting")]), (1, [dead]))
        assert "memory" in verdict.failed
        assert "deploy.resources.limits.memory" in verdict.hint
    # An old engine says the end first, and why only later.
    early = story((0, [state(status="exited", exit_code=137)]))
    assert "status 137" in early.failed
    assert "deploy.resources.limits.memory" in early.hint
    # One of its processes was killed; the app itself goes on, and its check decides.
    assert not story((0, [state(health="starting", out_of_memory=True)])).failed


def test_well_by_turns_is_recognised() -> None:
    def life(n: int) -> ContainerState:
        return state(health="healthy", started_at=f"t{n}")

    gone: list[ContainerState] = []
    looks = [(0.0, [life(0)]), (1.0, gone), (2.0, [life(1)]), (3.0, gone), (4.0, [life(2)])]
    assert story(*looks).well
    verdict = story(*looks, (5.0, [state(health="starting", started_at="t3")]))
    assert "3 times in 5 s" in verdict.failed


def test_waiting_ends_after_the_time_allowed_or_that_of_its_own_check() -> None:
    start = state(health="starting")
    assert not story((0, [start]), (HEALTH_S, [start])).failed
    assert "60 s" in story((0, [start]), (HEALTH_S + 1, [start])).failed
    slow = state(health="starting", patience_s=100)
    assert not story((0, [slow]), (109, [slow])).failed
    assert "110 s" in story((0, [slow]), (111, [slow])).failed
    assert "web" in story((0, []), (HEALTH_S + 1, [])).failed


def test_what_was_lost_is_waited_for_from_then_on() -> None:
    start = state(health="starting", started_at="t1", restart_count=1)
    assert not story((0, [HEALTHY]), (100, [start]), (100 + HEALTH_S, [start])).failed
    assert story((0, [HEALTHY]), (100, [start]), (101 + HEALTH_S, [start])).failed


def test_a_created_container_is_waited_for() -> None:
    assert not story((0, [state(status="created")])).failed


# -- apps -----------------------------------------------------------------------------------------


def test_a_missing_service_is_waited_for_by_name() -> None:
    verdict = story((0, [HEALTHY]), services=("web", "worker"))
    assert not verdict.well
    assert "worker" in verdict.waits_for


def test_one_failed_service_fails_the_app_whatever_the_others_do() -> None:
    states = [state("a", health="starting"), state("b", health="unhealthy")]
    assert story((0, states), services=("a", "b")).failed


def test_an_app_is_well_since_its_last_service_is() -> None:
    a, b = state("a", health="healthy"), state("b", health="healthy")
    late = state("b", health="starting")
    assert story((0, [a, late]), (7, [a, b]), services=("a", "b")).well_since_s == 7


def test_together_they_are_well_since_the_latest() -> None:
    assert together([]).well_since_s == 0
    assert together([Verdict(well_since_s=3), Verdict(well_since_s=9)]).well_since_s == 9
    assert together([Verdict(well_since_s=3), Verdict(waits_for="x")]).waits_for == "x"
    assert together([Verdict(waits_for="x"), Verdict(failed="y")]).failed == "y"


# -- routes ---------------------------------------------------------------------------------------


def answers(*said: tuple[float, int], routes: tuple[Route, ...] = (PAGE,)) -> Verdict:
    """The verdict after answers of `PAGE` at given times; only the last may fail."""
    seen = Routes(routes, ROUTE_S)
    verdict = Verdict()
    for now_s, status in said:
        assert not verdict.failed, verdict.failed
        seen.note(Answer(PAGE, status, "" if status else "no answer"), now_s)
        verdict = seen.judge(now_s)
    return verdict


def test_a_route_is_well_since_its_first_good_answer_without_a_break() -> None:
    assert answers((0, 502), (2, 200), (9, 200)).well_since_s == 2
    assert answers((0, 200), (2, 502), (3, 200)).well_since_s == 3
    assert Routes([], ROUTE_S).judge(0).well


def test_a_route_that_was_not_asked_is_waited_for() -> None:
    other = Route("surat", "/surat/sehat", 80)
    verdict = answers((0, 200), routes=(PAGE, other))
    assert not verdict.well
    assert verdict.who == "surat"


def test_a_gateway_that_does_not_reach_the_app_is_given_its_time() -> None:
    assert not answers((0, 502), (30, 0), (ROUTE_S, 502)).failed
    verdict = answers((0, 502), (30, 0), (ROUTE_S + 1, 502))
    assert "/laksa/sehat: status 502" in verdict.failed
    assert verdict.who == "laksa"


@pytest.mark.parametrize("status", [301, 403, 404])
def test_an_app_that_steadily_says_no_is_not_waited_for(status: int) -> None:
    assert not answers((0, status), (10, status)).failed
    assert str(status) in answers((0, status), (11, status)).failed
    assert not answers((0, status), (9, 502), (11, status), (20, status)).failed


def test_a_busy_entrance_takes_nothing_away_and_proves_nothing() -> None:
    assert answers((0, 200), (5, 429), (9, 429)).well_since_s == 0
    assert not answers((0, 429), (30, 429)).well
    assert answers((0, 429), (ROUTE_S + 1, 429)).failed


def test_a_route_that_answers_by_turns_is_recognised() -> None:
    looks = [(0, 200), (1, 502), (2, 200), (3, 502), (4, 200)]
    verdict = answers(*looks, (5, 502))
    assert "3 times in 5 s" in verdict.failed
    assert "502" in verdict.failed
    assert answers(*looks).well


def test_routes_of_apps_that_were_not_started_are_asked_until_they_answer() -> None:
    other = Route("surat", "/surat/sehat", 80)
    seen = Routes([PAGE, other], ROUTE_S)
    assert seen.to_ask(["laksa"]) == (PAGE, other)
    for route in (PAGE, other):
        seen.note(Answer(route, 200), 0)
    assert seen.to_ask(["laksa"]) == (PAGE,)
    assert seen.judge(100).well_since_s == 0


# -- whatever happens -----------------------------------------------------------------------------

healths = st.sampled_from(["", "starting", "healthy", "unhealthy"])
statuses = st.sampled_from(["created", "running", "restarting", "exited", "dead", "paused"])
anything = st.builds(
    state,
    health=healths,
    status=statuses,
    restart_count=st.integers(0, 3),
    started_at=st.sampled_from(["t0", "t1"]),
    id=st.sampled_from(["one", "two"]),
    out_of_memory=st.booleans(),
    start_period_s=st.sampled_from([0, 4]),
)
# Lives without what fails at once, so that stories grow long.
patient = st.builds(
    state,
    health=st.sampled_from(["", "starting", "healthy"]),
    status=st.sampled_from(["created", "running", "running", "running", "restarting"]),
    started_at=st.sampled_from(["t0", "t0", "t1"]),
)


def is_bad(look: ContainerState) -> bool:
    return not look.running or look.health in ("starting", "unhealthy")


@given(st.lists(anything, min_size=1, max_size=10))
def test_no_story_ends_well_while_the_last_look_is_not(looks: list[ContainerState]) -> None:
    watching = watch()
    for now_s, look in enumerate(looks):
        verdict = watching.judge([look], now_s)
        assert not (verdict.well and verdict.failed)
        if verdict.failed:
            return
        if is_bad(look):
            assert not verdict.well


@given(st.lists(anything | patient, min_size=1, max_size=20))
def test_well_since_means_no_bad_look_and_one_life_since(looks: list[ContainerState]) -> None:
    watching = watch()
    for now_s, look in enumerate(looks):
        verdict = watching.judge([look], now_s)
        if verdict.failed:
            return
        if verdict.well_since_s is not None:
            since = looks[int(verdict.well_since_s) : now_s + 1]
            assert not any(map(is_bad, since))
            assert len({(s.id, s.started_at, s.restart_count) for s in since}) == 1


@given(st.lists(st.one_of(patient, st.none()), min_size=1, max_size=8), st.integers(1, 8))
def test_no_flapping_is_watched_for_ever(looks: list[ContainerState | None], soak_s: int) -> None:
    """Whatever repeats itself: it stays well for the soak time, or fails."""
    watching = watch()
    longest = int(4 * (HEALTH_S + SETTLE_S + soak_s) + 60)
    for now_s, look in enumerate(islice(cycle(looks), longest)):
        verdict = watching.judge([look] if look else [], now_s)
        if verdict.failed or (verdict.well_since_s is not None and
                              now_s - verdict.well_since_s >= soak_s):  # fmt: skip
            return
    raise AssertionError(f"after {longest} s: {verdict}")


@given(st.lists(st.sampled_from([0, 200, 200, 404, 429, 502]), min_size=1, max_size=8))
def test_no_route_is_asked_for_ever(said: list[int]) -> None:
    seen = Routes([PAGE], ROUTE_S)
    for now_s, status in enumerate(islice(cycle(said), int(4 * ROUTE_S) + 60)):
        seen.note(Answer(PAGE, status), now_s)
        verdict = seen.judge(now_s)
        if verdict.failed or (verdict.well_since_s is not None and
                              now_s - verdict.well_since_s >= 20):  # fmt: skip
            return
    raise AssertionError(verdict)


@given(st.lists(anything, min_size=2, max_size=6), st.randoms())
def test_the_order_of_containers_and_other_apps_do_not_matter(
    looks: list[ContainerState], chance: Any
) -> None:
    one, other = watch("a", "b"), watch("a", "b")
    stranger = state(project="smartcity-other", service="a", health="unhealthy")
    for now_s, look in enumerate(looks):
        states = [dataclasses.replace(look, service="a"), state("b", health="healthy")]
        mixed = [*states, stranger]
        chance.shuffle(mixed)
        assert one.judge(states, now_s) == other.judge(mixed, now_s)
