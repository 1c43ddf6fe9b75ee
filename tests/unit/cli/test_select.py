"""`select` and its questions, and `plan diff`, as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workspace import Ran

ANAMBAS = ("select", "21.05", "--date", "2026-06-01")


class Folder:
    """An empty folder; the example profiles and apps stand in for its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *words: str) -> Ran:
        environment = {**os.environ, "HOME": str(self.path), "SMARTCITY_LANG": "en"}
        done = subprocess.run(
            [sys.executable, "-m", "smartcity_pkg", *words],
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_report_is_written_beside_the_plan_and_is_the_same_every_time(folder: Folder) -> None:
    done = folder.run(*ANAMBAS, "--report", "report.html", "--json")
    assert done.code == 0, done.err
    assert done.json["report"] == "report.html"
    assert folder.files == ["plans/21.05.yaml", "report.html"]
    page = (folder.path / "report.html").read_bytes()
    assert b"Kabupaten Kepulauan Anambas" in page
    assert b"1 June 2026" in page
    assert folder.run(*ANAMBAS, "--report", "again.html").code == 0
    assert (folder.path / "again.html").read_bytes() == page


def test_what_if_compares_two_plans_and_writes_none(folder: Folder) -> None:
    change = "staff.layanan=+1,bandwidth=+20Mbps"
    done = folder.run(*ANAMBAS, "--what-if", change, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["kind"] == "what-if"
    assert found["before"]["benefit"] < found["after"]["benefit"]
    gained = {a["app"] for a in found["after"]["apps"]} - {
        a["app"] for a in found["before"]["apps"]
    }
    assert set(found["difference"]["added"]) == gained != set()
    assert folder.files == []
    told = folder.run(*ANAMBAS, "--what-if", change).out
    assert "No plan was written." in told
    assert all(name in told for name in gained)


def test_a_question_in_several_options_is_asked_as_a_whole(folder: Folder) -> None:
    changes = ("--what-if", "staff.layanan=+1", "--what-if", "bandwidth=+20Mbps")
    whole = ("--what-if", "staff.layanan=+1,bandwidth=+20Mbps")
    assert folder.run(*ANAMBAS, *changes).out == folder.run(*ANAMBAS, *whole).out
    wishes = ("--wish", "perizinan", "--wish", "siap-kerja", "--json")
    assert folder.run(*ANAMBAS, *wishes).json["wished"] == ["perizinan", "siap-kerja"]


def test_what_each_app_left_out_lacks_is_enough_to_have_it(folder: Folder) -> None:
    """The plan file's `extra`, put into the profile, brings the app."""
    assert folder.run(*ANAMBAS).code == 0
    plan = yaml.safe_load((folder.path / "plans/21.05.yaml").read_text())
    left = next(x for x in plan["left_out"] if x["extra"])
    names = {"bandwidth_kbps": "bandwidth=+{}kbps", "memory_mib": "server.{}.memory=+{}MiB"}
    changes = []
    for extra in left["extra"]:
        limit, amount = extra["limit"], extra["amount"]
        if limit.startswith("staff:"):
            changes.append(f"staff.{limit.removeprefix('staff:')}=+{amount}")
        elif extra["scope"] == "pemda":
            changes.append(names[limit].format(amount))
        else:
            changes.append(names[limit].format(extra["scope"], amount))
    done = folder.run(*ANAMBAS, "--what-if", ",".join(changes), "--json")
    assert left["app"] in done.json["difference"]["added"]


def test_a_wish_names_what_to_buy_and_writes_no_plan(folder: Folder) -> None:
    done = folder.run(*ANAMBAS, "--wish", "perizinan,siap-kerja", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert (found["kind"], found["wished"]) == ("wish", ["perizinan", "siap-kerja"])
    assert found["smallest"]["proven"]
    assert {"perizinan", "siap-kerja"} <= set(found["smallest"]["placement"])
    assert folder.files == []


def test_two_plans_are_compared(folder: Folder) -> None:
    assert folder.run(*ANAMBAS, "-o", "a.yaml").code == 0
    text = (folder.path / "a.yaml").read_text()
    (folder.path / "b.yaml").write_text(text.replace("version: 17.0.0", "version: 18.0.0"))
    found = folder.run("plan", "diff", "a.yaml", "b.yaml", "--json").json
    assert found["kind"] == "plan-difference"
    assert found["versions"] == [{"app": "postgres", "before": "17.0.0", "after": "18.0.0"}]
    assert {a["app"] for a in found["affected"]} > {"postgres"}
    assert "interrupted while postgres" in folder.run("plan", "diff", "a.yaml", "b.yaml").out
    assert "The same apps" in folder.run("plan", "diff", "a.yaml", "a.yaml").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--what-if", "memory=+1", "--wish", "laksa"), "--what-if, --wish"),
        (("--what-if", "memory=+1", "--out", "x.yaml"), "--what-if, --out"),
        (("--wish", "laksa", "--report", "x.html"), "--wish, --report"),
        (("--wish", ","), "--wish names no app"),
        (("--wish", "laksaa"), "no such app: laksaa"),
        (("--what-if", "memory=16"), "memory=16"),
    ],
)
def test_questions_that_cannot_be_meant_are_refused(
    folder: Folder, words: tuple[str, ...], says: str
) -> None:
    done = folder.run(*ANAMBAS, *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert folder.files == []
