"""Changed copies of the catalogue: the next version of an app, and one that is ill.

The demo and the tests install them as a real upgrade; only files below the copy are touched.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_ILL = """

def _ill():  # the exercise: an upgrade that starts but is never healthy
    from flask import abort

    abort(503)


_well = create


def create():
    application = _well()
    application.before_request(_ill)
    return application
"""


def copy_catalogue(source: Path, target: Path) -> None:
    """The catalogue `source` as a new folder `target`, without what Python compiled."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def next_version(catalogue: Path, app: str, version: str) -> None:
    """Give `app` a new version and one changed page, as its developers would."""
    folder = catalogue / app
    old = (folder / "app" / "VERSION").read_text().strip()
    (folder / "app" / "VERSION").write_text(f"{version}\n")
    compose = folder / "compose.yaml"
    text = compose.read_text()
    text = text.replace(f'version: "{old}"', f'version: "{version}"', 1)
    compose.write_text(text.replace(f"smartcity/{app}:{old}", f"smartcity/{app}:{version}"))
    page = next((folder / "app").rglob("home.html"))
    page.write_text(page.read_text() + f"\n{{# {app} {version} #}}\n")


def make_ill(catalogue: Path, app: str) -> None:
    """Let every request of `app` fail: its container runs, but is never healthy."""
    code = catalogue / app / "app" / "web.py"
    code.write_text(code.read_text() + _ILL)
