"""The catalogue as a whole: apps fit each other, order and digest do not depend on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from catalogue_texts import COMPOSE, PROVIDER, Bad, only, table, write_app, write_catalogue
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.catalogue.app import Requirement
from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue, make_catalogue
from smartcity_pkg.catalogue.compose import read_app
from smartcity_pkg.core.errors import InputError, UsageError


def chain(name: str, *requires: str, conflicts: str = "") -> str:
    """A provider's Compose text under another name, with other requirements."""
    wants = ", ".join(f"{{app: {r}}}" for r in requires)
    text = PROVIDER.replace("name: basis", f"name: {name}")
    text = text.replace("requires: []", f"requires: [{wants}]")
    return text.replace("conflicts: []", f"conflicts: [{conflicts}]")


ROWS = [
    Bad(
        "missing dependency",
        '{app: basis, version: ">=2,<3"}',
        '{app: basis, version: ">=2,<3"}\n    - {app: peta}',
        "requires “peta”, which the catalogue does not have",
        "add the app",
        at="app: peta",
    ),
    Bad(
        "misspelt dependency",
        '{app: basis, version: ">=2,<3"}',
        '{app: basis, version: ">=2,<3"}\n    - {app: basiss}',
        "“basiss”",
        "did you mean “basis”?",
        at="app: basiss",
    ),
    Bad("version out of range", ">=2,<3", ">=3", "requires basis >=3, but the catalogue has 2.1.0"),
    Bad("conflict with itself", "conflicts: []", "conflicts: [lapor]", "conflict with itself"),
    Bad(
        "conflict with what it requires",
        "conflicts: []",
        "conflicts: [basis]",
        "which it requires: lapor → basis",
    ),
]


@table(ROWS)
def test_apps_that_do_not_fit_are_refused_with_line_and_cure(row: Bad, tmp_path: Path) -> None:
    spoilt = row.spoil(COMPOSE)
    folder = write_catalogue(tmp_path / "apps", spoilt, PROVIDER)
    row.expect(spoilt, f"{folder}/lapor/compose.yaml", lambda: load_catalogue(folder))


def test_a_cycle_is_told_whole_and_once(tmp_path: Path) -> None:
    folder = write_catalogue(tmp_path, chain("c", "a"), chain("a", "b"), chain("b", "c"))
    with pytest.raises(InputError) as caught:
        load_catalogue(folder)
    problem = only(caught.value)
    assert "in a circle: a → b → c → a" in problem.message
    assert (problem.file, problem.line) == (f"{folder}/a/compose.yaml", 11)


def test_an_app_that_requires_itself_is_a_cycle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a → a"):
        load_catalogue(write_catalogue(tmp_path, chain("a", "a")))


def test_a_provider_in_conflict_with_its_user_is_refused(tmp_path: Path) -> None:
    folder = write_catalogue(tmp_path, chain("a", "b"), chain("b", conflicts="a"))
    with pytest.raises(InputError, match="which requires it: a → b"):
        load_catalogue(folder)


def test_two_apps_may_not_claim_one_route(tmp_path: Path) -> None:
    folder = write_catalogue(tmp_path, COMPOSE, COMPOSE.replace("lapor\n", "surat\n", 1), PROVIDER)
    with pytest.raises(InputError) as caught:
        load_catalogue(folder)
    problem = only(caught.value)
    assert problem.message == "the route /lapor/ belongs to the app lapor already"
    assert problem.file == f"{folder}/surat/compose.yaml"


def test_faults_of_several_apps_come_in_one_error(tmp_path: Path) -> None:
    bad = COMPOSE.replace("benefit: 50", "benefit: x"), PROVIDER.replace("2.1.0\n", "latest\n")
    with pytest.raises(InputError) as caught:
        load_catalogue(write_catalogue(tmp_path, *bad))
    assert [Path(p.file).parent.name for p in caught.value.problems] == ["basis", "lapor"]


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError, match="has no app"):
        load_catalogue(tmp_path)


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_catalogue(tmp_path / "nowhere")


def test_only_folders_with_a_compose_file_are_apps(tmp_path: Path) -> None:
    write_catalogue(tmp_path, COMPOSE, PROVIDER)
    (tmp_path / "notes").mkdir()
    for name in ("_base", ".git"):
        write_app(tmp_path / name, "not: an app")
    assert list(load_catalogue(tmp_path).apps) == ["basis", "lapor"]


def test_the_digest_depends_on_every_text_and_on_nothing_else(tmp_path: Path) -> None:
    first = load_catalogue(write_catalogue(tmp_path / "first", COMPOSE, PROVIDER))
    again = load_catalogue(write_catalogue(tmp_path / "again", PROVIDER, COMPOSE))
    assert first.digest == again.digest
    assert first == again
    changed = shutil.copytree(tmp_path / "first", tmp_path / "changed")
    (changed / "lapor" / "templates" / "app.json.j2").write_text("{ }")
    assert load_catalogue(changed).digest != first.digest
    write_app(changed / "lapor", COMPOSE + "# a comment\n")
    assert load_catalogue(changed).digest != first.digest


def test_an_unknown_app_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    catalogue = load_catalogue(write_catalogue(tmp_path, COMPOSE, PROVIDER))
    assert catalogue.app("lapor").version == "1.2.0"
    with pytest.raises(UsageError, match="no such app: lapo") as caught:
        catalogue.app("lapo")
    assert "“lapor”" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        catalogue.app("xyz")
    assert "basis, lapor" in caught.value.hint


def test_who_requires_an_app(tmp_path: Path) -> None:
    catalogue = load_catalogue(write_catalogue(tmp_path, COMPOSE, PROVIDER))
    assert catalogue.required_by("basis") == ("lapor",)
    assert catalogue.required_by("lapor") == ()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return load_catalogue(write_catalogue(tmp_path_factory.mktemp("catalogue"), PROVIDER))


@given(
    edges=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    chosen=st.permutations(range(8)),
    count=st.integers(0, 8),
)
def test_providers_always_stand_before_what_requires_them(
    provider: Catalogue, edges: set[tuple[int, int]], chosen: list[int], count: int
) -> None:
    one = provider.app("basis")
    apps = []
    for i in range(8):
        requires = tuple(
            Requirement(app=f"a{other}") for other, user in sorted(edges) if other < user == i
        )
        spec = one.spec.model_copy(update={"requires": requires})
        apps.append(one.model_copy(update={"name": f"a{i}", "spec": spec}))
    catalogue = make_catalogue(apps)
    names = [f"a{i}" for i in chosen[:count]]
    order = catalogue.dependency_order(names)
    assert sorted(order) == sorted(names)
    assert order == catalogue.dependency_order(reversed(names))
    for position, name in enumerate(order):
        later = set(order[position:])
        assert not later & _providers(catalogue, name)


def _providers(catalogue: Catalogue, name: str) -> set[str]:
    direct = {r.app for r in catalogue.app(name).spec.requires}
    return direct.union(*(_providers(catalogue, d) for d in direct))


def test_reading_one_app_does_not_need_its_catalogue(tmp_path: Path) -> None:
    app = read_app(write_app(tmp_path / "lapor", COMPOSE), "lapor")
    assert app.spec.requires == (Requirement(app="basis", version=">=2,<3"),)
