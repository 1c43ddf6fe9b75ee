"""A plan as a result: what was chosen, what was left out and why, what it uses."""

from __future__ import annotations

from pathlib import Path

from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import number_text
from smartcity_pkg.ui.presenter import Facts, Line, Part, Result, Table


def plan_chosen(plan: Plan, file: Path) -> Result:
    """The outcome of `select`."""
    chosen = [(a.app, a.version, ", ".join(a.servers), a.reason) for a in plan.apps]
    usage = [
        (
            u.scope,
            _limit(u.limit),
            number_text(u.used, 1),
            number_text(u.available, 1),
            f"{100 * u.used / u.available:.0f} %" if u.available else "-",
        )
        for u in plan.usage
    ]
    proof = (
        _("proven best")
        if plan.benefit == plan.bound
        else _("best found in the time given; at most {bound} is possible").format(bound=plan.bound)
    )
    parts: list[Part] = [
        Facts(
            f"{plan.pemda} ({plan.region})",
            [(_("benefit"), f"{plan.benefit}, {proof}"), (_("plan"), str(file))],
        ),
        Table(_("Chosen"), (_("app"), _("version"), _("server"), _("why")), chosen),
    ]
    if plan.left_out:
        left = [(a.app, a.reason) for a in plan.left_out]
        parts.append(Table(_("Left out"), (_("app"), _("why")), left))
    columns = (_("where"), _("limit"), _("used"), _("available"), _("share"))
    parts.append(Table(_("Capacity"), columns, usage, frozenset({2, 3, 4})))
    parts.append(Line(_("Next: smartcity pack {region}").format(region=plan.region), "good"))
    return Result("plan", {"file": str(file), **_without_version(plan)}, parts)


def _limit(name: str) -> str:
    """A limit's name as people say it; a skill keeps its own."""
    skill = name.removeprefix("staff:")
    if skill != name:
        return _("people: {skill}").format(skill=skill)
    return {
        "memory_mib": _("memory MiB"),
        "memory_mib_installing": _("memory MiB while installing"),
        "cpus": _("CPU"),
        "disk_mib": _("disk MiB"),
        "bandwidth_kbps": _("link kbit/s"),
    }.get(name, name)


def _without_version(plan: Plan) -> dict[str, object]:
    data = plan.model_dump(mode="json")
    return {k: v for k, v in data.items() if k not in ("schema_version", "kind")}
