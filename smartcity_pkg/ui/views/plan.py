"""A plan as a result: what was chosen, what was left out and why, what it uses."""

from __future__ import annotations

from pathlib import Path

from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import number_text
from smartcity_pkg.selection.limits import title_text
from smartcity_pkg.selection.reasons import extra_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table


def plan_chosen(plan: Plan, file: Path, report: Path | None = None) -> Result:
    """The outcome of `select`."""
    chosen = [(a.app, a.version, ", ".join(a.servers), a.reason) for a in plan.apps]
    usage = [
        (
            u.scope,
            title_text(u.limit),
            number_text(u.used, 1),
            number_text(u.available, 1),
            f"{100 * u.used / u.available:.0f} %" if u.available else "-",
        )
        for u in plan.usage
    ]
    facts = [(_("benefit"), f"{plan.benefit}, {proof_text(plan)}"), (_("plan"), str(file))]
    if report:
        facts.append((_("report"), str(report)))
    parts: list[Part] = [
        Facts(f"{plan.pemda} ({plan.region})", facts),
        Table(_("Chosen"), (_("app"), _("version"), _("server"), _("why")), chosen),
    ]
    if plan.left_out:
        left = [(a.app, a.reason, extra_text(a.extra or ()) or "-") for a in plan.left_out]
        parts.append(Table(_("Left out"), (_("app"), _("why"), _("room for it takes")), left))
    columns = (_("where"), _("limit"), _("used"), _("available"), _("share"))
    parts.append(Table(_("Capacity"), columns, usage, frozenset({2, 3, 4})))
    parts.append(Line(_("Next: smartcity pack {region}").format(region=plan.region), "good"))
    data: dict[str, object] = {"file": str(file)}
    if report:
        data["report"] = str(report)
    return Result("plan", {**data, **plan_data(plan)}, parts)


def proof_text(plan: Plan) -> str:
    """How sure it is that no plan brings more benefit: the proven bound, and the gap to it."""
    if plan.benefit == plan.bound:
        return _("proven best (bound {bound}, gap 0 %)").format(bound=plan.bound)
    gap = number_text(100 * (plan.bound - plan.benefit) / plan.bound, 2)
    return _("best found in the time given; at most {bound} is possible (gap {gap} %)").format(
        bound=plan.bound, gap=gap
    )


def plan_data(plan: Plan) -> dict[str, object]:
    """A plan as one part of a JSON document that says its own version."""
    data = plan.model_dump(mode="json")
    return {k: v for k, v in data.items() if k not in ("schema_version", "kind")}
