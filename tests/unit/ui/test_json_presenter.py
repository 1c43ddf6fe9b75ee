"""What programs read: one document on standard output, lines on standard error."""

from __future__ import annotations

import json

import pytest

from smartcity_pkg.core.errors import InputError, LockedError, Problem
from smartcity_pkg.core.progress import Note, Step, Transfer
from smartcity_pkg.ui.json import SCHEMA_VERSION, JsonPresenter
from smartcity_pkg.ui.presenter import Line, Result


def test_the_document_carries_its_version_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPresenter().result(Result("plan", {"benefit": 290, "pemda": "Kabupaten Karawang"}))
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "schema_version": SCHEMA_VERSION,
        "kind": "plan",
        "benefit": 290,
        "pemda": "Kabupaten Karawang",
    }
    assert list(json.loads(out))[:2] == ["schema_version", "kind"]


def test_no_data_can_hide_the_documents_own_version(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPresenter().result(Result("app", {"schema_version": 9, "kind": "other", "name": "laksa"}))
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["kind"]) == (SCHEMA_VERSION, "app")


def test_parts_for_people_stay_out_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPresenter().result(Result("packed", {}, (Line("Next: smartcity ship"),)))
    assert "Next" not in capsys.readouterr().out


def test_events_are_one_line_each_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 2.0])
    presenter = JsonPresenter(lambda: next(times))
    presenter.progress(Step("Memeriksa\nbundel"))
    presenter.progress(Note("slow", warning=True))
    presenter.progress(Transfer("ship:a", "Sending", 50, 100, saved=7))
    presenter.progress(Transfer("ship:a", "Sending", 60, 100, saved=7))
    out, err = capsys.readouterr()
    assert out == ""
    transfer = {"event": "transfer", "task": "ship:a", "text": "Sending", "total": 100, "saved": 7}
    assert [json.loads(line) for line in err.splitlines()] == [
        {"event": "step", "text": "Memeriksa\nbundel"},
        {"event": "note", "text": "slow", "warning": True},
        {**transfer, "done": 50, "bytes_per_s": None, "seconds_left": None},
        {**transfer, "done": 60, "bytes_per_s": 5, "seconds_left": 8},
    ]


def test_an_error_is_one_line_with_all_that_it_carries(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPresenter().error(LockedError("held by\nanother", "wait"))
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert json.loads(line) == {
        "schema_version": SCHEMA_VERSION,
        "error": {
            "code": "locked",
            "exit_code": 11,
            "message": "held by\nanother",
            "hint": "wait",
            "transient": True,
        },
    }


def test_a_bad_file_tells_every_problem_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPresenter().error(InputError([Problem("one", "a.yaml", 3, 7, "fix"), Problem("two")]))
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["problems"] == [
        {"message": "one", "file": "a.yaml", "line": 3, "column": 7, "hint": "fix", "rule": ""},
        {"message": "two", "file": "", "line": 0, "column": 0, "hint": "", "rule": ""},
    ]
