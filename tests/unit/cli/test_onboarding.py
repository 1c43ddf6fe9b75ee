"""`catalogue import`, `lint --explain` and `schema` as commands: files and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from foreign_compose import FOREIGN

ROOT = Path(__file__).parents[3]


def smartcity(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("SMARTCITY_LANG", "LANGUAGE")}
    return subprocess.run(
        [sys.executable, "-m", "smartcity_pkg", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "blog" / "docker-compose.yml"
    file.parent.mkdir()
    file.write_text(FOREIGN[0].text)
    return file


def test_an_import_writes_a_draft_that_lint_knows(tmp_path: Path, source: Path) -> None:
    done = smartcity(tmp_path, "catalogue", "import", str(source))
    assert done.returncode == 0, done.stderr
    draft = tmp_path / "drafts" / "blog" / "compose.yaml"
    assert "drafts/blog/compose.yaml:" in done.stdout
    assert draft.is_file()
    checked = smartcity(tmp_path, "catalogue", "lint", "drafts/blog", "--json")
    findings = json.loads(checked.stdout)["findings"]
    assert {f["rule"] for f in findings} >= {"SC029", "SC112"}
    assert all(f["file"] == "drafts/blog/compose.yaml" and f["line"] for f in findings)
    all_drafts = smartcity(tmp_path, "catalogue", "lint", "drafts", "--json")
    assert json.loads(all_drafts.stdout) == json.loads(checked.stdout)


def test_a_folder_without_any_app_is_refused(tmp_path: Path) -> None:
    (tmp_path / "drafts").mkdir()
    done = smartcity(tmp_path, "catalogue", "lint", "drafts")
    assert done.returncode == 20
    assert "drafts/compose.yaml" in done.stderr


def test_json_tells_every_row(tmp_path: Path, source: Path) -> None:
    done = smartcity(tmp_path, "--json", "catalogue", "import", str(source), "--name", "blog-kota",
                     "--out", "apps")  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["app"] == "blog-kota"
    assert {f["kind"] for f in answer["findings"]} >= {"missing", "changed", "secret"}
    assert (tmp_path / "apps/blog-kota/compose.yaml").is_file()


def test_nothing_of_a_person_is_overwritten(tmp_path: Path, source: Path) -> None:
    assert smartcity(tmp_path, "catalogue", "import", str(source)).returncode == 0
    again = smartcity(tmp_path, "catalogue", "import", str(source))
    assert again.returncode == 2
    assert "--name" in again.stderr
    assert smartcity(tmp_path, "catalogue", "import", str(source), "--name", "X Y").returncode == 2


@pytest.mark.parametrize(
    ("name", "text"), [("none.yml", None), ("list.yml", "[]"), ("bad.yml", "services: [")]
)
def test_what_is_no_compose_file_is_bad_input(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = smartcity(tmp_path, "catalogue", "import", name)
    assert done.returncode == 20
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "drafts").exists()


def test_files_outside_the_folder_are_not_read(tmp_path: Path, source: Path) -> None:
    (tmp_path / "rahasia.env").write_text("JAUH=dibaca\n")
    source.write_text("services: {a: {image: x:1, env_file: ../rahasia.env}}")
    smartcity(tmp_path, "catalogue", "import", str(source))
    draft = (tmp_path / "drafts/blog/compose.yaml").read_text()
    assert "dibaca" not in draft


def test_a_rule_is_explained(tmp_path: Path) -> None:
    done = smartcity(tmp_path, "catalogue", "lint", "--explain", "sc012")
    assert done.returncode == 0
    assert "SC012" in done.stdout
    assert "db_password" in done.stdout
    assert smartcity(tmp_path, "catalogue", "lint", "--explain", "SC999").returncode == 2


def test_a_schema_on_the_screen_is_json(tmp_path: Path) -> None:
    done = smartcity(tmp_path, "catalogue", "schema", "plan")
    assert json.loads(done.stdout)["$id"] == "urn:smartcity:schema:plan:1"


def test_schemas_are_written_for_editors(tmp_path: Path) -> None:
    assert smartcity(tmp_path, "catalogue", "schema", "--out", "s").returncode == 0
    files = sorted(p.name for p in (tmp_path / "s").iterdir())
    assert files == [f"smartcity-{n}.schema.json" for n in ("app", "pemda", "plan", "policy")]
    assert all(json.loads((tmp_path / "s" / f).read_text())["title"] for f in files)
