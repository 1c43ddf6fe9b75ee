"""The plan's file: what is written is read back; what people spoil is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_texts import PLAN, Bad, table

from smartcity_pkg.catalogue.plan import load_plan, to_yaml
from smartcity_pkg.core.errors import InputError

ROWS = [
    Bad("region as a number", '"32.15"', "32.15", "“region” is a number", 'region: "32.15"'),
    Bad("unknown field", "bound: 50", "bound: 50\nnote: hi", "unknown field “note”", at="note"),
    Bad("another kind", "kind: plan", "kind: pemda", "expected 'plan' (got: pemda)"),
    Bad("newer schema", "schema_version: 1", "schema_version: 2", "expected 1"),
    Bad("no server", "servers: [satu]", "servers: []", "“apps.0.servers”: must not be empty"),
    Bad("version as number", "version: 2.1.0", "version: 2.1", "a number", 'version: "2.1"'),
    Bad("missing reason", "    reason: it fits\n", "", "“apps.1.reason”", at="- app: lapor"),
    Bad("an app twice", "- app: lapor", "- app: basis # again", "“basis” stands", "keep one"),
    Bad("chosen and left out", "- app: surat", "- app: lapor #", "stands in this plan twice"),
    Bad("tab", "    version: 1.2.0", "\tversion: 1.2.0", "not valid YAML", "spaces"),
]


@table(ROWS)
def test_bad_plan_is_refused_with_line_and_cure(row: Bad, tmp_path: Path) -> None:
    spoilt = row.spoil(PLAN)
    file = tmp_path / "plan.yaml"
    file.write_text(spoilt)
    row.expect(spoilt, str(file), lambda: load_plan(file))


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file does not exist"):
        load_plan(tmp_path / "plan.yaml")


def test_a_plan_written_and_read_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    plan = load_plan(file)
    file.write_text(to_yaml(plan))
    assert load_plan(file) == plan
    assert to_yaml(load_plan(file)) == to_yaml(plan)


@pytest.mark.parametrize(
    "text", ["on", "1:30", "0812", "~", "2024-01-01", "1.10", "1e3", "0x1", "<<"]
)
def test_no_text_changes_on_its_way_through_a_plan(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    plan = load_plan(file).model_copy(update={"pemda": text})
    file.write_text(to_yaml(plan))
    assert load_plan(file).pemda == text
