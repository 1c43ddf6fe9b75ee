"""Choose the apps of a pemda: from catalogue and profile to a plan with a reason for everything.

Joins `problem`, `solve` and `explain`; files and screens are for others.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Extra, LeftOut, Plan, PlannedApp, Usage
from smartcity_pkg.catalogue.profile import profile_digest
from smartcity_pkg.core.errors import NothingFitsError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection import explain, limits, reasons, solve, verify
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Placement, Question, ask
from smartcity_pkg.selection.shortage import Shortage, least
from smartcity_pkg.selection.solution import Solution


def select(
    catalogue: Catalogue,
    pemda: Pemda,
    *,
    today: date,
    running: Plan | None = None,
    time_limit_s: float = 60,
) -> Plan:
    """The best plan for `pemda` on `today`; the aims stand in `solve`.

    `running` is the plan that is installed now. The solver takes at most `time_limit_s` seconds
    for the choice, and the explanations as long again; a plan whose `bound` exceeds its `benefit`
    was not proven best in that time. While the time suffices, the same question in the same
    language gives the same plan, byte for byte, on every machine.

    Raises NothingFitsError where the must-have apps cannot be had, naming what lacks and by how
    much; InputError where the profile's choice names apps that the catalogue does not have.
    """
    question, solution = solved(
        catalogue, pemda, today=today, running=running, time_limit_s=time_limit_s
    )
    effort = Effort(time_limit_s=time_limit_s)
    return Plan(
        region=pemda.region,
        pemda=pemda.name,
        catalogue_digest=catalogue.digest,
        profile_digest=profile_digest(pemda),
        benefit=solution.benefit,
        bound=solution.bound,
        apps=_planned(catalogue, pemda, question, solution),
        left_out=_left_out(catalogue, pemda, question, solution, effort),
        usage=usage_of(question, solution.placement),
    )


def solved(
    catalogue: Catalogue,
    pemda: Pemda,
    *,
    today: date,
    running: Plan | None = None,
    time_limit_s: float = 60,
) -> tuple[Question, Solution]:
    """The question and its best solution, without the plan's sentences; raises as `select`."""
    question = ask(catalogue.apps, pemda, today=today, running=running)
    _refuse_barred_musts(catalogue, pemda, question)
    effort = Effort(time_limit_s=time_limit_s)
    solution = solve.best(question, effort)
    if solution is None:
        raise _nothing_fits(question, effort)
    return question, solution


def usage_of(question: Question, placement: Placement) -> tuple[Usage, ...]:
    """What `placement` uses of every limit, as a plan's file says it."""
    return tuple(
        Usage(
            scope=scope,
            limit=limit,
            used=limits.quantity(limit, used),
            available=limits.quantity(limit, available),
        )
        for scope, limit, used, available in verify.usage(question, placement)
    )


def _refuse_barred_musts(catalogue: Catalogue, pemda: Pemda, question: Question) -> None:
    refused = [
        _("the must-have app {app} cannot be had. {reason}").format(
            app=must, reason=reasons.why_barred(question.barred[must], catalogue.apps, pemda)
        )
        for must in pemda.choice.must
        if must in question.barred
    ]
    if refused:
        raise NothingFitsError(
            "\n".join(refused),
            _("take the app out of choice.must, or remove in the profile what keeps it out"),
        )


def _nothing_fits(question: Question, effort: Effort) -> NothingFitsError:
    """What the must-have apps lack, by solving again with elastic limits."""
    shortages = least(question, effort)
    musts = ", ".join(question.musts)
    if not shortages:
        return NothingFitsError(
            _("the must-have apps do not fit together: {apps}").format(apps=musts),
            _("what they lack was not found out in time; allow more time"),
        )
    required = [n for n in question.families(question.musts) if n not in question.musts]
    head = (
        _("the must-have apps {musts} with what they require ({required}) do not fit")
        if required
        else _("the must-have apps {musts} do not fit")
    )
    return NothingFitsError(
        _("{what}: at best, {shortages}").format(
            what=head.format(musts=musts, required=", ".join(required)),
            shortages=reasons.shortages_text(shortages),
        ),
        reasons.remedies(shortages),
    )


def _planned(
    catalogue: Catalogue, pemda: Pemda, question: Question, solution: Solution
) -> tuple[PlannedApp, ...]:
    return tuple(
        PlannedApp(
            app=name,
            version=catalogue.apps[name].version,
            servers=solution.placement[name],
            reason=reasons.why_chosen(name, question, solution, pemda),
        )
        for name in catalogue.dependency_order(sorted(solution.placement))
    )


def _left_out(
    catalogue: Catalogue, pemda: Pemda, question: Question, solution: Solution, effort: Effort
) -> tuple[LeftOut, ...]:
    left = {
        name: LeftOut(
            app=name,
            reason=reasons.why_left_out(found, question, solution),
            benefit=question.candidates[name].benefit,
            displaces=found.displaces,
            loss=found.loss,
            extra=None if found.least_extra is None else extra_of(found.least_extra),
            moving=found.moving,
        )
        for name, found in explain.explain(question, solution, effort).items()
    }
    for name, bar in question.barred.items():
        if not catalogue.apps[name].is_platform:
            reason = reasons.why_barred(bar, catalogue.apps, pemda)
            left[name] = LeftOut(app=name, reason=reason)
    return tuple(left[name] for name in sorted(left))


def extra_of(shortages: Iterable[Shortage]) -> tuple[Extra, ...]:
    """What lacks, as a plan's file says it."""
    return tuple(
        Extra(scope=s.scope, limit=s.limit, amount=limits.quantity(s.limit, s.missing))
        for s in shortages
    )
