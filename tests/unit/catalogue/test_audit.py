"""What an app may not ask for: snippets, judged alike at lint, at pack and at install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asking_apps import FILE, GOOD, HARMLESS, SERVICE, Row, document, table
from hypothesis import given
from hypothesis import strategies as st
from render_world import Small, a_pemda, a_plan

from smartcity_pkg.bundle.admission import exemptions_used
from smartcity_pkg.catalogue.audit import audit
from smartcity_pkg.catalogue.lint import lint
from smartcity_pkg.catalogue.policy import NOTHING_EXEMPT
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.render.render import render
from smartcity_pkg.render.templates import read_shared_templates

ROOT = Path(__file__).parents[3]


def rules(*files: object, **known: Any) -> str:
    return " ".join(sorted(b.rule for b in audit("lapor", files, **known)))


@table(SERVICE)
def test_a_service_that_asks_for_too_much_breaks_exactly_its_rule(row: Row) -> None:
    assert rules(document(row)) == row.rules


@table(FILE)
def test_so_does_what_stands_beside_the_services(row: Row) -> None:
    assert rules(document(row, top=True)) == row.rules


@table(HARMLESS)
def test_harmless_things_are_not_held_against_an_app(row: Row) -> None:
    assert rules(document(row)) == ""


@table([row for row in SERVICE if row.rules not in ("SC028", "SC029", "SC030", "SC030 SC030")])
def test_the_second_file_may_not_ask_for_it_either(row: Row) -> None:
    good = {"services": {"web": GOOD}}
    second = {"services": {"web": row.fields}}
    assert rules(good, second) == row.rules
    assert rules(second, good) == row.rules, "nor may a later file hide it"


def test_a_later_file_cannot_switch_off_what_must_be_there() -> None:
    good = {"services": {"web": GOOD}}
    off = {"services": {"web": {"healthcheck": {"disable": True}}}}
    none = {"services": {"web": {"healthcheck": {"test": ["NONE"]}}}}
    assert rules(good, off) == "SC029"
    assert rules(good, none) == "SC029"
    unlimited = {"services": {"web": {"deploy": {"resources": {"limits": {"memory": "0"}}}}}}
    assert rules(good, unlimited) == "SC030"


def test_a_later_file_may_add_what_must_be_there() -> None:
    bare = {"services": {"web": {"image": GOOD["image"]}}}
    assert rules(bare) == "SC029 SC030 SC030"
    assert rules(bare, {"services": {"web": GOOD}}) == ""


def test_a_release_runs_only_its_own_images() -> None:
    good = {"services": {"web": GOOD}}
    assert rules(good, images=("contoh/lapor:1.2.0",)) == ""
    assert rules(good, images=("contoh/lapor:1.2.0-0123456789ab",)) == "SC028"


def test_a_secret_is_read_only_from_where_servers_keep_it() -> None:
    path = "/var/lib/smartcity/secrets/lapor/sandi"
    files = {"services": {"web": GOOD}, "secrets": {"s": {"file": path}}}
    assert rules(files, secret_files=(path,)) == ""
    assert rules(files, secret_files=(path + "2",)) == "SC023"


def test_a_breach_says_where_it_is() -> None:
    [breach] = audit("lapor", [{"services": {"web": {**GOOD, "cap_add": ["CHOWN", "BPF"]}}}])
    assert (breach.who, breach.path) == ("lapor/web", ("services", "web", "cap_add", 1))
    assert "BPF" in breach.text


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["services", "web", "volumes", "deploy", "resources", "file", "type"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_values, max_size=2))
def test_no_file_whatever_it_holds_makes_the_judge_stumble(files: list[Any]) -> None:
    for breach in audit("lapor", files):
        assert breach.text


# -- the three places ---------------------------------------------------------------------------

LOADABLE = [(row, False) for row in SERVICE if row.loads] + [(r, True) for r in FILE if r.loads]


def app_of(folder: Path, row: Row, *, top: bool) -> Small:
    """A catalogue with one app that has the snippet in its Compose file."""
    small = Small(folder, read_shared_templates(ROOT / "templates"))
    small.app("lapor", services={"web": document(row)["services"]["web"] if not top else GOOD})
    if top:
        path = folder / "lapor/compose.yaml"
        import json

        path.write_text(json.dumps({**json.loads(path.read_text()), **row.fields}))
    return small


@pytest.mark.parametrize(("row", "top"), LOADABLE, ids=[r.name for r, _top in LOADABLE])
def test_the_same_is_refused_at_lint_at_pack_and_at_install(
    row: Row, top: bool, tmp_path: Path
) -> None:
    from smartcity_pkg.install import preflight

    small = app_of(tmp_path, row, top=top)
    catalogue = small.catalogue()
    errors = [f.problem.rule for f in lint(catalogue) if f.severity == "error"]
    assert " ".join(sorted(errors)) == row.rules

    plan = a_plan(catalogue)
    pins = {i: f"{i}-0123456789ab" for a in catalogue.apps.values() for i in a.images}
    rendered = render(plan, catalogue, a_pemda(), shared=small.shared, pins=pins)
    with pytest.raises(InputError) as refused:
        exemptions_used(rendered.apps, rendered.files, NOTHING_EXEMPT)
    assert refused.value.exit_code == 20
    assert refused.value.hint
    assert " ".join(sorted(p.rule for p in refused.value.problems)) == row.rules
    assert all(p.file == "app-1/lapor/compose.yaml" for p in refused.value.problems)

    release = Release(
        region="32.15", serial=1, plan=plan, apps=rendered.apps, images=(), files={},
        files_digest="sha256:" + "0" * 64,
    )  # fmt: skip
    question = preflight.Question(
        server="app-1", release=release, facts=None, clock_s=0, files=rendered.files  # type: ignore[arg-type]
    )  # fmt: skip
    found = list(preflight.policy(question))
    assert {f.level for f in found} == {"block"}
    assert " ".join(sorted(f.text[-6:-1] for f in found)) == row.rules


def test_a_release_whose_files_are_not_there_is_not_passed(tmp_path: Path) -> None:
    small = app_of(tmp_path, Row("good", "{}", ""), top=False)
    rendered = small.render()
    with pytest.raises(InputError) as refused:
        exemptions_used(rendered.apps, {}, NOTHING_EXEMPT)
    assert {p.rule for p in refused.value.problems} == {"SC031"}


def test_the_bundled_apps_need_no_exemption(tmp_path: Path) -> None:
    from smartcity_pkg.catalogue.catalogue import load_catalogue

    catalogue = load_catalogue(ROOT / "bundles")
    shared = read_shared_templates(ROOT / "templates")
    pins = {i: f"{i}-0123456789ab" for a in catalogue.apps.values() for i in a.images}
    rendered = render(a_plan(catalogue), catalogue, a_pemda(), shared=shared, pins=pins)
    assert len(rendered.apps) == 6
    assert exemptions_used(rendered.apps, rendered.files, NOTHING_EXEMPT) == ()
