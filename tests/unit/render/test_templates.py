"""What a template may do, and how its faults are told."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_world import Small

from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.render.templates import (
    MAX_OUTPUT_BYTES,
    read_shared_templates,
    render_template,
)

CONTEXT = {
    "app": {"name": "laksa"},
    "settings": {"port": 80, "nested": {"a": 1}},
    "apps": [{"name": "laksa"}],
    "date": datetime.date(2024, 5, 16),
}


def _problem(text: str, file: str = "bundles/laksa/templates/site.conf.j2") -> Problem:
    with pytest.raises(InputError) as caught:
        render_template(text, file, CONTEXT)
    (problem,) = caught.value.problems
    assert problem.file == file
    return problem


# text: (line, what the message says, what the hint says)
BAD_TEMPLATES = {
    "undefined name": ("a\nb {{ prot }}\n", 2, "undefined name “prot”", "there are: app, apps"),
    "misspelt name": ("{{ setings.port }}", 1, "undefined name “setings”", "mean “settings”?"),
    "undefined setting": (
        "\n\n{{ settings.prot }}",
        3,
        "undefined name “settings.prot”",
        "did you mean “port”?",
    ),
    "nested setting": ("{{ settings.nested.b }}", 1, "“settings.nested.b”", "there are: a"),
    "item of a list": (
        "{% for app in apps %}\n{{ app.titel }}\n{% endfor %}",
        2,
        "“apps.0.titel”",
        "there are: name",
    ),
    "undefined in a macro": (
        "{% macro m() %}\n\n{{ nowhere }}\n{% endmacro %}\n\n{{ m() }}",
        3,
        "“nowhere”",
        "",
    ),
    "undefined in a condition": ("\n{% if nowhere %}x{% endif %}", 2, "“nowhere”", ""),
    "undefined through tojson": ("\n{{ settings.nope | tojson }}", 2, "“settings.nope”", ""),
    "undefined inside a list through tojson": (
        "{{ [1, settings.nope] | tojson }}",
        1,
        "“settings.nope”",
        "",
    ),
    "undefined through a filter": ("{{ settings.nope | replace('a', 'b') | e }}", 1, "nope”", ""),
    "a date through tojson": ("\n{{ date | tojson }}", 2, "2024-05-16 cannot be", ""),
    "syntax": ("a\n{% if app %}\n", 2, "not a valid template", ""),
    "unknown filter": ("\n{{ app.name | random }}", 2, "No filter named 'random'", ""),
    "classes": ("{{ ''.__class__.__mro__ }}", 1, "what templates may not", "plain filters"),
    "subclasses": (
        "\n{{ ().__class__.__base__.__subclasses__() }}",
        2,
        "what templates may not",
        "",
    ),
    "globals of a function": (
        "{{ joiner.__init__.__globals__ }}",
        1,
        "what templates may not",
        "",
    ),
    "changing the context": ("{{ apps.append(1) }}", 1, "what templates may not", ""),
    "a giant string": ("{{ 'x' * 10000000000 }}", 1, "only numbers", ""),
    "a giant number": ("{{ 10 ** 10000000000 }}", 1, "exponent", ""),
    "a giant range": ("{% for i in range(1000000000) %}x{% endfor %}", 1, "Range too big", ""),
    "include": ("{% include '/etc/passwd' %}", 1, "the template fails", ""),
    "division by zero": ("\n{{ 1 / (settings.port - 80) }}", 2, "division by zero", ""),
    "a list as text": ("\n{{ apps }}", 2, "| tojson", ""),
    "true as text": ("{{ settings.port == 80 }}", 1, "| tojson", ""),
    "nothing as text": ("{{ none }}", 1, "| tojson", ""),
}


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_a_faulty_template_is_refused_with_file_and_line(name: str) -> None:
    text, line, said, hint = BAD_TEMPLATES[name]
    problem = _problem(text)
    assert said in problem.message
    assert problem.line == line
    assert hint in problem.hint


def test_output_without_end_is_cut_short() -> None:
    loop = "{% for i in range(9999) %}{% for j in range(9999) %}0123456789{% endfor %}{% endfor %}"
    assert str(MAX_OUTPUT_BYTES >> 10) in _problem(loop).message


def test_an_address_of_this_process_never_reaches_a_file() -> None:
    assert "every time" in _problem("{{ settings.get }}").message


def test_what_should_be_json_is_json() -> None:
    problem = _problem('{"a": 1,\n "b": {{ app.name }}}', "bundles/laksa/templates/app.json.j2")
    assert "not JSON" in problem.message
    assert '"b": laksa' in problem.message


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_tojson_gives_back_any_value(value: object) -> None:
    output = render_template("{{ v | tojson }}", "x.json.j2", {"v": {"z": value, "a": 1}})
    assert json.loads(output) == {"z": value, "a": 1}
    assert output.startswith(b'{"a"')


def test_a_missing_setting_says_where_to_add_it(small: Small) -> None:
    small.app(
        "laksa",
        spec={
            "settings": {"type": "object", "properties": {"declared": {"type": "string"}}},
            "files": [{"template": "a.conf.j2", "service": "web", "target": "/etc/a.conf"}],
        },
        templates={"a.conf.j2": "x\n{{ settings.limit }}\n"},
    )
    with pytest.raises(InputError) as caught:
        small.render()
    (problem,) = caught.value.problems
    assert str(problem) == "bundles/laksa/templates/a.conf.j2:2: undefined name “settings.limit”"
    assert "add the setting “limit” with a default" in problem.hint
    assert "bundles/laksa/compose.yaml" in problem.hint


def test_a_declared_setting_without_a_value_belongs_in_the_profile(small: Small) -> None:
    small.app(
        "laksa",
        spec={
            "settings": {"type": "object", "properties": {"limit": {"type": "integer"}}},
            "files": [{"template": "a.conf.j2", "service": "web", "target": "/etc/a.conf"}],
        },
        templates={"a.conf.j2": "{{ settings.limit }}"},
    )
    with pytest.raises(InputError) as caught:
        small.render()
    assert caught.value.hint == "set it in the profile: settings.apps.laksa.limit"
    rendered = small.render(settings={"laksa": {"limit": 7}})
    assert [c for p, c in rendered.files.items() if p.endswith("-a.conf")] == [b"7"]


def test_the_faults_of_all_templates_are_told_at_once(small: Small) -> None:
    for name in ("one", "two"):
        small.app(
            name,
            spec={"files": [{"template": "a.j2", "service": "web", "target": "/etc/a"}]},
            templates={"a.j2": "{{ nowhere }}"},
        )
    with pytest.raises(InputError) as caught:
        small.render()
    assert [p.file.split("/")[1] for p in caught.value.problems] == ["one", "two"]


def test_shared_templates_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "env.j2").write_text("A={{ app.name }}\n")
    (tmp_path / "notes.txt").write_text("not a template")
    assert read_shared_templates(tmp_path) == {"env.j2": "A={{ app.name }}\n"}
