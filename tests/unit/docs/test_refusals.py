"""docs/refusals.md is what the commands say today, and no refusal is forgotten."""

from __future__ import annotations

import ast
import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_sshd import need_sshd

ROOT = Path(__file__).parents[3]
GENERATOR = ROOT / "tests/support/refusals.py"
PAGE = ROOT / "docs/refusals.md"
# Modules of `install` whose commands only look; their messages are no refusals to change something.
LOOKING = {"doctor.py", "inventory.py", "logs.py", "diagnosis.py", "gc.py"}
# Said where no case of a page can lead, with the reason.
ELSEWHERE = {
    "{host}: the lock is held": "its owner's file is damaged; tests/unit/install/test_lock.py",
}


def test_the_committed_page_is_what_the_commands_say_today() -> None:
    if os.geteuid() != 0:
        pytest.skip("commands on a host run as root")
    need_sshd()
    # Without a terminal, as the cases want it; and languages change nothing for other tests.
    made = subprocess.run(
        [sys.executable, GENERATOR], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout == PAGE.read_text(encoding="utf-8"), "docs/refusals.md: make reference"


def refusals() -> Iterator[tuple[str, str]]:
    """Where each refusal of `install` stands, and its English template."""
    for path in sorted((ROOT / "smartcity_pkg/install").glob("*.py")):
        if path.name in LOOKING:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            arguments = node.args
            if node.func.id == "Finding":
                kinds = {n.value for n in ast.walk(arguments[1]) if isinstance(n, ast.Constant)}
                told = any(k.arg == "told_only" for k in node.keywords)
                arguments = arguments[2:] if "block" in kinds or not told else []
            elif not node.func.id.endswith("Error"):
                continue
            for template in _templates(arguments[:1]):
                yield path.name, template


def _templates(arguments: list[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        for node in ast.walk(argument):
            translated = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_"
            if translated and isinstance(text := node.args[0], ast.Constant):
                yield str(text.value)


def test_every_refusal_of_an_installation_stands_on_the_page() -> None:
    page = html.unescape(PAGE.read_text(encoding="utf-8")).replace("<br>", "\n")
    found = dict.fromkeys(refusals())
    assert len(found) > 50
    missing = []
    for file, template in found:
        pattern = ".*?".join(map(re.escape, re.split(r"\{[^}]*\}", template)))
        if (re.search(pattern, page, re.DOTALL) is None) != (template in ELSEWHERE):
            missing.append(f"{file}: {template}")
    assert not missing, "provoke them in tests/support/refusals_*.py:\n" + "\n".join(missing)


def test_every_refusal_says_what_to_do_next() -> None:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)
    ]
    assert len(rows) > 80
    silent = [row for row in rows if row.count("→") < 2]
    assert not silent, "\n".join(silent)
    untranslated = [row for row in rows if len(set(row.split(" | ")[1:])) < 2]
    assert not untranslated, "\n".join(untranslated)
