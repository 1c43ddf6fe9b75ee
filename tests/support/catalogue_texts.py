"""Small valid files of every kind a person writes, and rows of tables that spoil them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from smartcity_pkg.core.errors import InputError, Problem

COMPOSE = """\
name: lapor
x-smartcity:
  schema_version: 1
  version: "1.2.0"
  title: {id: Lapor, en: Report}
  summary: {id: Laporan warga, en: Citizens report}
  group: layanan-publik
  owner: Contoh
  source: Contoh
  benefit: 50
  requires:
    - {app: basis, version: ">=2,<3"}
  conflicts: []
  staff: {linux: 0.1}
  settings:
    type: object
    additionalProperties: false
    properties:
      contact: {type: string, maxLength: 20, default: ""}
      days: {type: integer, minimum: 1, maximum: 30, default: 7}
      kinds:
        type: array
        items: {type: string, minLength: 1}
        default: [jalan]
  secrets:
    db_password: {share_with: [basis]}
  files:
    - {template: app.json.j2, service: web, target: /etc/app.json}
  routes:
    - {path: /lapor/, service: web, port: 8000, health: /lapor/healthz}
  hooks:
    migrate: {service: web, command: [migrate]}
services:
  web:
    image: contoh/lapor:1.2.0
    user: "10001:10001"
    read_only: true
    cap_drop: [ALL]
    secrets: [db_password]
    volumes:
      - data:/data
    healthcheck:
      test: [CMD, "true"]
    deploy:
      resources:
        limits: {cpus: "0.50", memory: 192M}
        reservations: {cpus: 0.05, memory: 80M}
secrets:
  db_password: {file: ./secrets/db_password}
volumes:
  data: {}
"""

PROVIDER = """\
name: basis
x-smartcity:
  schema_version: 1
  version: "2.1.0"
  title: {id: Basis data, en: Database}
  summary: {id: Basis data bersama, en: Shared database}
  group: platform
  owner: Contoh
  source: Contoh
  benefit: 0
  requires: []
  conflicts: []
  routes: []
services:
  basis:
    image: contoh/basis:2.1.0
    user: "10001"
    read_only: true
    cap_drop: [ALL]
    healthcheck: {test: [CMD, "true"]}
    deploy:
      resources:
        limits: {cpus: "1", memory: 1G}
        reservations: {cpus: "0.1", memory: 256M}
"""

PROFILE = """\
schema_version: 1
region: "32.15"
name: Kabupaten Karawang
population: 2439000
agreement:
  mou: {number: "1", date: 2018-05-16}
  pks:
    number: "2"
    date: 2025-01-15
    expires: 2029-12-31
    apps: [lapor]
link_mbps: 10
staff: {linux: 1}
servers:
  - name: satu
    memory_gib: 4
    cpus: 4
    disk_gib: 100
    ssh:
      host: satu.karawang.example
choice:
  must: [lapor]
  exclude: []
  priorities: {lapor: 60}
settings:
  site: {domain: karawang.example}
  apps:
    lapor:
      days: 14
"""

PLAN = """\
schema_version: 1
kind: plan
region: "32.15"
pemda: Kabupaten Karawang
catalogue_digest: sha256:aa
profile_digest: sha256:bb
benefit: 50
bound: 50
apps:
  - app: basis
    version: 2.1.0
    servers: [satu]
    reason: lapor requires it
  - app: lapor
    version: 1.2.0
    servers: [satu]
    reason: it fits
left_out:
  - app: surat
    reason: too large
usage: []
"""


def write_app(folder: Path, compose: str | bytes, templates: dict[str, str] | None = None) -> Path:
    """An app's folder with this Compose file and, unless others are given, `app.json.j2`."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    data = compose.encode() if isinstance(compose, str) else compose
    (folder / "compose.yaml").write_bytes(data)
    for name, text in ({"app.json.j2": "{}"} if templates is None else templates).items():
        (folder / "templates" / name).write_text(text)
    return folder


def write_catalogue(folder: Path, *composes: str) -> Path:
    """A catalogue of apps, each in the folder of its own name."""
    for compose in composes:
        name = compose.split("\n", 1)[0].removeprefix("name: ")
        write_app(folder / name, compose, None if "app.json.j2" in compose else {})
    return folder


@dataclass(frozen=True)
class Bad:
    """One spoilt file: `old` replaced by `new`, the fault expected on the line that holds `at`.

    `at` defaults to `new`. `says` stands in the problem's message, `cure` in its hint.
    """

    name: str
    old: str
    new: str
    says: str
    cure: str = ""
    at: str = ""

    def spoil(self, text: str) -> str:
        """`text` with the one change."""
        assert text.count(self.old) >= 1, f"{self.name}: “{self.old}” is not in the text"
        return text.replace(self.old, self.new, 1)

    def line_in(self, spoilt: str) -> int:
        """The line that the fault is expected on."""
        where = self.at or self.new.strip("\n").split("\n")[0]
        return next(i for i, text in enumerate(spoilt.splitlines(), 1) if where in text)

    def expect(self, spoilt: str, file: str, check: Callable[[], object]) -> None:
        """`check` raises InputError, with exactly one fault, where and as this row says."""
        with pytest.raises(InputError) as caught:
            check()
        problem = only(caught.value)
        assert (problem.file, problem.line) == (file, self.line_in(spoilt)), str(problem)
        assert self.says in problem.message, problem.message
        assert self.cure in problem.hint, problem.hint
        assert caught.value.exit_code == 20


def only(error: InputError) -> Problem:
    """The one problem of `error`."""
    assert len(error.problems) == 1, str(error)
    return error.problems[0]


def table(rows: list[Bad]) -> pytest.MarkDecorator:
    """The parametrisation over `rows`, each with its name."""
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])
