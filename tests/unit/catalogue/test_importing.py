"""Any Compose file becomes a draft that loads and lints; what could not come along is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from foreign_compose import FOREIGN, Foreign
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_fuzz import spoil

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import MARKER
from smartcity_pkg.catalogue.catalogue import load_catalogue, make_catalogue
from smartcity_pkg.catalogue.compose import read_app
from smartcity_pkg.catalogue.importing.draft import Imported, app_name, import_compose
from smartcity_pkg.catalogue.lint import lint
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.selection.eligibility import Cause, barred

ROOT = Path(__file__).parents[3]
SHIPPED = load_catalogue(ROOT / "bundles")


def beside(files: dict[str, str]) -> Callable[[str], bytes | None]:
    return lambda name: files[name].encode() if name in files else None


def imported(foreign: Foreign) -> Imported:
    return import_compose(
        foreign.text.encode(),
        "docker-compose.yml",
        foreign.name,
        beside=beside(foreign.beside),
        gateway=SHIPPED.app("gateway"),
    )


def written(draft: Imported, folder: Path) -> Path:
    app = folder / draft.name
    app.mkdir()
    (app / "compose.yaml").write_text(draft.text)
    return app


def at(data: Any, dotted: str) -> Any:
    document = yamlfile.Document("", data)
    path = document.path_of(dotted)
    if ".".join(map(str, path)) != dotted:
        return None
    for key in path:
        data = data[key]
    return data


every_file = pytest.mark.parametrize("foreign", FOREIGN, ids=[f.name for f in FOREIGN])


def test_there_are_thirty_files_of_different_style() -> None:
    assert len({f.name for f in FOREIGN}) >= 30


@every_file
def test_the_draft_loads_and_lints_as_a_draft(foreign: Foreign, tmp_path: Path) -> None:
    draft = imported(foreign)
    catalogue = load_catalogue(ROOT / "bundles", beside=[written(draft, tmp_path)])
    app = catalogue.app(foreign.name)
    assert app.is_draft
    findings = lint(catalogue, only=[foreign.name])
    assert sum(f.problem.rule == "SC112" for f in findings) == len(app.spec.draft)
    assert all(f.problem.line for f in findings)


@every_file
def test_the_table_says_what_became_of_it(foreign: Foreign) -> None:
    rows = imported(foreign).rows
    for kind, said, line in foreign.says:
        fitting = [r for r in rows if r.kind == kind and said in r.what and line in (0, r.line)]
        near = [(r.kind, r.line, r.what) for r in rows if said in r.what or r.line == line]
        assert fitting, f"{kind} “{said}” on line {line} is missing; there are {near}"


@every_file
def test_the_draft_holds_what_the_file_said(foreign: Foreign) -> None:
    data = yamlfile.parse(imported(foreign).text.encode(), "draft").data
    for dotted, value in foreign.holds.items():
        assert at(data, dotted) == value, dotted


@every_file
def test_no_secret_of_the_file_is_in_the_draft(foreign: Foreign) -> None:
    draft = imported(foreign)
    for secret in foreign.hides:
        assert secret not in draft.text
        assert not [r for r in draft.rows if secret in r.what + r.todo]


@every_file
def test_each_open_point_leads_to_a_line_of_the_draft(foreign: Foreign) -> None:
    draft = imported(foreign)
    lines = draft.text.splitlines()
    for row in draft.rows:
        if row.todo:
            assert 0 < row.draft_line <= len(lines), row
    spec = yamlfile.parse(draft.text.encode(), "draft").data["x-smartcity"]
    assert {p["at"] for p in spec["draft"]} >= {"x-smartcity.owner", "x-smartcity.benefit"}


def test_the_same_file_gives_the_same_draft() -> None:
    assert imported(FOREIGN[0]).text == imported(FOREIGN[0]).text


def test_a_draft_is_never_selected(tmp_path: Path) -> None:
    catalogue = load_catalogue(ROOT / "bundles", beside=[written(imported(FOREIGN[0]), tmp_path)])
    pemda = load_pemda(ROOT / "examples" / "pemda" / "32.15-karawang.yaml")
    bars = barred(catalogue.apps, pemda, date(2026, 1, 1))
    assert bars["wordpress"].cause == Cause.DRAFT


def test_a_marker_that_is_left_keeps_an_app_from_being_finished(tmp_path: Path) -> None:
    draft = imported(FOREIGN[0])
    document = yamlfile.parse(draft.text.encode(), "draft").data
    document["x-smartcity"]["draft"] = []
    app = written(replace(draft, text=yamlfile.dump(document)), tmp_path)
    with pytest.raises(InputError) as caught:
        load_catalogue(ROOT / "bundles", beside=[app])
    assert {p.rule for p in caught.value.problems} == {"SC018"}
    assert len(caught.value.problems) == document_markers(document)


def document_markers(value: Any) -> int:
    if isinstance(value, dict):
        return sum(document_markers(v) for v in value.values())
    if isinstance(value, list):
        return sum(document_markers(v) for v in value)
    return int(isinstance(value, str) and MARKER in value)


def test_without_a_gateway_there_is_no_route() -> None:
    draft = import_compose(FOREIGN[0].text.encode(), "f.yml", "x", beside=beside({}))
    spec = yamlfile.parse(draft.text.encode(), "draft").data["x-smartcity"]
    assert spec["routes"] == []
    assert "requires" not in spec


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My App", "my-app"),
        ("9lives", "app-9lives"),
        ("---", "app"),
        ("a" * 60, "a" * 40),
        ("Sistem_Informasi.Desa", "sistem-informasi-desa"),
    ],
)
def test_any_text_becomes_a_name(text: str, name: str) -> None:
    assert app_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: b",
        "services: {}",
        "services: [a]",
        "services: {a: b}",
        "{",
        "a: &a [*a]",
        "services: {a: {image: x}, a: {image: y}}",
        "x: !reset null",
        "\t",
        "services: null",
    ],
)
def test_what_is_no_compose_file_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        import_compose(text.encode(), "f.yml", "x", beside=beside({}))
    assert caught.value.exit_code == 20


CORPUS = [f.text for f in FOREIGN]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_spoilt_compose_file_gives_a_draft_that_loads_or_an_input_error(
    folder: Path, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(CORPUS))
    check_any(folder, spoil(text.replace("0440", "'0440'"), data))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_garbled_text_gives_a_draft_that_loads_or_an_input_error(
    folder: Path, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(CORPUS))
    for _round in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 8)))
        text = text[:start] + data.draw(PIECES) + text[end:]
    check_any(folder, text.encode("utf-8", "replace"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_services_of_any_shape_give_a_draft_that_loads_or_an_input_error(
    folder: Path, data: st.DataObject
) -> None:
    service = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), SHAPES, max_size=8)
    names = st.sampled_from(["web", "db", "a b", "9", "", "é", "a.b"])
    tree = data.draw(
        st.fixed_dictionaries(
            {"services": st.dictionaries(names, service, min_size=1, max_size=3)},
            optional=dict.fromkeys(
                ("volumes", "networks", "secrets", "configs", "x-casaos"), SHAPES
            ),
        )
    )
    check_any(folder, yamlfile.dump(tree).encode("utf-8", "replace"))


def check_any(folder: Path, data: bytes) -> None:
    """Any bytes: an InputError, or a draft that loads and lints."""
    env = {".env": "A=1\nMYSQL_PASSWORD=x\n", "common.yml": "services: {task: {image: a:1}}"}
    try:
        draft = import_compose(
            data, "f.yml", "aplikasi", beside=beside(env), gateway=SHIPPED.app("gateway")
        )
    except InputError as error:
        assert error.problems
        return
    (folder / "compose.yaml").write_text(draft.text)
    app = read_app(folder, "aplikasi")
    assert app.is_draft
    assert lint(make_catalogue([app, SHIPPED.app("gateway")]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fuzz") / "aplikasi"
    made.mkdir()
    return made


PIECES = st.text(max_size=6) | st.sampled_from(
    [
        "${A:-",
        "}",
        "$",
        "$$",
        "${",
        ": ",
        "\n",
        "\n  ",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "[",
        "{",
        "!!int ",
        "|\n",
        ":9999999",
        "/",
        "TO-FILL-IN",
        "'",
        '"',
        "null",
        "1e99",
        "\\",
    ]
)
KEYS = sorted(
    {k for f in FOREIGN for k in re.findall(r"^    ([a-z_]+):", f.text, re.MULTILINE)}
    | {"healthcheck", "env_file", "extends", "deploy", "secrets", "configs", "tmpfs", "x-runtipi"}
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "web",
            "db",
            "8080:80",
            "a:/b",
            "./a:/b:ro",
            "/x",
            "latest",
            "nginx:1.0",
            "${A:-${B}}",
            "1G",
            "DB_PASSWORD=abcdefghij",
            "abcdefghij",
            "always",
            "common.yml",
            "task",
            "gitea",
            "redis://u:abcdefghij@db/0",
            "NONE",
            "0.5",
        ]
    )
)
SHAPES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "source",
                    "target",
                    "type",
                    "published",
                    "test",
                    "resources",
                    "limits",
                    "memory",
                    "cpus",
                    "reservations",
                    "service",
                    "file",
                    "external",
                    "driver",
                    "condition",
                    "web",
                    "db",
                    "PASSWORD",
                    "is_main",
                    "internal_port",
                    "main",
                    "port_map",
                    "aliases",
                    "size",
                    "tmpfs",
                    "title",
                    "en_us",
                    "replicas",
                    "path",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {image: x:1, command: '" + "${" * 300_000 + "'}}",
        "services: {a: {image: x:1, command: '" + "${A:-" * 100_000 + "}" * 100_000 + "'}}",
        "services:\n  a:\n    image: x:1\n    environment:\n"
        + "".join(f"      PASSWORD_{i}: rahasia-{i}\n" for i in range(9_000)),
        "services:\n  a:\n    image: x:1\n    environment:\n"
        + "".join(f"      V{i}: ${{V{i}}}\n" for i in range(9_000)),
        "services: {a: {image: x:1, volumes: [" + ",".join(["/data"] * 9_000) + "]}}",
        "services: {a: {image: x:1, environment: {"
        + "A" * 200_000
        + ": '"
        + "a" * 700_000
        + "'}}}",
    ],
    ids=["braces", "nested", "secrets", "variables", "volumes", "long"],
)
def test_a_hostile_file_is_answered_in_time(text: str, folder: Path) -> None:
    check_any(folder, text.encode())


def test_growth_without_end_is_refused() -> None:
    base = "x" * 60_000
    services = "\n".join(f"  s{i}: {{extends: base}}" for i in range(100))
    with pytest.raises(InputError, match="too long"):
        import_compose(
            f"services:\n  base: {{image: a, hostname: {base}}}\n{services}\n".encode(),
            "f.yml",
            "x",
            beside=beside({}),
        )
    references = "${A}" * 5_000
    with pytest.raises(InputError, match="too long"):
        import_compose(
            f"services: {{a: {{image: x, command: '{references}'}}}}".encode(),
            "f.yml",
            "x",
            beside=beside({".env": f"A={'y' * 10_000}"}),
        )
