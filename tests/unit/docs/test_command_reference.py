"""docs/commands.md is what the command line says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
GENERATOR = ROOT / "tests/support/command_reference.py"


def test_the_committed_reference_is_what_the_command_line_says_today() -> None:
    # A process of its own: help texts keep the language in which they were first imported.
    made = subprocess.run(
        [sys.executable, GENERATOR], cwd=ROOT, check=True, capture_output=True, text=True
    )
    committed = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert made.stdout == committed, "docs/commands.md is out of date: make reference"
