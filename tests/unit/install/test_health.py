from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.install.health import Verdict, Watch

SETTLE_S = 5.0


def state(service: str = "web", **changes: Any) -> ContainerState:
    made = ContainerState(
        id=f"{service}-1",
        project="smartcity-laksa",
        service=service,
        image="laksa:1",
        image_id="sha256:1",
        status="running",
        running=True,
        health="",
        health_output="",
        patience_s=0,
        exit_code=0,
        restart_count=0,
        started_at="t0",
        files=(),
    )
    changed = dataclasses.replace(made, **changes)
    return dataclasses.replace(changed, running=changed.status == "running")


def story(
    *looks: tuple[float, list[ContainerState]], services: tuple[str, ...] = ("web",)
) -> Verdict:
    """The verdict after the last of several looks at given times."""
    watch = Watch(services, SETTLE_S)
    verdict = Verdict()
    for now_s, states in looks:
        verdict = watch.judge(states, now_s)
    return verdict


def test_a_healthy_container_is_done_at_once() -> None:
    assert story((0, [state(health="healthy")])).done


def test_a_starting_one_is_waited_for() -> None:
    verdict = story((0, [state(health="starting")]))
    assert not verdict.done
    assert not verdict.failed
    assert "starting" in verdict.waits_for


def test_an_unhealthy_one_fails_with_what_its_check_said() -> None:
    verdict = story((0, [state(health="unhealthy", health_output="connection refused")]))
    assert "connection refused" in verdict.failed
    assert verdict.culprit is not None


def test_without_a_check_it_must_stay_up_for_a_while() -> None:
    assert not story((0, [state()])).done
    assert not story((0, [state()]), (SETTLE_S - 0.1, [state()])).done
    assert story((0, [state()]), (SETTLE_S, [state()])).done


def test_a_restart_begins_the_settling_anew() -> None:
    again = state(restart_count=1, started_at="t1")
    assert not story((0, [state()]), (SETTLE_S, [again])).done
    assert story((0, [state()]), (SETTLE_S, [again]), (2 * SETTLE_S, [again])).done


def test_a_crash_after_four_seconds_is_seen() -> None:
    verdict = story((0, [state()]), (4, [state(status="exited", exit_code=3)]))
    assert "3" in verdict.failed


def test_one_restart_is_forgiven_two_are_not() -> None:
    restarting = state(status="restarting", restart_count=1)
    assert not story((0, [restarting])).failed
    assert story((0, [state(restart_count=2, health="starting", exit_code=1)])).failed


def test_a_dead_container_fails() -> None:
    assert story((0, [state(status="dead")])).failed


def test_a_created_container_is_waited_for() -> None:
    assert not story((0, [state(status="created")])).failed


def test_a_missing_service_is_waited_for_by_name() -> None:
    verdict = story((0, [state(health="healthy")]), services=("web", "worker"))
    assert not verdict.done
    assert "worker" in verdict.waits_for


def test_one_failed_service_fails_the_app_whatever_the_others_do() -> None:
    states = [state("a", health="starting"), state("b", health="unhealthy")]
    assert story((0, states), services=("a", "b")).failed


healths = st.sampled_from(["", "starting", "healthy", "unhealthy"])
statuses = st.sampled_from(["created", "running", "restarting", "exited", "dead", "paused"])
anything = st.builds(state, health=healths, status=statuses, restart_count=st.integers(0, 3))


@given(st.lists(anything, min_size=1, max_size=10))
def test_no_history_is_done_while_the_last_look_is_not_well(looks: list[ContainerState]) -> None:
    verdict = story(*((float(i), [look]) for i, look in enumerate(looks)))
    last = looks[-1]
    if not last.running or last.health in ("starting", "unhealthy"):
        assert not verdict.done
    assert not (verdict.done and verdict.failed)
