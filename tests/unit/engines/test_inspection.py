"""What `docker inspect` prints, as values; and which layers an engine lacks."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.engines.inspection import absent_layers, container_states


def entry(**changes: Any) -> dict[str, Any]:
    """One container as Docker 26 prints it, cut to what matters."""
    found: dict[str, Any] = {
        "Id": "c1",
        "Image": "sha256:1",
        "RestartCount": 0,
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {
            "Image": "laksa:1",
            "Labels": {
                "com.docker.compose.project": "smartcity-laksa",
                "com.docker.compose.service": "web",
                "com.docker.compose.project.config_files": "/r/a.yaml,/r/b.yaml",
            },
        },
    }
    found["State"].update(changes.pop("State", {}))
    found["Config"].update(changes.pop("Config", {}))
    return {**found, **changes}


def states(*entries: dict[str, Any]) -> Any:
    return container_states(json.dumps(entries))


def test_a_container_without_health_check_has_no_health() -> None:
    [state] = states(entry())
    assert (state.health, state.health_output, state.patience_s) == ("", "", 0.0)
    assert (state.project, state.service) == ("smartcity-laksa", "web")
    assert state.files == ("/r/a.yaml", "/r/b.yaml")
    assert state.running


def test_a_disabled_health_check_counts_as_none() -> None:
    [state] = states(entry(State={"Health": {"Status": "none", "Log": None}}))
    assert state.health == ""


def test_health_and_its_last_words_are_read() -> None:
    health = {"Status": "unhealthy", "Log": [{"Output": "old"}, {"Output": "  no route\n"}]}
    [state] = states(entry(State={"Health": health}))
    assert (state.health, state.health_output) == ("unhealthy", "no route")


def test_patience_is_start_period_and_all_retries() -> None:
    check = {"Test": ["CMD", "x"], "Interval": 5 * 10**9, "Timeout": 2 * 10**9, "Retries": 3,
             "StartPeriod": 15 * 10**9}  # fmt: skip
    [state] = states(entry(Config={"Healthcheck": check}))
    assert state.patience_s == 15 + 3 * (5 + 2)


def test_patience_without_numbers_uses_the_engine_defaults() -> None:
    [state] = states(entry(Config={"Healthcheck": {"Test": ["CMD", "x"]}}))
    assert state.patience_s == 3 * (30 + 30)


def test_containers_that_are_not_compose_ones_do_no_harm() -> None:
    [state] = states(entry(Config={"Labels": None}))
    assert (state.project, state.files) == ("", ())


def test_restarting_is_not_running() -> None:
    [state] = states(entry(State={"Status": "restarting"}))
    assert not state.running


def test_nothing_gives_nothing() -> None:
    assert container_states("[]") == container_states("") == ()


names = st.lists(st.sampled_from("abcdef"), max_size=5).map(tuple)


@given(wanted=names, stored=st.sets(st.sampled_from("abcdef")), held=st.lists(names, max_size=4))
def test_a_layer_is_at_hand_in_the_store_or_on_its_own_parents(
    wanted: tuple[str, ...], stored: set[str], held: list[tuple[str, ...]]
) -> None:
    absent = absent_layers(wanted, stored, held)
    longest = max(
        (n for n in range(len(wanted) + 1) if any(h[:n] == wanted[:n] for h in held)), default=0
    )
    assert set(absent) == {la for la in wanted[longest:] if la not in stored}


def test_the_same_layer_on_another_parent_does_not_count() -> None:
    assert absent_layers(("base2", "app"), ["base2"], [("base1", "app")]) == ("app",)
