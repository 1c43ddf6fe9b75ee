"""Advice: each piece with its line, and none where nothing can be said."""

from __future__ import annotations

from pathlib import Path

from catalogue_texts import COMPOSE, PROVIDER, Bad, table, write_catalogue

from smartcity_pkg.catalogue.catalogue import load_catalogue
from smartcity_pkg.catalogue.lint import Finding, lint


def findings(tmp_path: Path, compose: str) -> tuple[Finding, ...]:
    """What is said of this app in a catalogue with its provider."""
    return lint(load_catalogue(write_catalogue(tmp_path / "apps", compose, PROVIDER)))


def test_a_sound_app_gets_no_advice(tmp_path: Path) -> None:
    assert findings(tmp_path, COMPOSE) == ()


HEALTH = '    healthcheck:\n      test: [CMD, "true"]\n'
RESERVED = "        reservations: {cpus: 0.05, memory: 80M}\n"
LIMITS = 'limits: {cpus: "0.50", memory: 192M}'
USER = '    user: "10001:10001"\n'
ROWS = [
    Bad("no health check", HEALTH, "", "no health check", at="  web:"),
    Bad("no limit", LIMITS, 'limits: {cpus: "1"}', "no memory limit"),
    Bad("no CPU limit", LIMITS, "limits: {memory: 192M}", "no CPU limit"),
    Bad("no reservation", RESERVED, "", "no reservation", at="resources:"),
    Bad("root", USER, '    user: "0:0"\n', "runs as root"),
    Bad("no user", USER, "", "runs as root", at="  web:"),
    Bad("writable", "    read_only: true\n", "", "root file system is writable", at="  web:"),
    Bad("capabilities", "    cap_drop: [ALL]\n", "", "keeps capabilities", at="  web:"),
    Bad("moving tag", "lapor:1.2.0", "lapor:stable", "contoh/lapor:stable moves"),
    Bad("own port", USER, f"    ports: ['80:80']\n{USER}", "publishes a port"),
    Bad("ignored", USER, f"    restart: always\n{USER}", "docker stack ignores “restart”"),
    Bad("bind mount", "- data:/data", "- ./data:/data", "so that it can be written"),
    Bad("bind to read", "- data:/data", "- ./data:/data:ro", "mounts a folder of the app's own"),
    Bad("long bind", "- data:/data", "- {type: bind, source: /d, target: /d}", "mounts /d"),
    Bad("one language", "en: Citizens report", "en: Laporan warga", "summary are the same"),
    Bad("stray conflict", "conflicts: []", "conflicts: [peta]", "“peta”"),
    Bad(
        "unread secret", "    secrets: [db_password]\n", "", "no service", at="db_password: {share"
    ),
]


@table(ROWS)
def test_advice_stands_at_its_line(row: Bad, tmp_path: Path) -> None:
    spoilt = row.spoil(COMPOSE)
    (finding,) = findings(tmp_path, spoilt)
    assert row.says in finding.problem.message
    assert finding.problem.file.endswith("lapor/compose.yaml")
    assert finding.problem.line == row.line_in(spoilt)


def test_a_template_that_nothing_uses_is_named(tmp_path: Path) -> None:
    folder = write_catalogue(tmp_path, COMPOSE, PROVIDER)
    (folder / "lapor" / "templates" / "old.conf.j2").write_text("x")
    (finding,) = lint(load_catalogue(folder))
    assert finding.severity == "advice"
    assert "templates/old.conf.j2" in finding.problem.message


def test_a_platform_app_may_publish_a_port(tmp_path: Path) -> None:
    provider = PROVIDER.replace("    user:", "    ports: ['80:80']\n    user:")
    assert lint(load_catalogue(write_catalogue(tmp_path, COMPOSE, provider))) == ()
