"""How apps meet: networks and names, secrets, settings and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from render_world import Compose, Small

from smartcity_pkg.core.errors import InputError
from smartcity_pkg.render.envfile import env_value
from smartcity_pkg.render.render import Rendered

ROUTE = {"path": "/a/", "service": "web", "port": 8000, "health": "/a/healthz"}
NUMBER = {"type": "integer", "default": 5}


def _networks(rendered: Rendered, app: str) -> dict[str, Any]:
    second = yaml.safe_load(rendered.files[f"app-1/{app}/compose.smartcity.yaml"])
    return {name: service["networks"] for name, service in second["services"].items()}


def _refusal(small: Small, settings: dict[str, Any] | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        small.render(settings=settings)
    return caught.value


def test_an_app_alone_keeps_a_network_of_its_own(small: Small) -> None:
    small.app("lone")
    assert _networks(small.render(), "lone") == {"web": {"default": {}}}


def test_services_of_one_app_meet_before_they_meet_others(small: Small) -> None:
    """Docker resolves a name in the networks' alphabetical order."""
    small.app("db")
    small.app("pair", spec={"requires": [{"app": "db"}]}, services={"web": {}, "worker": {}})
    rendered = small.render()
    assert _networks(rendered, "pair") == {
        name: {"default": {}, "smartcity-db": {}} for name in ("web", "worker")
    }
    second = yaml.safe_load(rendered.files["app-1/pair/compose.smartcity.yaml"])
    names = [network["name"] for network in second["networks"].values()]
    assert names == sorted(names) == ["app-pair", "smartcity-db"]


def test_of_several_services_the_one_called_like_the_app_answers(small: Small) -> None:
    small.app("db", services={"db": {}, "exporter": {}})
    small.app("web", spec={"requires": [{"app": "db"}]}, services={"front": {}})
    networks = _networks(small.render(), "db")
    assert networks["db"]["smartcity-db"] == {"aliases": ["db"]}
    assert networks["exporter"]["smartcity-db"] == {}


def test_only_routed_services_meet_the_gateway(small: Small) -> None:
    small.app("gateway", services={"nginx": {"ports": ["80:8080"]}})
    small.app(
        "pair",
        spec={"requires": [{"app": "gateway"}], "routes": [ROUTE]},
        services={"web": {}, "worker": {}},
    )
    networks = _networks(small.render(), "pair")
    assert networks["web"]["smartcity-gateway"] == {"aliases": ["pair"]}
    assert networks["worker"] == {"default": {}}


def test_a_service_may_not_take_the_name_of_a_provider(small: Small) -> None:
    small.app("db")
    small.app("thief", spec={"requires": [{"app": "db"}]}, services={"db": {}})
    error = _refusal(small)
    assert "the service “db” of thief" in error.message
    assert error.problems[0].file == "bundles/thief/compose.yaml"


def test_routes_to_several_services_are_refused(small: Small) -> None:
    small.app(
        "two",
        spec={
            "routes": [ROUTE, {**ROUTE, "path": "/b/", "service": "api", "health": "/b/healthz"}]
        },
        services={"web": {}, "api": {}},
    )
    assert "api, web" in _refusal(small).message


def test_a_secret_that_two_users_read_is_refused(small: Small) -> None:
    services = {
        "web": {"user": "10001:10001", "secrets": ["key"]},
        "worker": {"user": "10002", "secrets": ["key"]},
    }
    small.app("pair", spec={"secrets": {"key": {}}}, services=services)
    assert "10001, 10002" in _refusal(small).message


def test_a_secret_that_a_provider_with_two_users_reads_is_refused(small: Small) -> None:
    small.app("db", services={"db": {"user": "10001"}, "exporter": {}})
    small.app(
        "web",
        spec={"secrets": {"key": {"share_with": ["db"]}}, "requires": [{"app": "db"}]},
        services={"front": {"secrets": ["key"]}},
    )
    assert "“web_key” of db is read by several users: 0, 10001" in _refusal(small).message


def test_a_providers_own_secret_may_not_be_called_like_a_shared_one(small: Small) -> None:
    small.app(
        "db",
        spec={"secrets": {"web_key": {}}},
        services={"db": {"secrets": ["web_key"]}},
    )
    small.app(
        "web",
        spec={"secrets": {"key": {"share_with": ["db"]}}, "requires": [{"app": "db"}]},
        services={"front": {"secrets": ["key"]}},
    )
    assert "“web_key” is also the one that web shares with db" in _refusal(small).message


def test_a_reader_of_secrets_needs_a_numeric_user(small: Small) -> None:
    services = {"web": {"user": "nobody", "secrets": ["key"]}}
    small.app("one", spec={"secrets": {"key": {}}}, services=services)
    assert "“nobody”" in _refusal(small).message


def test_a_secret_without_a_user_belongs_to_root(small: Small) -> None:
    small.app("one", spec={"secrets": {"key": {}}}, services={"web": {"secrets": ["key"]}})
    (app,) = small.render().apps
    assert [(s.source, s.path, s.uid) for s in app.secrets] == [("one/key", "one/key", 0)]


BAD_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"limitt": 5}, "limitt"),
    "text for a number": ({"limit": "5"}, "settings.apps.one.limit"),
    "too large": ({"limit": 50}, "at most 10"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_setting_that_breaks_the_schema_is_refused(small: Small, name: str) -> None:
    given_settings, said = BAD_SETTINGS[name]
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"limit": {**NUMBER, "maximum": 10}},
    }
    small.app("one", spec={"settings": schema})
    error = _refusal(small, settings={"one": given_settings})
    assert said in error.message
    assert "smartcity catalogue show one" in error.hint


def test_defaults_fill_what_the_profile_leaves_out(small: Small) -> None:
    inner = {"type": "object", "properties": {"limit": NUMBER, "name": {"type": "string"}}}
    small.app(
        "one",
        spec={
            "settings": {"type": "object", "properties": {"limit": NUMBER, "inner": inner}},
            "files": [{"template": "a.json.j2", "service": "web", "target": "/etc/a"}],
        },
        templates={"a.json.j2": "{{ settings | tojson }}"},
    )
    rendered = small.render(settings={"one": {"inner": {"name": "x"}}})
    (content,) = (c for p, c in rendered.files.items() if p.endswith("-a.json"))
    assert content == b'{"inner": {"limit": 5, "name": "x"}, "limit": 5}'


AWKWARD = {
    "plain": "abc-1.2/3:4",
    "empty": "",
    "spaces and hash": "  a # b ",
    "dollars": "$HOME ${HOME} $$",
    "double quotes": 'say "ya"',
    "single quotes": "it's $5",
    "both": 'it\'s "so" $x',
    "backslashes": r"C:\new\temp\$x",
    "ends in a backslash": "a b\\",
    "newlines": "one\ntwo\n",
    "escapes in a line": r"\n \t \" \\ 'x'",
    "other letters": "Jl. Ahmad Yani №1 — ✓",
    "looks like YAML": "{a: [b, &c *d]}: 'x",
}


def test_awkward_values_reach_compose_as_they_are(
    small: Small, compose: Compose, tmp_path: Path
) -> None:
    names = {f"value_{i}": text for i, text in enumerate(AWKWARD.values())}
    small.app(
        "one",
        spec={"settings": {"type": "object", "properties": {n: {"type": "string"} for n in names}}},
        services={"web": {"environment": {n: f"${{{n.upper()}}}" for n in names}}},
    )
    merged = compose.config(small.render(settings={"one": names}), tmp_path / "release")
    environment = merged["one"]["services"]["web"]["environment"]
    assert {n: t.replace("$$", "$") for n, t in environment.items()} == names


def test_only_variables_that_the_compose_file_asks_for_are_taken_from_settings(
    small: Small,
) -> None:
    properties = {
        "asked": {"type": "boolean", "default": True},
        "silent": {"type": "string", "default": "quiet"},
        "compose_file": {"type": "string", "default": "/etc/passwd"},
    }
    small.app(
        "one",
        spec={"settings": {"type": "object", "properties": properties}},
        services={"web": {"environment": {"A": "${ASKED}", "B": "${COMPOSE_FILE:-}"}}},
    )
    env = small.render().files["app-1/one/.env"].decode()
    assert "ASKED=true\n" in env
    assert "quiet" not in env
    assert "COMPOSE_FILE" not in env


def test_a_variable_that_nothing_fills_is_refused(small: Small) -> None:
    small.app("one", services={"web": {"environment": {"A": "${NOWHERE}", "B": "${OTHER:-x}"}}})
    error = _refusal(small)
    assert error.message == "bundles/one/compose.yaml: nothing fills the variable ${NOWHERE}"
    assert "setting “nowhere”" in error.hint


def test_a_control_character_is_refused(small: Small) -> None:
    schema = {"type": "object", "properties": {"bell": {"type": "string"}}}
    services = {"web": {"environment": {"BELL": "${BELL}"}}}
    small.app("one", spec={"settings": schema}, services=services)
    assert "control character" in _refusal(small, settings={"one": {"bell": "\a"}}).message


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"])))
def test_an_env_value_is_one_line(text: str) -> None:
    assert len(f"A={env_value(text)}".split("\n")) == 1
