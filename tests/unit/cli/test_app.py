"""The command as a process: what it refuses, where it says so, and what it ends with."""

from __future__ import annotations

import gettext
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

import smartcity_pkg

LOCALE = Path(smartcity_pkg.__file__).parent / "locale"
KNOWN = "Show the version and exit."
ARGV = [sys.executable, "-m", "smartcity_pkg"]

REFUSED = [
    # name, line, what stands in the message, what stands in the hint (English)
    ("unknown command", "nosuch", "nosuch", "select, render, pack"),
    ("unknown command of a group", "catalogue nosuch", "nosuch", "list, show, lint"),
    ("unknown option", "select 32.15 --nosuch", "--nosuch", "smartcity select --help"),
    ("unknown option of a group", "key --nosuch", "--nosuch", "smartcity key --help"),
    ("missing argument", "select", "pemda", "smartcity select --help"),
    ("missing option", "render 32.15", "--out", "smartcity render --help"),
    ("missing value", "pack 32.15 --out", "--out", "smartcity pack --help"),
    ("value of a flag", "uninstall 32.15 --yes=no", "--yes", "smartcity uninstall --help"),
    ("value that is no number", "pack 32.15 --serial one", "--serial", "smartcity pack --help"),
    ("number too small", "pack 32.15 --serial 0", "--serial", "smartcity pack --help"),
    ("too many arguments", "status 32.15 32.16", "32.16", "smartcity status --help"),
    ("date that is none", "select 32.15 --date 2026-13-01", "2026-13-01", ""),
    ("unknown app", "catalogue show laksaa", "laksaa", "laksa"),
    ("unknown profile", "pemda show surabaya", "surabaya", "32.15"),
    ("no workspace", "--workspace /no/such select 32.15", "/no/such", "mkdir -p /no/such"),
    ("unknown language", "--lang jv select 32.15", "jv", ""),
]
LINES = [pytest.param(*row[1:], id=row[0]) for row in REFUSED]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Without the language and the folders of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "SMARTCITY"))}
    return {**kept, "HOME": str(tmp_path), "COLUMNS": "200"}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Any:
    """Run a line in an empty folder; stdout and stderr apart."""

    def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ARGV, *line.split()],
            cwd=tmp_path,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize(("line", "says", "cure"), LINES)
def test_a_line_that_cannot_be_meant_ends_with_2_and_says_what_to_do(
    run: Any, line: str, says: str, cure: str
) -> None:
    done = run(line)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    message, _colon, hint = done.stderr.partition("What to do: ")
    assert says in message
    assert cure in hint
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nosuch --json", "nosuch"),
        ("--json select", "pemda"),
        ("--json", "the command is not complete"),
        ("key --json", "the command is not complete"),
        ("--workspace /no/such select 32.15 --json", "/no/such"),
        ("--lang jv --json", "jv"),
        ("pemda show nowhere.yaml --json", "nowhere.yaml"),
        ("select 32.15 --out /proc/no --json", "/proc/"),
    ],
)
def test_with_json_an_error_is_one_line_on_standard_error(run: Any, line: str, says: str) -> None:
    done = run(line)
    assert done.stdout == ""
    (only,) = [x for x in done.stderr.splitlines() if "event" not in json.loads(x)]
    document = json.loads(only)
    assert document["schema_version"] == 1
    error = document["error"]
    assert says in error["message"]
    assert error["exit_code"] == done.returncode != 0


def test_what_stands_after_two_dashes_is_no_option(run: Any) -> None:
    done = run("pemda show -- --json")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ") and "--json" in done.stderr


@pytest.mark.parametrize("line", ["--help", "pack --help", "catalogue --help", "--version"])
def test_help_is_a_result_and_ends_with_0(run: Any, line: str) -> None:
    done = run(line)
    assert (done.returncode, done.stderr) == (0, "")
    assert "smartcity" in done.stdout


@pytest.mark.parametrize("line", ["", "key"])
def test_a_group_alone_shows_its_help_on_standard_error(run: Any, line: str) -> None:
    done = run(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: smartcity")


# -- language -------------------------------------------------------------------------------------


def indonesian() -> None:
    """Skip where the translations are not compiled yet (`pip install -e .` does it)."""
    spoken = gettext.translation("smartcity", LOCALE, ["id"], fallback=True)
    if spoken.gettext(KNOWN) == KNOWN:
        pytest.skip("the Indonesian catalogue is not compiled")


@pytest.mark.parametrize(("line", "says", "cure"), LINES[:3] + LINES[4:9])
def test_errors_are_told_in_indonesian(run: Any, line: str, says: str, cure: str) -> None:
    indonesian()
    done = run(f"--lang id {line}")
    english = run(line)
    assert done.returncode == 2
    assert says in done.stderr
    assert not set(done.stderr.splitlines()) & set(english.stderr.splitlines())


def test_help_is_told_in_indonesian(run: Any) -> None:
    indonesian()
    done = run("--help", SMARTCITY_LANG="id")
    assert "Usage:" not in done.stdout and KNOWN not in done.stdout


@pytest.mark.parametrize("variable", ["SMARTCITY_LANG", "LC_ALL", "LC_MESSAGES", "LANG"])
def test_the_environment_chooses_the_language(run: Any, variable: str) -> None:
    indonesian()
    assert run("nosuch", **{variable: "id_ID.UTF-8"}).stderr == run("--lang id nosuch").stderr
    english = run("--lang en nosuch", **{variable: "id_ID.UTF-8"})
    assert english.stderr.startswith("Error: ")


def test_even_a_wrong_workspace_is_told_in_the_language_asked_for(run: Any) -> None:
    indonesian()
    done = run("--workspace /no/such --lang id select 32.15")
    assert "/no/such" in done.stderr and "is not a folder" not in done.stderr


# -- pipes and interruption -----------------------------------------------------------------------


@contextmanager
def closed_pipe() -> Iterator[IO[bytes]]:
    """The writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        yield stream


@pytest.mark.parametrize(
    ("line", "code"),
    [("catalogue list --json", 0), ("catalogue list", 0), ("--help", 1)],
)
def test_a_reader_that_has_seen_enough_is_no_fault(
    environment: dict[str, str], tmp_path: Path, line: str, code: int
) -> None:
    with closed_pipe() as pipe:
        done = subprocess.run(
            [*ARGV, *line.split()],
            cwd=tmp_path,
            env=environment,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("json_wanted", [[], ["--json"]])
def test_work_goes_on_where_nobody_reads_its_progress(
    environment: dict[str, str], tmp_path: Path, json_wanted: list[str]
) -> None:
    with closed_pipe() as pipe:
        done = subprocess.run(
            [sys.executable, "-c", PROGRESS, *json_wanted],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=pipe,
            text=True,
            timeout=60,
            check=False,
        )
    assert "done" in done.stdout


PROGRESS = """
import sys
from smartcity_pkg.cli.common import CommonOptions, make_presenter
from smartcity_pkg.core.progress import Note, Step, Transfer
presenter = make_presenter(CommonOptions(json="--json" in sys.argv))
for event in (Step("one"), Note("two"), Transfer("three", "three", 1, 2)):
    presenter.progress(event)
print("done")
"""


@pytest.mark.parametrize("json_wanted", [False, True])
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_made(
    environment: dict[str, str], tmp_path: Path, json_wanted: bool
) -> None:
    """The password question of `key new` is where a person can be relied on to be waited for."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ARGV, "key", "new", *(["--json"] if json_wanted else [])],
        cwd=tmp_path,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    asked = _read_until(terminal, b"Password")
    process.send_signal(signal.SIGINT)
    out, _err = process.communicate(timeout=30)
    said = asked + _rest(terminal)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in said
    assert b"interrupted" in said
    assert list(tmp_path.rglob("*.key")) == []
    if json_wanted:
        error = json.loads(said.splitlines()[-1])["error"]
        assert (error["code"], error["exit_code"]) == ("interrupted", 130)


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    deadline, found = time.monotonic() + 30, b""
    while wanted not in found:
        assert time.monotonic() < deadline, found
        found += os.read(descriptor, 4096)
    return found


def _rest(descriptor: int) -> bytes:
    found = b""
    try:
        while chunk := os.read(descriptor, 4096):
            found += chunk
    except OSError:  # EIO: the other side of the terminal is closed
        pass
    os.close(descriptor)
    return found
