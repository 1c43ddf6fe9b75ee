"""The sentences of a plan: why each app is in or out, what lacks, and what a person can do.

Only words: what is true is found out in `explain`, `shortage` and `eligibility`. Sentences are in
the active language; in the same language the same values give the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Extra
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection import limits
from smartcity_pkg.selection.eligibility import Bar, Cause
from smartcity_pkg.selection.explain import Explanation, Verdict
from smartcity_pkg.selection.limits import amount_text, bare_amount
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.shortage import Shortage
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.verify import PEMDA

_NAMES_SHOWN = 3


def why_barred(bar: Bar, apps: Mapping[str, App], pemda: Pemda) -> str:
    """What keeps the app of `bar` out, whatever the capacity."""
    templates = {
        Cause.DRAFT: _("It is a draft: its catalogue entry has open points (catalogue lint)."),
        Cause.EXCLUDED: _("The profile excludes it (choice.exclude)."),
        Cause.NOT_COVERED: _("The cooperation agreement {number} does not cover it."),
        Cause.NOT_YET_VALID: _(
            "The cooperation agreement {number} that covers it is valid only from {begin}."
        ),
        Cause.EXPIRED: _("The cooperation agreement {number} that covers it expired on {end}."),
        Cause.REQUIRED_MISSING: _("It requires {other}, which the catalogue does not have."),
        Cause.REQUIRED_VERSION: _(
            "It requires {other} {wanted}, and the catalogue has version {version}."
        ),
        Cause.REQUIRED_BARRED: _("It requires {other}, which no plan may hold: {reason}"),
        Cause.ARCHITECTURE: _("No server has a processor that {app} and {other} both run on.")
        if bar.other
        else _("No server has a processor that its images are built for."),
        Cause.NO_ALTERNATIVE: _("It requires one of {other}, and no plan may hold any of them."),
        Cause.TORN: _("It needs both {own} and {other}, which exclude each other."),
        Cause.AGAINST_MUST: _("It conflicts with {other}, which the must-have apps need.")
        if bar.own == bar.app
        else _("It needs {own}, which conflicts with {other}; the must-have apps need that."),
    }
    pks, requirements = pemda.agreement.pks, apps[bar.app].spec.requires
    return templates[bar.cause].format(
        app=bar.app,
        number=pks.number,
        begin=pks.date,
        end=pks.expires,
        own=bar.own,
        other=bar.other,
        wanted=next((r.version for r in requirements if r.app == bar.other), ""),
        version=apps[bar.other].version if bar.other in apps else "",
        reason=why_barred(bar.root, apps, pemda) if bar.root else "",
    )


def shortage_text(shortage: Shortage) -> str:
    """One limit that lacks: whose, how much, and from which amounts that follows."""
    limit = shortage.limit
    amounts = {
        "missing": amount_text(limit, shortage.missing),
        "needed": bare_amount(limit, shortage.needed),
        "available": bare_amount(limit, shortage.available),
    }
    if shortage.scope == PEMDA:
        return _("the pemda lacks {missing} ({needed} needed, {available} available)").format(
            **amounts
        )
    return _("server {server} lacks {missing} ({needed} needed, {available} free)").format(
        server=shortage.scope, **amounts
    )


def shortages_text(shortages: Iterable[Shortage]) -> str:
    """All limits that lack, in one clause."""
    return "; ".join(shortage_text(s) for s in shortages)


def extra_text(extra: Iterable[Extra]) -> str:
    """Capacity to add, as a plan's file says it, in words; "" for none."""
    return "; ".join(
        _("{amount} more ({where})").format(
            amount=amount_text(e.limit, limits.demanded(e.limit, e.amount)),
            where=_("pemda") if e.scope == PEMDA else e.scope,
        )
        for e in extra
    )


def remedies(shortages: Iterable[Shortage]) -> str:
    """What a person can do about these limits."""
    lacking = {s.limit for s in shortages}
    advice = []
    if lacking & set(limits.SERVER_LIMITS):
        advice.append(_("give the server more, or add a larger one (servers)"))
    if limits.BANDWIDTH in lacking:
        advice.append(_("get a faster link (link_mbps)"))
    if limits.COST in lacking:
        advice.append(_("find a larger budget (budget_idr_per_year)"))
    if any(limits.group_of(limit) for limit in lacking):
        advice.append(_("allow more apps of the group (choice.quotas)"))
    if any(limits.skill_of(limit) for limit in lacking):
        advice.append(_("train or hire people and enter them (staff)"))
    advice.append(_("or take an app out of choice.must"))
    return _("what helps: {advice}").format(advice="; ".join(advice))


def why_chosen(name: str, question: Question, solution: Solution, pemda: Pemda) -> str:
    """Why the plan holds `name`."""
    candidate = question.candidates[name]
    requirers = [n for n in sorted(solution.placement) if name in question.candidates[n].requires]
    reasons = []
    if candidate.must:
        reasons.append(_("the profile insists on it"))
    if candidate.benefit and name in pemda.choice.priorities:
        reasons.append(
            _("it brings benefit {benefit} by the profile's priorities").format(
                benefit=candidate.benefit
            )
        )
    elif candidate.benefit:
        reasons.append(_("it brings benefit {benefit}").format(benefit=candidate.benefit))
    if requirers:
        reasons.append(_("needed by {apps}").format(apps=_some(requirers)))
    if not reasons:
        reasons.append(_("it runs already, and nothing better takes its room"))
    text = "; ".join(reasons)
    return text[0].upper() + text[1:] + "."


def why_left_out(found: Explanation, question: Question, solution: Solution) -> str:
    """One true sentence about an app that `solution` leaves out."""
    own = question.candidates[found.app].benefit
    templates = {
        Verdict.NO_BENEFIT: _("Its benefit is 0, so taking it would not make the plan better."),
        Verdict.NOT_ALONE: _("It does not fit even alone: at best, {shortages}."),
        Verdict.NOT_BESIDE_MUSTS: _(
            "It does not fit beside the must-have apps: at best, {shortages}."
        ),
        Verdict.WORTH_LESS: _(
            "It fits only in place of others: the best plan with it leaves out {displaced} and "
            "brings benefit {less} instead of {benefit}."
        ),
        Verdict.MORE_CHANGES: _(
            "A plan with it brings no more benefit, but removes or moves more of the running "
            "apps ({more} more)."
        ),
        Verdict.MORE_SERVERS: _(
            "A plan with it brings no more benefit, but takes more servers ({more} more)."
        ),
        Verdict.MORE_INSTANCES: _(
            "A plan with it brings no more benefit, but runs more app instances ({more} more)."
        ),
        Verdict.EQUAL: _(
            "A plan with it is exactly as good; among equals, apps earlier in the alphabet are "
            "taken."
        ),
        Verdict.IN_PLACE_OF: _(
            "It does not fit beside the chosen apps. It could take the place of {displaced} on "
            "server {server}, but brings benefit {own} where {lost} would be lost."
        ),
        Verdict.NO_ROOM: _(
            "It does not fit beside all of the chosen apps, wherever they stand, and no plan with "
            "it brings more benefit."
        ),
        Verdict.UNPROVEN: _(
            "It is not in the best plan found within the time limit; a better plan was not "
            "ruled out."
        ),
    }
    displaced = list(found.displaces)
    if found.verdict is Verdict.WORTH_LESS:
        displaced = [
            _("{app} (benefit {benefit})").format(app=n, benefit=question.candidates[n].benefit)
            for n in displaced
        ]
    return templates[found.verdict].format(
        shortages=shortages_text(found.lacking),
        displaced=_some(displaced),
        server=found.server,
        more=found.more,
        own=own,
        lost=own + found.loss,
        benefit=solution.benefit,
        less=solution.benefit - found.loss,
    )


def _some(names: list[str]) -> str:
    """The first few of `names`, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return _("{names} and {more} more").format(names=shown, more=more) if more > 0 else shown
