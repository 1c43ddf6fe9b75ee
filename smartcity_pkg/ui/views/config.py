"""Settings of a pemda's apps as results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from smartcity_pkg.core.i18n import _
from smartcity_pkg.ui.presenter import Document, Line, Part, Result, Table

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.render.settings import Setting


def settings_shown(app: str, found: Sequence[Setting], origin: bool) -> Result:
    """The outcome of `config show`."""
    columns = [_("setting"), _("value"), _("meaning")]
    rows = [[s.name, _text(s.value), s.title] for s in found]
    if origin:
        columns.append(_("from"))
        for row, setting in zip(rows, found, strict=True):
            row.append(setting.origin or _("the app's default"))
    data = {"app": app, "settings": [asdict(s) for s in found]}
    return Result("settings", data, [Table(app, tuple(columns), rows)])


def setting_shown(app: str, setting: Setting) -> Result:
    """The outcome of `config get`."""
    data = {"app": app, **asdict(setting)}
    return Result("setting", data, [Document(_text(setting.value))])


def setting_changed(pemda: str, edit: Edit) -> Result:
    """The outcome of `config set`: the change, and what to do next."""
    data = {"file": str(edit.path), "changed": edit.changes}
    if not edit.changes:
        return Result("setting-changed", data, [Line(_("it has this value already"), "good")])
    text = _("nothing runs with it yet; next: smartcity pack {pemda}, smartcity deploy {pemda}")
    parts: list[Part] = [Document(edit.difference()), Line(text.format(pemda=pemda))]
    return Result("setting-changed", data, parts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
