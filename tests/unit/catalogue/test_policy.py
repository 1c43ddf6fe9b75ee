"""`policy.yaml`: who may ask for more, with a reason, and what becomes of such an exemption."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from asking_apps import GOOD, Row
from catalogue_texts import Bad
from catalogue_texts import table as bad_table
from render_world import Small, a_pemda, a_plan
from ship_world import facts

from smartcity_pkg.bundle.admission import exemptions_used
from smartcity_pkg.catalogue.exemption import Exemption
from smartcity_pkg.catalogue.lint import lint, lint_policy
from smartcity_pkg.catalogue.policy import NOTHING_EXEMPT, Policy, load_policy
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.install.preflight import Finding, Question, policy
from smartcity_pkg.render.render import Rendered, render
from smartcity_pkg.render.templates import read_shared_templates

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 24)
REASON = "Reads the sensors of the server room"
POLICY = """\
schema_version: 1
exemptions:
  - app: pemantau
    service: agent
    rule: SC020
    reason: Reads the sensors of the server room
    until: 2027-06-30
secrets:
  - where: "*/pemantau/files/*-agent.conf"
    rule: token
    reason: A token of the vendor's public demonstration
    path: api_token
"""


def load(folder: Path, text: str) -> Policy:
    (folder / "policy.yaml").write_text(text)
    return load_policy(folder / "policy.yaml", "policy.yaml")[0]


def exempt(rule: str = "SC020", app: str = "lapor", **more: object) -> Policy:
    return Policy.model_validate(
        {"schema_version": 1, "exemptions": [{"app": app, "rule": rule, "reason": REASON, **more}]}
    )


# -- the file -----------------------------------------------------------------------------------


def test_a_policy_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, POLICY)
    (exemption,) = found.exemptions
    assert (exemption.app, exemption.service, exemption.rule) == ("pemantau", "agent", "SC020")
    assert exemption.until == date(2027, 6, 30)
    assert found.secrets[0].path == "api_token"


def test_without_the_file_nothing_is_exempt(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "policy.yaml")[0] == NOTHING_EXEMPT


WHY = "    reason: Reads the sensors of the server room\n"
ROWS = [
    Bad("no reason", WHY, "", "“exemptions.0.reason” is missing", at="- app: pemantau"),
    Bad("empty reason", WHY, '    reason: ""\n', "at least 15 letters", at="reason:"),
    Bad("short reason", WHY, "    reason: needed\n", "at least 15 letters", at="reason: needed"),
    Bad("blank reason", WHY, f'    reason: "x{" " * 30}y"\n', "at least 15 letters", at="reason:"),
    Bad("unknown rule", "SC020", "SC099", "SC099", at="rule: SC099"),
    Bad("rule without exemption", "SC020", "SC031", "SC031", at="rule: SC031"),
    Bad("unknown field", "until:", "til:", "unknown field", at="til:"),
    Bad("no date", "2027-06-30", "next year", "date", at="until:"),
    Bad("later version", "schema_version: 1", "schema_version: 2", "schema_version"),
    Bad("which value", "    path: api_token\n", "", "value_sha256", at="- where:"),
    Bad("no digest", "path: api_token", "value_sha256: abc", "value_sha256", at="value_sha256"),
]


@bad_table(ROWS)
def test_a_fault_is_told_with_its_line(row: Bad, tmp_path: Path) -> None:
    spoilt = row.spoil(POLICY)
    row.expect(spoilt, "policy.yaml", lambda: load(tmp_path, spoilt))


# -- what an exemption does -----------------------------------------------------------------------


def world(folder: Path, *rows: Row) -> Small:
    small = Small(folder / "apps", read_shared_templates(ROOT / "templates"))
    fields = {key: value for row in rows for key, value in row.fields.items()}
    small.app("lapor", services={"web": {**GOOD, **fields}, "lain": {**GOOD, **fields}})
    return small


PRIVILEGED = Row("privileged", "privileged: true", "SC020")


def rendered(small: Small) -> tuple[Rendered, Release]:
    catalogue = small.catalogue()
    plan = a_plan(catalogue)
    pins = {i: f"{i}-0123456789ab" for a in catalogue.apps.values() for i in a.images}
    made = render(plan, catalogue, a_pemda(), shared=small.shared, pins=pins)
    release = Release(
        region="32.15", serial=1, plan=plan, apps=made.apps, images=(), files={},
        files_digest="sha256:" + "0" * 64,
    )  # fmt: skip
    return made, release


def at_install(
    made: Rendered, release: Release, exemptions: tuple[Exemption, ...], day: date = TODAY
) -> list[Finding]:
    from datetime import UTC, datetime

    clock_s = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    signed = release.model_copy(update={"exemptions": exemptions})
    question = Question("app-1", facts(), clock_s, signed, made.files)
    return list(policy(question))


def test_a_reason_opens_the_way_at_all_three_places(tmp_path: Path) -> None:
    small, allowed = world(tmp_path, PRIVILEGED), exempt()
    catalogue = small.catalogue()
    assert not [f for f in lint(catalogue, policy=allowed) if f.severity == "error"]
    made, release = rendered(small)
    used = exemptions_used(made.apps, made.files, allowed)
    assert used == allowed.exemptions
    found = at_install(made, release, used)
    assert {f.level for f in found} == {"warn"}
    assert all(REASON in f.text and "SC020" in f.text for f in found)


def test_a_server_accepts_the_exemptions_of_the_release_and_no_others(tmp_path: Path) -> None:
    made, release = rendered(world(tmp_path, PRIVILEGED, Row("", "cap_add: [BPF]", "")))
    found = at_install(made, release, exempt().exemptions)
    assert [f.level for f in found].count("block") == 2
    assert all(("SC024" in f.text) == (f.level == "block") for f in found)


@pytest.mark.parametrize(
    "other", [exempt("SC021"), exempt(app="laksa"), exempt(service="lain")], ids=str
)
def test_an_exemption_is_for_its_app_service_and_rule_alone(other: Policy, tmp_path: Path) -> None:
    made, _release = rendered(world(tmp_path, PRIVILEGED))
    with pytest.raises(InputError) as refused:
        exemptions_used(made.apps, made.files, other)
    assert any("lapor/web" in p.message for p in refused.value.problems)


def test_exemptions_that_are_not_needed_do_not_travel(tmp_path: Path) -> None:
    made, _release = rendered(world(tmp_path))
    assert exemptions_used(made.apps, made.files, exempt()) == ()


def test_an_expired_exemption_no_longer_counts(tmp_path: Path) -> None:
    small, allowed = world(tmp_path, PRIVILEGED), exempt(until="2026-11-24")
    made, release = rendered(small)
    assert exemptions_used(made.apps, made.files, allowed.on(TODAY)) == allowed.exemptions
    assert allowed.on(date(2026, 11, 25)).exemptions == ()
    assert {f.level for f in at_install(made, release, allowed.exemptions)} == {"warn"}
    later = at_install(made, release, allowed.exemptions, date(2026, 11, 25))
    assert {f.level for f in later} == {"block"}


def test_lint_warns_of_exemptions_that_are_unused_or_expired(tmp_path: Path) -> None:
    catalogue = world(tmp_path, PRIVILEGED).catalogue()

    def said(text: str) -> list[str]:
        (tmp_path / "policy.yaml").write_text(f"schema_version: 1\nexemptions:\n{text}")
        given, document = load_policy(tmp_path / "policy.yaml", "policy.yaml")
        found = lint_policy(catalogue, given, document, TODAY)
        assert {f.severity for f in found} <= {"warning"}
        return [str(f.problem) for f in found]

    entry = f"  - {{app: lapor, rule: SC020, reason: {REASON}"
    assert said(f"{entry}}}\n") == []
    [unused] = said(f"{entry}}}\n  - {{app: lapor, rule: SC022, reason: {REASON}}}\n")
    assert unused.startswith("policy.yaml:4:")
    assert "SC113" in unused
    [expired] = said(f"{entry}, until: 2026-11-23}}\n")
    assert "2026-11-23" in expired


def test_a_draft_may_still_ask(tmp_path: Path) -> None:
    small = Small(tmp_path / "apps", {})
    draft = {"draft": [{"at": "services.web", "todo": "see whether it works without"}]}
    small.app("lapor", spec=draft, services={"web": {**GOOD, "privileged": True}})
    found = [f for f in lint(small.catalogue()) if f.problem.rule == "SC020"]
    assert [f.severity for f in found] == ["warning"]


def test_exemptions_travel_in_one_order_whatever_the_policy_and_the_apps_say(
    tmp_path: Path,
) -> None:
    small = world(tmp_path, PRIVILEGED, Row("", "cap_add: [BPF]", ""))
    small.app(
        "arsip", spec={"requires": [{"app": "lapor"}]}, services={"web": {**GOOD, "pid": "host"}}
    )
    made, _release = rendered(small)
    assert [a.app for a in made.apps] == ["lapor", "arsip"]
    several = [
        *exempt("SC024").exemptions,
        *exempt().exemptions,
        *exempt("SC021", "arsip").exemptions,
    ]
    for given in (several, several[::-1]):
        allowed = Policy(schema_version=1, exemptions=tuple(given))
        used = exemptions_used(made.apps, made.files, allowed)
        assert [(e.app, e.rule) for e in used] == [
            ("arsip", "SC021"), ("lapor", "SC020"), ("lapor", "SC024"),
        ]  # fmt: skip
