"""The numbered rules: one registry, explained in both languages, and a page that is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from catalogue_texts import COMPOSE, PROVIDER, write_catalogue

from smartcity_pkg.catalogue import rules
from smartcity_pkg.catalogue.catalogue import load_catalogue
from smartcity_pkg.core.errors import InputError, UsageError

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "smartcity_pkg" / "catalogue"


def test_docs_are_what_the_rules_say_today() -> None:
    assert (ROOT / "docs/lint-rules.md").read_text() == rules.as_markdown(), "make reference"


def test_every_number_in_the_code_is_a_rule_and_every_rule_is_used() -> None:
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name != "rules.py":
            used |= set(re.findall(r'"(SC\d{3})"', path.read_text()))
    assert used == set(rules.RULES)


def test_numbers_tell_the_severity_and_stand_in_order() -> None:
    assert list(rules.RULES) == sorted(rules.RULES)
    for one in rules.RULES.values():
        hundred = {"error": "0", "warning": "1", "advice": "2"}[one.severity]
        assert re.fullmatch(rf"SC{hundred}\d\d", one.number)
        assert one.what.endswith(".")
        assert one.why.endswith(".")
        assert one.mend.endswith(".")
        assert one.example


@pytest.mark.parametrize("number", ["SC012", " sc012 "])
def test_a_rule_is_found_in_any_case(number: str) -> None:
    assert rules.rule(number).number == "SC012"


def test_an_unknown_rule_names_one_like_it() -> None:
    with pytest.raises(UsageError) as caught:
        rules.rule("SC01")
    assert "SC" in caught.value.hint


WRONG = [
    ("SC001", "name: lapor\n", "name: lapor\nname: lapor\n"),
    ("SC002", "services:\n", "servces: {}\nservices:\n"),
    ("SC003", "    image:", "    mem_limit: 1G\n    image:"),
    ("SC004", "name: lapor\n", "name: laporan\n"),
    ("SC005", "contoh/lapor:1.2.0", "contoh/lapor"),
    ("SC006", "memory: 192M", "memory: banyak"),
    ("SC007", "    deploy:\n", "    deploy:\n      replicas: 2\n"),
    ("SC008", "    image:", "    depends_on: [db]\n    image:"),
    ("SC009", "    image:", "    ports: ['80']\n    image:"),
    ("SC010", "benefit: 50", "benefit: many"),
    ("SC011", "service: web, target", "service: wev, target"),
    ("SC012", "secrets:\n  db_password: {file", "secrets:\n  other: {file"),
    ("SC013", "health: /lapor/healthz", "health: /healthz"),
    ("SC014", "type: object", "type: objekt"),
    ("SC015", ">=2,<3", ">=3"),
    ("SC016", "conflicts: []", "conflicts: [lapor]"),
    ("SC018", "owner: Contoh", "owner: TO-FILL-IN"),
]


@pytest.mark.parametrize(("number", "old", "new"), WRONG, ids=[w[0] for w in WRONG])
def test_an_error_carries_its_number_and_keeps_its_words(
    number: str, old: str, new: str, tmp_path: Path
) -> None:
    assert old in COMPOSE
    folder = write_catalogue(tmp_path / "apps", COMPOSE, PROVIDER)
    (folder / "lapor" / "compose.yaml").write_text(COMPOSE.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_catalogue(folder)
    problem = caught.value.problems[0]
    assert problem.rule == number
    assert str(problem).endswith(f"{problem.message} [{number}]")
    assert rules.RULES[number].severity == "error"


def test_two_apps_with_one_route_break_sc017(tmp_path: Path) -> None:
    other = COMPOSE.replace("name: lapor", "name: lapor-dua", 1)
    folder = write_catalogue(tmp_path / "apps", COMPOSE, PROVIDER, other)
    with pytest.raises(InputError) as caught:
        load_catalogue(folder)
    assert [p.rule for p in caught.value.problems] == ["SC017"]
