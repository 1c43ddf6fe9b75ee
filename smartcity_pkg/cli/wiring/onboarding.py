"""New apps into the catalogue, and measured facts into people's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import InputError, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.catalogue import Catalogue
    from smartcity_pkg.catalogue.importing.draft import Imported
    from smartcity_pkg.catalogue.lint import Finding

_COMPOSE_NAMES = ("compose", "docker-compose", "cosmos-compose")


@dataclass(frozen=True)
class Draft:
    """An imported app: where its draft lies, and what lint says of it."""

    imported: Imported
    file: Path
    findings: tuple[Finding, ...]


def checked_catalogue(
    session: Session, folders: Sequence[Path], today: date
) -> tuple[Catalogue, tuple[Finding, ...]]:
    """The catalogue (with `folders` beside it), and what lint says of it under the policy.

    InputError (exit code 20) with every finding that is an error.
    """
    from smartcity_pkg.catalogue.catalogue import load_catalogue
    from smartcity_pkg.catalogue.lint import lint, lint_policy
    from smartcity_pkg.catalogue.policy import load_policy

    apps = load_catalogue(session.workspace.catalogue, beside=folders)
    policy, document = load_policy(session.workspace.policy)
    findings = (
        *lint(apps, policy=policy.on(today)),
        *lint_policy(apps, policy, document, today),
    )
    if errors := [f.problem for f in findings if f.severity == "error"]:
        raise InputError(
            errors,
            _(
                "mend the app; or, if it cannot do without, name it in policy.yaml with a reason"
                " (smartcity catalogue lint --explain NUMBER says why a rule is there)"
            ),
        )
    return apps, findings


def import_app(session: Session, file: Path, name: str | None, out: Path | None) -> Draft:
    """Write the draft of the Compose file `file` into a new folder of `out`, and check it there.

    `out` is the folder of apps; by default the workspace's own catalogue, or `drafts` where the
    workspace uses the one that comes with smartcity.
    """
    from smartcity_pkg.catalogue import yamlfile
    from smartcity_pkg.catalogue.catalogue import load_catalogue
    from smartcity_pkg.catalogue.importing.draft import app_name, import_compose
    from smartcity_pkg.catalogue.lint import lint

    app = _wanted_name(file, name, app_name)
    own = session.workspace.root / "bundles"
    folder = (out or (own if own.is_dir() else session.workspace.root / "drafts")) / app
    if folder.exists() or (name is None and app in session.catalogue.apps):
        raise UsageError(
            _("there is an app “{name}” already").format(name=app),
            _("give the draft another name with --name, or another folder with --out"),
        )
    imported = import_compose(
        yamlfile.read_bytes(file, str(file)),
        file.name,
        app,
        beside=_beside(file.resolve().parent),
        gateway=session.catalogue.apps.get("gateway"),
    )
    target = folder / "compose.yaml"
    atomic.write(target, imported.text.encode("utf-8", "replace"))
    checked = load_catalogue(session.workspace.catalogue, beside=[folder])
    return Draft(imported, target, lint(checked, only=[app]))


def write_schemas(which: str | None, out: Path) -> list[Path]:
    """The schema of one kind of file, or of all kinds, as files in the folder `out`."""
    from smartcity_pkg.catalogue import schemas

    names = [which] if which else schemas.NAMES
    texts = {out / f"smartcity-{n}.schema.json": schemas.text(n) for n in names}
    for path, text in texts.items():
        atomic.write(path, text.encode())
    return list(texts)


def _wanted_name(file: Path, name: str | None, app_name: Callable[[str], str]) -> str:
    if name is not None and name != app_name(name):
        raise UsageError(
            _("“{name}” is no name of an app").format(name=name),
            _("small letters and digits, parts joined by “-”, like {example}").format(
                example=app_name(name)
            ),
        )
    stem = file.name.partition(".")[0].lower()
    usual = stem in _COMPOSE_NAMES
    return name or app_name(file.resolve().parent.name if usual else stem)


def _beside(folder: Path) -> Callable[[str], bytes | None]:
    """Reads files of `folder`, and nothing outside it."""
    from smartcity_pkg.catalogue.yamlfile import MAX_BYTES

    def read(name: str) -> bytes | None:
        try:
            path = (folder / name).resolve()
            if not path.is_relative_to(folder) or not path.is_file():
                return None
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None
        return data if len(data) <= MAX_BYTES else None

    return read
