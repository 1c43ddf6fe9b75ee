"""Releases of LAKSA: one that runs, a good upgrade that migrates, and two bad upgrades.

Made by the real commands in a workspace, from copies of the catalogue with small changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workspace import ROOT, Workspace

from smartcity_pkg.lab import exercise, images

REGION = "32.15"
APP = "laksa"
CHOICE = {"must": [APP], "exclude": ["perizinan", "siap-kerja", "e-surat"]}
OLD, NEW, STUCK, ILL = "old", "new", "stuck", "ill"
VERSIONS = {OLD: "1.0.0", NEW: "1.1.0", STUCK: "1.1.1", ILL: "1.1.2"}
# It takes a while, as on a table of some years: a fault can strike in the middle of it.
_MIGRATION = """SELECT pg_sleep(1);
ALTER TABLE complaints ADD COLUMN urgency smallint NOT NULL DEFAULT 0;
CREATE INDEX complaints_by_urgency ON complaints (urgency);
"""
_BAD_MIGRATION = """ALTER TABLE complaints ADD COLUMN ward text NOT NULL DEFAULT '';
ALTER TABLE no_such_table ADD COLUMN number integer;
"""
UNDO_MIGRATIONS = """ALTER TABLE complaints DROP COLUMN IF EXISTS urgency;
DELETE FROM schema_migrations WHERE number > 1;
"""


@dataclass(frozen=True)
class Made:
    """A packed release: what kind it is, its bundle in the workspace, its name, its layers."""

    kind: str
    bundle: str
    name: str
    layers: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version of LAKSA in it."""
        return VERSIONS[self.kind]


def make_releases(space: Workspace, *, bad: bool = True) -> dict[str, Made]:
    """Build and pack them, by kind; without `bad` the old and the good new one only."""
    space.profile(None, None, choice=CHOICE)
    catalogue = space.folder / "bundles"
    if not catalogue.exists():
        exercise.copy_catalogue(ROOT / "bundles", catalogue)
    migrations = catalogue / APP / "app/migrations"
    made = {OLD: _pack(space, OLD)}
    _upgrade(space, NEW, migrations / "0002_urgency.sql", _MIGRATION)
    made[NEW] = _pack(space, NEW)
    if not bad:
        return made
    wrong = migrations / "0003_ward.sql"
    _upgrade(space, STUCK, wrong, _BAD_MIGRATION)
    made[STUCK] = _pack(space, STUCK)
    wrong.unlink()
    exercise.next_version(catalogue, APP, VERSIONS[ILL])
    exercise.make_ill(catalogue, APP)
    made[ILL] = _pack(space, ILL)
    return made


def _upgrade(space: Workspace, kind: str, migration: Path, text: str) -> None:
    exercise.next_version(space.folder / "bundles", APP, VERSIONS[kind])
    migration.write_text(text)


def _pack(space: Workspace, kind: str) -> Made:
    images.build_app_images(space.docker_host, space.folder / "bundles", only=[APP])
    space.smartcity("select", REGION)
    packed = space.smartcity("pack", REGION).json
    path = next((space.folder / "releases" / REGION).glob(f"{packed['serial']}-*"))
    bundle = str(path.relative_to(space.folder))
    layers = space.smartcity("inspect", bundle).json["layers"]
    return Made(kind, bundle, str(packed["release"]), tuple(x["diff_id"] for x in layers))
