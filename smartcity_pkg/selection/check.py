"""Whether a committed plan, perhaps edited by a person, holds for catalogue, profile and date.

It judges and says what is wrong; `select` makes a new plan.
"""

from __future__ import annotations

from datetime import date

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection import limits, reasons
from smartcity_pkg.selection.problem import Question, ask
from smartcity_pkg.selection.verify import PEMDA, Rule, Violation, violations


def check_plan(catalogue: Catalogue, pemda: Pemda, plan: Plan, today: date) -> tuple[str, ...]:
    """One sentence for each thing that keeps `plan` from being carried out; empty where it holds.

    A plan need not be the best one, nor made from this very catalogue and profile: its apps must
    exist in these versions, be allowed on `today`, keep every rule and fit. Raises InputError
    where the profile's choice names apps that the catalogue does not have.
    """
    question = ask(catalogue.apps, pemda, today=today)
    wrong = _wrong_names(catalogue, pemda, question, plan)
    if wrong:
        return tuple(wrong)
    placement = {planned.app: planned.servers for planned in plan.apps}
    return (
        *_wrong_versions(catalogue, plan),
        *(violation_text(v) for v in violations(question, placement)),
    )


def _wrong_names(catalogue: Catalogue, pemda: Pemda, question: Question, plan: Plan) -> list[str]:
    """What makes the plan unfit to be judged by limits: another pemda, unknown or barred names."""
    wrong = []
    if plan.region != pemda.region:
        wrong.append(
            _("The plan is for region {plan}, the profile is of region {profile}.").format(
                plan=plan.region, profile=pemda.region
            )
        )
    names = [planned.app for planned in plan.apps]
    for name in sorted({n for n in names if names.count(n) > 1}):
        wrong.append(_("{app}: the plan names it twice.").format(app=name))
    for planned in plan.apps:
        if planned.app not in catalogue.apps:
            wrong.append(_("{app}: the catalogue has no such app.").format(app=planned.app))
        elif bar := question.barred.get(planned.app):
            reason = reasons.why_barred(bar, catalogue.apps, pemda)
            wrong.append(
                _("{app}: it may not run. {reason}").format(app=planned.app, reason=reason)
            )
        for server in planned.servers:
            if server not in question.supply:
                wrong.append(
                    _("{app}: the profile has no server called {server}.").format(
                        app=planned.app, server=server
                    )
                )
        if len(set(planned.servers)) < len(planned.servers):
            wrong.append(_("{app}: the plan names a server twice.").format(app=planned.app))
    for must in pemda.choice.must:
        if bar := question.barred.get(must):
            reason = reasons.why_barred(bar, catalogue.apps, pemda)
            wrong.append(
                _("{app}: the profile insists on it, yet it may not run. {reason}").format(
                    app=must, reason=reason
                )
            )
    return wrong


def _wrong_versions(catalogue: Catalogue, plan: Plan) -> list[str]:
    return [
        _("{app}: the plan says version {planned}, the catalogue has {version}.").format(
            app=p.app, planned=p.version, version=catalogue.apps[p.app].version
        )
        for p in plan.apps
        if p.version != catalogue.apps[p.app].version
    ]


def violation_text(violation: Violation) -> str:
    """One broken rule in words."""
    if violation.rule is Rule.LIMIT:
        return _limit_text(violation)
    templates = {
        Rule.ONE_SERVER: _("{app}: it may run on one server only."),
        Rule.TOGETHER: _("{app}: it requires {other} on server {scope}, which is not there."),
        Rule.CONFLICT: _("{app} and {other} exclude each other; the plan has both."),
        Rule.MUST: _("{app}: the profile insists on it, and the plan does not have it."),
        Rule.ARCHITECTURE: _("{app}: its images are not built for the processors of {scope}."),
        Rule.NEEDLESS: _("{app}: no app on server {scope} requires it."),
    }
    return templates[violation.rule].format(
        app=violation.app, other=violation.other, scope=violation.scope
    )


def _limit_text(violation: Violation) -> str:
    limit = violation.limit
    amounts = {
        "used": limits.amount_text(limit, violation.used),
        "available": limits.bare_amount(limit, violation.available),
    }
    if violation.scope == PEMDA:
        return _("The plan takes {used}; the pemda has {available}.").format(**amounts)
    return _("Server {server}: the plan takes {used}; {available} are free for apps.").format(
        server=violation.scope, **amounts
    )
