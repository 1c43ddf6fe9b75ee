"""Whatever people write, the readers of their files answer with a value or an InputError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalogue_texts import COMPOSE, PLAN, PROFILE, PROVIDER, write_app, write_catalogue
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue, make_catalogue
from smartcity_pkg.catalogue.compose import read_app
from smartcity_pkg.catalogue.lint import lint
from smartcity_pkg.catalogue.plan import load_plan
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.core.errors import InputError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(
        ["web", "basis", "lapor", "/x/", "1.0", "latest", "$ref", "#/", "app.json.j2"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["type", "$ref", "items", "service", "memory"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def spoil(text: str, data: st.DataObject) -> bytes:
    """`text` with one to three of its values, anywhere, exchanged for others."""
    tree: Any = yaml.safe_load(text)
    for _round in range(data.draw(st.integers(1, 3))):
        place, key = tree, data.draw(st.sampled_from(sorted(tree)))
        while isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
        place[key] = data.draw(VALUES)
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")


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
