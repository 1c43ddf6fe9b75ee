"""A service's environment: values stay, secrets become secrets, variables are resolved.

Files that `env_file` names are read where the source lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartcity_pkg.catalogue import plaintext
from smartcity_pkg.catalogue.importing.secrets import file_variable
from smartcity_pkg.catalogue.importing.variables import environment_file, only_variable
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.importing.service import ServiceImport


def environment_of(service: ServiceImport) -> dict[str, str]:
    """`environment` of the draft; secrets found on the way go to `service.read_secrets`."""
    found: dict[str, str] = {}
    for name, raw, at in _variables(service):
        secret = _secret_variable(service, name, raw, at)
        if secret:
            variable = file_variable(str(service.draft["image"]), name)
            if variable:
                found[variable] = f"/run/secrets/{secret}"
        elif raw is None:
            what = _("“{name}” came from the shell of whoever started it").format(name=name)
            todo = _("write its value, make it a setting, or see that it is not needed")
            service.ledger.missing(at, what, todo, (*service.here, "environment"))
        else:
            found[name] = service.text(raw, at)
    return found


def _variables(service: ServiceImport) -> list[tuple[str, str | None, Path_]]:
    """All variables with their raw values; what stands in the file itself comes last, wins."""
    found: dict[str, tuple[str | None, Path_]] = {}
    named = service.source.get("env_file")
    files = named if isinstance(named, list) else [named] if named else []
    for i, file in enumerate(files):
        path = file.get("path") if isinstance(file, dict) else file
        at: Path_ = (*service.at, "env_file", i)
        resolved = service.shared.variables.resolve(str(path))
        data = service.shared.beside(resolved)
        if data is None:
            service.ledger.missing(
                at,
                _("the environment file {file} is not there").format(file=resolved[:80]),
                _("write what the app needs of it under environment, or make it settings"),
                (*service.here,),
            )
            continue
        service.ledger.changed(
            at, _("what {file} says stands under environment").format(file=resolved[:80])
        )
        text = data.decode("utf-8-sig", "replace")
        found |= {k: (v, at) for k, v in environment_file(text).items()}
    given = service.source.get("environment")
    at = (*service.at, "environment")
    if isinstance(given, dict):
        found |= {n: (_scalar_text(v), (*at, n)) for n, v in given.items()}
    elif isinstance(given, list):
        for i, entry in enumerate(given):
            name, equals, value = str(entry).partition("=")
            if name and isinstance(entry, str):
                found[name.strip()] = (value if equals else None, (*at, i))
    elif given is not None:
        service.ledger.unreadable(at)
    return [(name, raw, where) for name, (raw, where) in found.items()]


def _secret_variable(service: ServiceImport, name: str, raw: str | None, at: Path_) -> str:
    """The secret that a variable holds, declared; "" where it holds none."""
    alone = only_variable(raw) if raw is not None else name
    resolved = service.shared.variables.resolve(raw, asking=False) if raw else ""
    if alone and plaintext.names_secret(name):
        secret = service.shared.secrets.name_for("variable", alone, alone)
    elif plaintext.is_secret(name, resolved):
        secret = service.shared.secrets.name_for("text", resolved, name)
    else:
        return ""
    if secret not in service.read_secrets:
        service.read_secrets.append(secret)
    variable = file_variable(str(service.draft["image"]), name)
    if variable:
        what = _("“{name}” is the secret “{secret}” now, read through {variable}")
        todo = ""
    else:
        what = _("“{name}” is the secret “{secret}” now, and no variable any more")
        todo = _("let the app read /run/secrets/{secret} where it read {name}")
    where = (*service.here, "secrets")
    said = {"name": name, "secret": secret, "variable": variable}
    service.ledger.secret(at, what.format(**said), todo.format(**said), where)
    return secret


def _scalar_text(value: object) -> str | None:
    """A scalar of YAML as an environment has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
