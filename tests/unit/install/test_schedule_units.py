"""The units of the nightly backup, judged by systemd's own tools; systemd itself need not run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from smartcity_pkg.install.schedule import UNIT, units


@pytest.fixture
def analyze() -> str:
    """`systemd-analyze`; without it a skip, in CI a failure."""
    found = shutil.which("systemd-analyze")
    if found is None:
        reason = "no systemd-analyze (Debian package systemd)"
        if os.environ.get("SMARTCITY_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_systemd_takes_the_units_without_a_complaint(analyze: str, tmp_path: Path) -> None:
    script = tmp_path / "backup.sh"
    script.write_text("exit 0\n")
    for kind, text in zip(("service", "timer"), units(str(script), "02:30", 14), strict=True):
        (tmp_path / f"{UNIT}.{kind}").write_text(text)
        argv = [analyze, "verify", "--man=no", str(tmp_path / f"{UNIT}.{kind}")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if UNIT in line]
        assert (done.returncode, said) == (0, []), done.stderr
    broken = tmp_path / f"{UNIT}.timer"
    broken.write_text(broken.read_text().replace("OnCalendar=*-*-*", "OnCalendar=*-*-x"))
    argv = [analyze, "verify", "--man=no", str(broken)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert UNIT in done.stderr, "the judge sees what is wrong"


@pytest.mark.parametrize(
    ("daily", "after", "then"),
    [
        ("02:30", "2026-05-01 00:00:00", "2026-05-01 02:30:00"),
        ("02:30", "2026-05-01 02:30:00", "2026-05-02 02:30:00"),
        ("23:59", "2026-12-31 23:59:30", "2027-01-01 23:59:00"),
        ("00:00", "2028-02-28 12:00:00", "2028-02-29 00:00:00"),
    ],
)
def test_the_timer_elapses_once_a_day_at_that_time(
    analyze: str, daily: str, after: str, then: str
) -> None:
    _service, timer = units("/var/lib/smartcity/backup.sh", daily, 14)
    [calendar] = [
        line.removeprefix("OnCalendar=")
        for line in timer.splitlines()
        if line.startswith("OnCalendar=")
    ]
    argv = [analyze, "calendar", "--base-time", after, calendar]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    [elapse] = [line for line in done.stdout.splitlines() if "Next elapse" in line]
    assert then in elapse
