"""Plans beside each other as results: `plan diff`, `select --what-if`, `select --wish`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from smartcity_pkg.catalogue.pemda import Prices
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import number_text, rupiah_text
from smartcity_pkg.selection.choose import extra_of
from smartcity_pkg.selection.difference import Affected, Difference, Use
from smartcity_pkg.selection.limits import title_text
from smartcity_pkg.selection.purchase import Purchase, price_of, unit_prices
from smartcity_pkg.selection.reasons import extra_text
from smartcity_pkg.selection.what_if import WhatIf
from smartcity_pkg.selection.wish import Wish
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table
from smartcity_pkg.ui.views.plan import plan_data, proof_text


def plans_differ(found: Difference, before: str, after: str) -> Result:
    """The outcome of `plan diff`; `before` and `after` are what the files are called."""
    facts = Facts(f"{before} → {after}", [(_("benefit"), _benefit(found))])
    if found.nothing:
        line = Line(_("The same apps run in the same versions on the same servers."))
        return Result("plan-difference", _data(found), [facts, line, *_limits_table(found)])
    parts: list[Part] = [facts, *_changes(found), *_limits_table(found)]
    if found.affected:
        columns = (_("app"), _("server"), _("public path"), _("what people notice"))
        rows = [
            (a.app, a.server, ", ".join(a.routes) or "-", _notice(a, found)) for a in found.affected
        ]
        parts.append(Table(_("Who is affected"), columns, rows))
    if found.moved:
        parts.append(
            Line(
                _("An app's data does not move with it: back it up and restore it on the server."),
                "warn",
            )
        )
    return Result("plan-difference", _data(found), parts)


def what_if(answer: WhatIf, found: Difference, changes: str) -> Result:
    """The outcome of `select --what-if`."""
    facts = [
        (_("change"), changes),
        (_("benefit"), _benefit(found)),
        (_("now"), proof_text(answer.before)),
        (_("with the change"), proof_text(answer.after)),
    ]
    if answer.server:
        facts.insert(1, (_("on server"), answer.server))
    parts: list[Part] = [Facts(f"{answer.before.pemda} ({answer.before.region})", facts)]
    if found.nothing:
        parts.append(Line(_("The change makes no difference to the apps."), "warn"))
    parts += [*_changes(found), *_limits_table(found)]
    parts.append(Line(_("No plan was written.")))
    data = {
        "changes": changes,
        "server": answer.server,
        "before": plan_data(answer.before),
        "after": plan_data(answer.after),
        "difference": _data(found),
    }
    return Result("what-if", data, parts)


def wish_answered(answer: Wish, prices: Prices) -> Result:
    """The outcome of `select --wish`."""
    data = {
        "wished": list(answer.wished),
        "benefit": answer.present.benefit,
        "smallest": _purchase_data(answer.smallest),
        "cheapest": _purchase_data(answer.cheapest) if answer.cheapest else None,
    }
    parts: list[Part] = []
    if not answer.wished:
        parts.append(Line(_("The present plan has them already."), "good"))
    elif not answer.smallest.lacking:
        parts.append(Line(_("There is room for them without any purchase."), "good"))
    else:
        named = ", ".join(answer.wished)
        title = _("Smallest purchase for {apps}").format(apps=named)
        parts += _purchase_parts(title, answer.smallest, prices)
        if answer.cheapest and answer.cheapest.lacking != answer.smallest.lacking:
            title = _("Cheapest purchase for {apps}").format(apps=named)
            parts += _purchase_parts(title, answer.cheapest, prices)
        elif answer.cheapest:
            parts.append(Line(_("No other purchase is cheaper."), "good"))
        else:
            text = _("Write “prices” into the profile to see the cheapest purchase as well.")
            parts.append(Line(text))
    parts.append(Line(_("No plan was written.")))
    return Result("wish", data, parts)


def _benefit(found: Difference) -> str:
    change = found.benefit_after - found.benefit_before
    return f"{found.benefit_before} → {found.benefit_after} ({change:+d})"


def _changes(found: Difference) -> list[Part]:
    rows = [(_("added"), n, "") for n in found.added]
    rows += [(_("removed"), n, "") for n in found.removed]
    rows += [(_("other version"), v.app, f"{v.before} → {v.after}") for v in found.versions]
    rows += [
        (_("moved"), m.app, f"{', '.join(m.leaves) or '-'} → {', '.join(m.comes_to) or '-'}")
        for m in found.moved
    ]
    return [Table(_("Apps"), (_("change"), _("app"), _("from → to")), rows)] if rows else []


def _limits_table(found: Difference) -> list[Part]:
    rows = [
        (
            u.scope,
            title_text(u.limit),
            _of(u.before, u.available_before),
            _of(u.after, u.available_after),
        )
        for u in found.limits
        if _changed(u)
    ]
    columns = (_("where"), _("limit"), _("before (of)"), _("after (of)"))
    return [Table(_("Capacity that changes"), columns, rows, frozenset({2, 3}))] if rows else []


def _changed(use: Use) -> bool:
    return (use.before, use.available_before) != (use.after, use.available_after)


def _of(used: float | None, available: float | None) -> str:
    if used is None or available is None:
        return "-"
    return f"{number_text(used, 1)} / {number_text(available, 1)}"


def _notice(affected: Affected, found: Difference) -> str:
    if affected.gone:
        return _("is gone; its paths no longer answer")
    if affected.because:
        return _("interrupted while {apps} restarts").format(apps=", ".join(affected.because))
    if any(affected.app == m.app and affected.server in m.leaves for m in found.moved):
        return _("stops here and starts on its new server")
    return _("restarts with the other version")


def _purchase_parts(title: str, bought: Purchase, prices: Prices) -> list[Part]:
    units = unit_prices(prices)
    rows = []
    for shortage, extra in zip(bought.lacking, extra_of(bought.lacking), strict=True):
        price = price_of([shortage], units)
        rows.append((extra_text([extra]), "-" if price is None else rupiah_text(price)))
    facts = [
        (_("price a year"), _("unknown") if bought.price is None else rupiah_text(bought.price)),
        (_("apps that move"), ", ".join(bought.moves) or "-"),
        (
            _("proof"),
            _("solved again: with one unit less of any it does not fit")
            if bought.proven
            else _("the least with which nothing moves; less was not ruled out in the time given"),
        ),
    ]
    if bought.after:
        facts.append((_("benefit with it"), str(bought.after.benefit)))
    table = Table(title, (_("to buy"), _("price a year")), rows, frozenset({1}))
    return [table, Facts("", facts)]


def _purchase_data(bought: Purchase) -> dict[str, object]:
    return {
        "buy": [e.model_dump(mode="json") for e in extra_of(bought.lacking)],
        "price_idr_per_year": None if bought.price is None else math.ceil(bought.price),
        "moves": list(bought.moves),
        "proven": bought.proven,
        "benefit": bought.after.benefit if bought.after else None,
        "placement": {n: list(s) for n, s in bought.after.placement.items()}
        if bought.after
        else None,
    }


def _data(found: Difference) -> dict[str, object]:
    changed: Sequence[Use] = [u for u in found.limits if _changed(u)]
    return {**asdict(found), "limits": [asdict(u) for u in changed]}
