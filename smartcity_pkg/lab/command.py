"""Run this machine's own tools (ip, mmdebstrap, nsenter …) and turn their failures into ours.

What is run, and why, is the business of the modules that call it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _

_SHELL = Path(__file__).parent / "shell"
_SHOWN_LINES = 12


def script(name: str) -> str:
    """The path of one of the shell parts that ship with this package."""
    return str(_SHELL / name)


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> str:
    """Run `argv` and give its standard output; anything but status 0 is a `LabError`."""
    result = run_raw(argv, stdin=stdin, env=env, timeout_s=timeout_s)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).decode(errors="replace").strip()
        raise LabError(
            _("{command} failed with status {status}: {said}").format(
                command=" ".join(argv[:6]),
                status=result.returncode,
                said="\n".join(said.splitlines()[-_SHOWN_LINES:]),
            )
        )
    return result.stdout.decode(errors="replace")


def run_raw(
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` and give what happened; only a missing tool or a time-out is an error."""
    fed: dict[str, Any] = (
        {"input": stdin} if stdin is None or isinstance(stdin, bytes) else {"stdin": stdin}
    )
    try:
        return subprocess.run(
            list(argv),
            text=False,
            **fed,
            env=env,
            timeout=timeout_s,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(_("the program {name} is not installed").format(name=argv[0])) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            _("{command} did not end within {seconds} s").format(
                command=" ".join(argv[:6]), seconds=round(timeout_s)
            )
        ) from error


def wait_until(done: Callable[[], bool], *, timeout_s: float, pause_s: float = 0.03) -> bool:
    """Poll `done` until it is true; false when `timeout_s` went by first."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
