"""Settings in a profile: what they are, where they come from, and a change of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartcity_pkg.cli.session import Session
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.install.outcome import InstallReport
    from smartcity_pkg.render.settings import Setting
    from smartcity_pkg.ship.fanout import Outcome

SITE = "site"
Path_ = tuple[str, ...]


def settings_of(session: Session, name: str, app: str) -> list[Setting]:
    """Every setting of `app` (or of the site) as it holds for the pemda, sorted by name."""
    from smartcity_pkg.catalogue import yamlfile
    from smartcity_pkg.render.settings import Setting, effective_settings

    path = session.workspace.profile(name)
    pemda, document = session.pemda(name), yamlfile.read(path)
    at = _place(app)
    if app == SITE:
        values, schema = pemda.settings.site.model_dump(mode="json"), {}
    else:
        entry = session.catalogue.app(app)
        values = effective_settings(entry, pemda.settings.apps.get(app, {}))
        schema = entry.spec.settings
    found = []
    for place, value, title in _leaves(values, schema, ()):
        mark = document.marks.get((*at, *place))
        origin = f"{path}:{mark.line}" if mark else ""
        found.append(Setting(".".join(place), value, origin, title))
    return sorted(found, key=lambda s: s.name)


def _leaves(
    values: Mapping[str, Any], schema: Mapping[str, Any], at: Path_
) -> Iterator[tuple[Path_, Any, str]]:
    """Each value that is no object of its own, objects that have parts taken apart."""
    rules = schema.get("properties", {})
    for name, value in values.items():
        rule = rules.get(name, {}) if isinstance(rules.get(name, {}), Mapping) else {}
        if isinstance(value, dict) and value:
            yield from _leaves(value, rule, (*at, name))
        else:
            yield (*at, name), value, str(rule.get("title", ""))


def setting_of(session: Session, name: str, app: str, key: str) -> Setting:
    """The setting called `key`; UsageError names those that there are."""
    found = settings_of(session, name, app)
    for setting in found:
        if setting.name == key:
            return setting
    raise UsageError(
        _("{app} has no setting {key} with a value").format(app=app, key=key),
        _("it has: {names}").format(names=", ".join(s.name for s in found) or "-"),
    )


def change_setting(session: Session, name: str, app: str, key: str, value: str) -> Edit:
    """Write a setting into the profile, whole or not at all; InputError where it may not be so."""
    from smartcity_pkg.catalogue import yamlfile
    from smartcity_pkg.catalogue.edit import edited
    from smartcity_pkg.catalogue.pemda import Pemda
    from smartcity_pkg.catalogue.profile import check_against

    path = session.workspace.profile(name)
    _refuse_shipped(session, path)
    session.pemda(name)  # a profile that is wrong already is not made worse
    place = tuple(key.split("."))
    schema = {} if app == SITE else session.catalogue.app(app).spec.settings
    edit = edited(path, {(*_place(app), *place): _parsed(schema, place, value)})
    document = yamlfile.parse(edit.after.encode(), str(path))
    changed = yamlfile.validate(document, Pemda)
    if problems := check_against(changed, session.catalogue, document):
        raise InputError(problems, _("nothing was changed"))
    edit.write()
    return edit


def _place(app: str) -> Path_:
    return ("settings", SITE) if app == SITE else ("settings", "apps", app)


def _parsed(schema: Mapping[str, Any], place: Path_, value: str) -> Any:
    """The value as the schema wants it: text stays text, everything else is read as JSON."""
    rule: Any = schema
    for name in place:
        rule = rule.get("properties", {}).get(name) if isinstance(rule, Mapping) else None
    if not isinstance(rule, Mapping) or rule.get("type", "string") == "string":
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value  # the schema's own words say what was expected


def _refuse_shipped(session: Session, path: Path) -> None:
    """The examples that come with smartcity are not a pemda's own."""
    from smartcity_pkg.cli.workspace import shipped

    if path.resolve().is_relative_to(shipped("examples").resolve()):
        own = session.workspace.root / "pemda" / path.name
        raise InputError(
            Problem(_("this profile is an example of smartcity, not yours"), str(path)),
            _("copy it first: mkdir -p {folder}; cp {file} {own}").format(
                folder=own.parent, file=path, own=own
            ),
        )


def deploy_change(
    session: Session, name: str, images: str, key: Path | None
) -> tuple[tuple[Outcome, ...], list[InstallReport]]:
    """Pack the plan anew, ship it and install it."""
    from smartcity_pkg.cli.wiring.release import pack_release
    from smartcity_pkg.cli.wiring.servers import Allowed, deploy_bundle
    from smartcity_pkg.cli.wiring.shipping import ShipOptions

    packed = pack_release(session, name, None, images, None, None, date.today(), None)
    return deploy_bundle(session, str(packed.path), name, None, Allowed(), key, ShipOptions())
