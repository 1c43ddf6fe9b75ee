"""The commit of a catalogue, from a real git; nothing where there is none, nothing started."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from smartcity_pkg.catalogue.checkout import Checkout, checkout_of


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with `bundles/` committed."""
    if shutil.which("git") is None:
        pytest.fail("git must be installed to develop smartcity")
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles/compose.yaml").write_text("services: {}\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def test_a_clean_checkout_gives_its_commit(checkout: Path) -> None:
    assert checkout_of(checkout / "bundles") == Checkout(git(checkout, "rev-parse", "HEAD"))


@pytest.mark.parametrize("change", ["edited", "added", "removed", "staged"])
def test_any_change_in_the_folder_is_told(checkout: Path, change: str) -> None:
    file = checkout / "bundles/compose.yaml"
    if change == "removed":
        file.unlink()
    elif change == "added":
        (checkout / "bundles/new.yaml").write_text("x")
    else:
        file.write_text("services: {a: {}}\n")
    if change == "staged":
        git(checkout, "add", ".")
    assert checkout_of(checkout / "bundles").dirty


def test_a_change_elsewhere_does_not_count(checkout: Path) -> None:
    (checkout / "plans").mkdir()
    (checkout / "plans/32.15.yaml").write_text("x")
    assert not checkout_of(checkout / "bundles").dirty


def test_without_a_checkout_there_is_no_commit(checkout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("x")
    assert checkout_of(outside) == Checkout()  # inside somebody's checkout, but none of its files
    assert checkout_of(tmp_path / "missing") == Checkout()
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    assert checkout_of(empty) == Checkout()


def test_the_environment_and_the_checkout_start_nothing(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    trap.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(trap))
    monkeypatch.setenv("GIT_DIR", os.devnull)
    assert checkout_of(checkout / "bundles").commit
    assert not (tmp_path / "started").exists()
