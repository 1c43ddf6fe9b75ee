"""docs/formats.md says what the models say, and its examples are valid."""

from __future__ import annotations

import importlib
import json
import re
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from jinja2.defaults import DEFAULT_FILTERS, DEFAULT_NAMESPACE
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.contents import Offer
from smartcity_pkg.bundle.grant import Grant
from smartcity_pkg.bundle.inventory import PAYLOAD_TYPE, Inventory, parse_receipt
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.receipt import Receipt, Receipts
from smartcity_pkg.bundle.ringfile import load_ring
from smartcity_pkg.catalogue import compose, scalars, yamlfile
from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue, make_catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan, load_plan
from smartcity_pkg.catalogue.policy import load_policy
from smartcity_pkg.catalogue.profile import load_pemda
from smartcity_pkg.catalogue.release import Release, pinned
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.hosts.local import LocalHost
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.backups import read_manifest
from smartcity_pkg.install.journal import read_journal
from smartcity_pkg.install.watermark import Watermark
from smartcity_pkg.render import templates
from smartcity_pkg.render.context import template_context
from smartcity_pkg.render.render import render
from smartcity_pkg.render.server import ServerApps
from smartcity_pkg.render.templates import read_shared_templates, render_template
from smartcity_pkg.ship.media.index import (
    INDEX_FILES,
    MAX_PARTS,
    read_release,
)
from smartcity_pkg.ship.media.parity import MAX_TOGETHER, parity_stripes

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")


# -- reading the page -----------------------------------------------------------------------------


def table_after(mark: str) -> list[list[str]]:
    """The cells of the table that follows the comment `<!-- mark -->`, without its heading."""
    _before, _mark, rest = PAGE.partition(f"<!-- {mark} -->\n")
    rows = []
    for line in rest.splitlines():
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    assert len(rows) > 2, f"no table after {mark}"
    return rows[2:]


def example(name: str) -> str:
    """The fenced block that follows the comment `<!-- example: name -->`."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```\n", PAGE, re.DOTALL)
    assert found, f"no example called {name}"
    return found[1]


def words_after(mark: str, lead: str) -> set[str]:
    """The words in backticks of the sentence that begins with `lead`, in the marked paragraph."""
    _before, _mark, rest = PAGE.partition(f"<!-- {mark} -->\n")
    _before, _lead, rest = rest.partition(lead)
    return set(re.findall(r"`([^`]+)`", rest.partition(".\n")[0]))


def name_of(cell: str) -> str:
    """What stands in the backticks that a cell consists of."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


# -- tables and models ----------------------------------------------------------------------------

MODELS = re.findall(r"<!-- model: (\S+) -->", PAGE)


def model_of(name: str) -> type[BaseModel]:
    module, _dot, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(f"smartcity_pkg.{module}"), attribute)
    assert issubclass(found, BaseModel)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_table_has_exactly_the_models_fields_in_their_order(name: str) -> None:
    documented = [name_of(row[0]) for row in table_after(f"model: {name}")]
    assert documented == list(model_of(name).model_fields)


@pytest.mark.parametrize("name", MODELS)
def test_a_table_says_what_is_required_and_which_defaults_count(name: str) -> None:
    for cells in table_after(f"model: {name}"):
        field = model_of(name).model_fields[name_of(cells[0])]
        expected = "required" if field.is_required() else f"`{default_of(field)}`"
        assert cells[2] == expected, cells[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_table_says_the_types_choices_and_bounds(name: str) -> None:
    for cells in table_after(f"model: {name}"):
        field = model_of(name).model_fields[name_of(cells[0])]
        for word in [*words_of(field.annotation), *bounds_of(field)]:
            assert word in cells[1], f"{cells[0]}: “{cells[1]}” does not say “{word}”"


@pytest.mark.parametrize("name", MODELS)
def test_a_table_explains_every_field_in_a_sentence(name: str) -> None:
    for cells in table_after(f"model: {name}"):
        assert len(cells) == 4, cells
        assert re.fullmatch(r"\S.*\S\.", cells[3]), cells


def test_every_model_of_a_file_has_its_table() -> None:
    top = ["catalogue.app.AppSpec", "catalogue.pemda.Pemda", "catalogue.plan.Plan"]
    top += ["catalogue.policy.Policy", "catalogue.release.Release", "bundle.contents.Offer"]
    top += ["install.journal.Entry"]
    top += ["bundle.ringfile.RingFile", "bundle.grant.Grant", "install.watermark.Watermark"]
    top += ["bundle.countersign.SigningRequest", "bundle.countersign.DetachedSignature"]
    top += ["bundle.receipt.Receipts", "bundle.inventory.Inventory"]
    top += ["ship.media.index.MediaIndex", "install.backups.Manifest"]
    wanted = {model for name in top for model in reached(model_of(name))}
    assert wanted == {model_of(name) for name in MODELS}


def reached(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all that its fields hold."""
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield from reached(inner)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def default_of(field: FieldInfo) -> str:
    """The default as JSON; `{}` for fields that are all left out."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        assert default == type(default)()
        default = {}
    text = json.dumps(default)
    return text.removesuffix(".0")


PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", date: "date",
         datetime: "time"}  # fmt: skip


def words_of(annotation: Any) -> list[str]:
    """What the type of such a field must be called."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return [f"`{value}`" for value in parts]
    if origin in (typing.Union, types.UnionType):
        return [word for part in parts for word in words_of(part)]
    if origin is typing.Annotated:
        return words_of(parts[0])
    if origin in (tuple, dict):
        fields = ["fields"] if any(models_in(annotation)) else []
        return ["list" if origin is tuple else "map", *fields]
    if any(models_in(annotation)):
        return ["fields"]
    return [] if annotation is type(None) else [PLAIN[annotation]]


def bounds_of(field: FieldInfo) -> list[str]:
    """How a table writes the limits of a number, and that a text or list must not be empty."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = []
    for rule in field.metadata:
        for attribute, sign in signs.items():
            bound = getattr(rule, attribute, None)
            if bound is not None:
                shown = f"{bound:,}" if bound != 65535 else str(bound)  # a port
                found.append(f"{sign} {shown}")
        if getattr(rule, "min_length", None) == 1:
            found.append("not empty")
    return found


# -- examples -------------------------------------------------------------------------------------


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """The catalogue of the page's one app."""
    folder = tmp_path / "bundles/papan-info"
    (folder / "templates").mkdir(parents=True)
    (folder / "compose.yaml").write_text(example("app"))
    (folder / "templates/app.json.j2").write_text(example("template app.json.j2"))
    return load_catalogue(tmp_path / "bundles")


def written(folder: Path, text: str) -> Path:
    path = folder / "example.yaml"
    path.write_text(text)
    return path


def test_the_app_is_valid_in_a_catalogue_of_its_own(catalogue: Catalogue) -> None:
    assert list(catalogue.apps) == ["papan-info"]


def test_the_profile_is_valid_with_that_catalogue(catalogue: Catalogue, tmp_path: Path) -> None:
    pemda = load_pemda(written(tmp_path, example("profile")), catalogue)
    assert pemda.choice.must == ("papan-info",)


def test_the_plan_is_valid(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, example("plan")))
    assert plan.servers == ("layanan",)


def test_the_env_file_is_what_rendering_these_examples_gives(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    pemda = load_pemda(written(tmp_path, example("profile")), catalogue)
    plan = load_plan(written(tmp_path, example("plan")))
    shared = read_shared_templates(ROOT / "templates")
    files = render(plan, catalogue, pemda, shared=shared, pins={}).files
    assert files["layanan/papan-info/.env"].decode() == example("env")
    given = re.findall(r"^(\w+)=", example("env"), re.MULTILINE)
    assert [name_of(row[0]) for row in table_after("names: variables")] == given[:6]


def test_the_release_is_valid_and_its_parts_fit(catalogue: Catalogue, tmp_path: Path) -> None:
    release = Release.model_validate_json(example("release"))
    (image,), (app,) = release.images, release.apps
    assert image.reference == pinned(image.source, image.config_digest)
    pemda = load_pemda(written(tmp_path, example("profile")), catalogue)
    shared = read_shared_templates(ROOT / "templates")
    pins = {image.source: image.reference}
    (rendered,) = render(release.plan, catalogue, pemda, shared=shared, pins=pins).apps
    assert app == rendered.model_copy(update={"config_digest": app.config_digest})


def test_the_policy_is_valid(tmp_path: Path) -> None:
    policy, _document = load_policy(written(tmp_path, example("policy")))
    assert (len(policy.exemptions), len(policy.secrets)) == (1, 1)


def test_the_offer_is_valid() -> None:
    offer = Offer.model_validate_json(example("offer"))
    payload = json.loads(offer.signatures[0].payload)
    assert payload["critical"]["image"]["docker-manifest-digest"] == offer.root_digest


def test_the_ring_is_valid(tmp_path: Path) -> None:
    ring = load_ring(written(tmp_path, example("ring")))
    counting = ring.on(date(2026, 6, 1))
    assert (len(counting.pem_by_id), len(counting.grant_pem_by_id)) == (1, 1)
    assert ring.on(date(2028, 1, 1)).pem_by_id == {}


def test_the_grant_is_valid_and_holds() -> None:
    grant = Grant.model_validate_json(example("grant"))
    assert grant.uncovered(["gateway", "laksa", "perizinan"]) == ["perizinan"]
    assert grant.why_not_on(date(2029, 12, 31)) == ""
    assert grant.why_not_on(date(2030, 1, 1))


def test_the_receipt_and_the_watermark_are_valid() -> None:
    receipt = Receipt.model_validate_json(example("receipt"))
    assert Receipts().with_receipt(receipt).receipts == (receipt,)
    mark = Watermark.model_validate_json(example("watermark"))
    assert mark.to_json().decode() + "\n" == example("watermark")


def test_the_disks_index_is_valid(tmp_path: Path) -> None:
    (tmp_path / INDEX_FILES[0]).write_text(example("media").strip())
    index = read_release(tmp_path).index
    assert index.to_json().decode() + "\n" == example("media")
    assert f"there may be {MAX_PARTS:,} parts" in PAGE
    assert f"parity parts are at most {MAX_TOGETHER} together" in PAGE


def test_the_parity_of_the_page_is_what_is_made() -> None:
    blocks = [bytes.fromhex(cells[1].strip("`")) for cells in table_after("parity")]

    def read(number: int, offset: int, size_bytes: int) -> bytes:
        return blocks[number][offset : offset + size_bytes]

    assert list(parity_stripes(read, 3, 3, 5)) == [blocks[3:]]


def test_the_inventory_is_valid() -> None:
    inventory = Inventory.model_validate_json(example("inventory"))
    key = SigningKey.made()
    own = inventory.model_copy(update={"public_key": ecdsa.line_of_pem(key.public_pem)})
    receipt = parse_receipt(own.envelope.signed_by(key).to_json(), "example")
    assert receipt.server == "layanan"
    assert PAYLOAD_TYPE in PAGE


def test_the_backup_is_valid() -> None:
    manifest = read_manifest(example("backup"))
    assert manifest is not None
    assert json.loads(example("backup")) == manifest.model_dump(mode="json", exclude={"stored"})


def test_the_journal_is_valid(tmp_path: Path) -> None:
    entries = journal(tmp_path, example("journal"))
    assert [e.phase for e in entries] == ["begin", "done", "failed"]


def journal(folder: Path, text: str) -> tuple[Any, ...]:
    store = StorePaths(str(folder))
    Path(store.journal).write_text(text)
    return read_journal(LocalHost("example"), store)


def test_every_example_of_the_page_is_tried() -> None:
    names = set(re.findall(r"<!-- example: (.+) -->", PAGE))
    tried = {"app", "template app.json.j2", "profile", "plan", "env", "release", "offer", "journal"}
    tried |= {"ring", "grant", "receipt", "watermark", "policy", "media", "inventory", "backup"}
    assert names == tried
    assert PAGE.count("```") == 2 * len(names)


# -- versions -------------------------------------------------------------------------------------


def load_app(folder: Path, text: str) -> None:
    app = folder / "papan-info"
    (app / "templates").mkdir(parents=True)
    (app / "templates/app.json.j2").write_text("{}")
    (app / "compose.yaml").write_text(text)
    compose.read_app(app, "papan-info")


READERS: dict[str, Callable[[Path, str], object]] = {
    "app": load_app,
    "profile": lambda folder, text: load_pemda(written(folder, text)),
    "plan": lambda folder, text: load_plan(written(folder, text)),
    "policy": lambda folder, text: load_policy(written(folder, text)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_newer_version_of_a_yaml_file_is_refused(name: str, tmp_path: Path) -> None:
    newer = example(name).replace("schema_version: 1", "schema_version: 2", 1)
    with pytest.raises(InputError) as caught:
        READERS[name](tmp_path, newer)
    assert caught.value.exit_code == 20
    assert "schema_version" in caught.value.message


def test_a_newer_release_and_an_unknown_field_of_an_offer_are_refused() -> None:
    newer = example("release").replace('"schema_version": 1', '"schema_version": 2', 1)
    with pytest.raises(ValidationError):
        Release.model_validate_json(newer)
    with pytest.raises(ValidationError):
        Offer.model_validate({**json.loads(example("offer")), "new": 1})


def test_a_reader_of_the_journal_passes_by_what_it_does_not_know(tmp_path: Path) -> None:
    first, *others = example("journal").splitlines()
    newer = json.dumps({**json.loads(first), "new": [1]})
    strange = json.dumps({**json.loads(first), "phase": "paused"})
    entries = journal(tmp_path, "\n".join([newer, strange, "", *others, first[:40]]))
    assert [e.phase for e in entries] == ["begin", "done", "failed"]


def test_the_bounds_of_a_yaml_file_are_those_of_the_reader() -> None:
    bounds = f"{yamlfile.MAX_BYTES >> 10:,} KiB, {yamlfile.MAX_DEPTH} levels deep, "
    bounds += f"{yamlfile.MAX_ALIASES} aliases, {yamlfile.MAX_NODES:,} values"
    assert bounds in PAGE
    assert f"most {scalars.MAX_DIGITS} digits" in PAGE
    assert f"at most {templates.MAX_OUTPUT_BYTES >> 10:,} KiB" in PAGE


# -- templates and steps --------------------------------------------------------------------------


def test_the_names_that_templates_may_use_are_listed() -> None:
    catalogue = make_catalogue(load_catalogue(ROOT / "bundles").apps.values())
    pemda: Pemda = load_pemda(ROOT / "examples/pemda/32.15-karawang.yaml")
    here = ServerApps("layanan", tuple(catalogue.apps.values()))
    context = template_context(catalogue.app("postgres"), {}, here, pemda)
    documented = [name_of(row[0]) for row in table_after("names: context")]
    assert sorted(documented) == sorted(set(names_in({**context, "settings": None})))


def names_in(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from names_in(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from names_in(child, f"{path}[]")
    else:
        yield path


def allowed(text: str) -> bool:
    """Whether the template `text` knows all its filters and names."""
    try:
        render_template(text, "x.j2", {})
    except InputError as error:
        return not re.search(r"No filter named|undefined name", error.message)
    return True


def test_the_filters_and_functions_of_templates_are_listed() -> None:
    filters = {f for f in [*DEFAULT_FILTERS, "env_value"] if allowed(f"{{{{ 'a' | {f} }}}}")}
    functions = {f for f in DEFAULT_NAMESPACE if allowed(f"{{{{ {f} }}}}")}
    assert words_after("names: filters", "Filters:") == filters
    assert words_after("names: filters", "Functions:") == functions


def test_the_steps_of_the_journal_are_listed() -> None:
    sources = (ROOT / "smartcity_pkg/install").glob("*.py")
    written = {
        s for p in sources for s in re.findall(r'journal\.(?:step|write)\("([^"]+)"', p.read_text())
    }
    assert words_after("names: steps", "Steps:") == written


def test_the_plan_of_the_release_is_the_plan_of_the_page(tmp_path: Path) -> None:
    shown = load_plan(written(tmp_path, example("plan")))
    carried: Plan = Release.model_validate_json(example("release")).plan
    assert carried == shown.model_copy(update={"left_out": (), "usage": ()})
