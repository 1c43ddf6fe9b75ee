"""Whatever people write, the readers of their files answer with a value or an InputError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue_texts import COMPOSE, PLAN, PROFILE, PROVIDER, write_app, write_catalogue
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_fuzz import spoil

from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue, make_catalogue
from smartcity_pkg.catalogue.compose import read_app
from smartcity_pkg.catalogue.lint import lint
from smartcity_pkg.catalogue.plan import load_plan
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.core.errors import InputError


def only_input_errors(read: Callable[[], object]) -> None:
    """`read` gives a value, or an InputError that says something."""
    try:
        read()
    except InputError as error:
        assert error.problems
        assert all(p.message and p.file for p in error.problems)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return load_catalogue(write_catalogue(tmp_path_factory.mktemp("apps"), COMPOSE, PROVIDER))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_spoilt_app_raises_nothing_but_input_errors(folder: Path, data: st.DataObject) -> None:
    app = write_app(folder / "lapor", spoil(COMPOSE, data))
    only_input_errors(lambda: lint(make_catalogue([read_app(app, "lapor")])))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_spoilt_profile_raises_nothing_but_input_errors(
    folder: Path, catalogue: Catalogue, data: st.DataObject
) -> None:
    file = folder / "pemda.yaml"
    file.write_bytes(spoil(PROFILE, data))
    only_input_errors(lambda: load_pemda(file, catalogue))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_spoilt_plan_raises_nothing_but_input_errors(folder: Path, data: st.DataObject) -> None:
    file = folder / "plan.yaml"
    file.write_bytes(spoil(PLAN, data))
    only_input_errors(lambda: load_plan(file))
