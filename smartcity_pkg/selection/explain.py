"""The sentences of a plan: why each app is in, why each other is out, what a must-have lacks.

Every sentence is true and is found out by solving again where arithmetic does not settle it.
Sentences are in the active language; in the same language the same question gives the same text.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.core.i18n import _
from smartcity_pkg.selection import displace, limits, solve
from smartcity_pkg.selection.eligibility import Bar, Cause
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.limits import amount_text, bare_amount
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.shortage import Shortage, least
from smartcity_pkg.selection.solve import Solution, UndecidedError
from smartcity_pkg.selection.verify import PEMDA

EXACT_UP_TO = 48
"""Apps times servers up to which the best plan with an app is solved for; a fixed number, not a
time, so that the sentences are the same on slow machines."""

_NAMES_SHOWN = 3


def why_barred(bar: Bar, apps: Mapping[str, App], pemda: Pemda) -> str:
    """What keeps the app of `bar` out, whatever the capacity."""
    templates = {
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
        Cause.TORN: _("It needs both {own} and {other}, which exclude each other."),
        Cause.AGAINST_MUST: _("It conflicts with {other}, which the must-have apps need.")
        if bar.own == bar.app
        else _("It needs {own}, which conflicts with {other}; the must-have apps need that."),
    }
    pks, requirements = pemda.agreement.pks, apps[bar.app].spec.requires
    return templates[bar.cause].format(
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


def remedies(shortages: Iterable[Shortage]) -> str:
    """What a person can do about these limits."""
    lacking = {s.limit for s in shortages}
    advice = []
    if lacking & set(limits.SERVER_LIMITS):
        advice.append(_("give the server more, or add a larger one (servers)"))
    if limits.BANDWIDTH in lacking:
        advice.append(_("get a faster link (link_mbps)"))
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


@dataclass(frozen=True)
class _Case:
    """One app left out, and what is known of the plan without it."""

    name: str
    question: Question
    solution: Solution
    effort: Effort
    exact: bool


def why_left_out(
    question: Question, solution: Solution, effort: Effort, exact_up_to: int = EXACT_UP_TO
) -> dict[str, str]:
    """One true sentence for each candidate (platform apps aside) that `solution` leaves out.

    In questions larger than `exact_up_to`, the place of which app it could take is found by
    arithmetic instead of by solving for the best plan with it. All that is solved shares the
    seconds of `effort` fairly; where they do not suffice, a sentence says less.
    """
    exact = len(question.candidates) * len(question.servers) <= exact_up_to
    left = [c.name for c in question.apps if c.name not in solution.placement]
    deadline = time.monotonic() + effort.time_limit_s
    sentences = {}
    for number, name in enumerate(left):
        share = (deadline - time.monotonic()) / (len(left) - number)
        case = _Case(name, question, solution, replace(effort, time_limit_s=max(0.0, share)), exact)
        sentences[name] = _why_out(case)
    return sentences


def _why_out(case: _Case) -> str:
    if case.question.candidates[case.name].benefit == 0:
        return _("Its benefit is 0, so taking it would not make the plan better.")
    return _lacking(case) or _worth_less(case) or _in_place_of(case) or _unproven(case)


def _lacking(case: _Case) -> str:
    """The sentence where the app cannot run beside the must-have apps, else ""."""
    question, name = case.question, case.name
    shortages = least(question.insisting([name]), case.effort)
    if not shortages:
        return ""
    alone = question.only(question.family(name)).insisting([name])
    if by_itself := least(alone, case.effort):
        return _("It does not fit even alone: at best, {shortages}.").format(
            shortages=shortages_text(by_itself)
        )
    return _("It does not fit beside the must-have apps: at best, {shortages}.").format(
        shortages=shortages_text(shortages)
    )


def _worth_less(case: _Case) -> str:
    """The sentence where the best plan with the app is known, else ""."""
    if not case.exact or not case.solution.proven:
        return ""
    chosen = {
        c.name: case.solution.placement[c.name][0]
        for c in case.question.apps
        if c.name in case.solution.placement
    }
    near = replace(case.question.insisting([case.name]), running=chosen)
    forced = _best(near, case.effort)
    if not forced or not forced.settled:
        return ""
    if forced.benefit == case.solution.benefit:
        return _no_better(case)
    displaced = [
        _("{app} (benefit {benefit})").format(app=n, benefit=case.question.candidates[n].benefit)
        for n in chosen
        if n not in forced.placement
    ]
    return _(
        "It fits only in place of others: the best plan with it leaves out {displaced} and brings "
        "benefit {less} instead of {benefit}."
    ).format(displaced=_some(displaced), less=forced.benefit, benefit=case.solution.benefit)


def _no_better(case: _Case) -> str:
    """The sentence where a plan with the app brings as much benefit; "" if time ran out."""
    other = _best(case.question.insisting([case.name]), case.effort)
    solution = case.solution
    if not other or not other.settled or not solution.settled:
        return ""
    template = ""
    if more := other.changes - solution.changes:
        template = _(
            "A plan with it brings no more benefit, but removes or moves more of the running "
            "apps ({more} more)."
        )
    elif more := other.servers - solution.servers:
        template = _("A plan with it brings no more benefit, but takes more servers ({more} more).")
    elif more := other.instances - solution.instances:
        template = _(
            "A plan with it brings no more benefit, but runs more app instances ({more} more)."
        )
    if template:
        return template.format(more=more)
    return _(
        "A plan with it is exactly as good; among equals, apps earlier in the alphabet are taken."
    )


def _in_place_of(case: _Case) -> str:
    """The sentence where the app could take one chosen app's place, else ""."""
    question, placement = case.question, case.solution.placement
    own = question.candidates[case.name].benefit
    if not case.solution.proven:
        return ""
    way = displace.cheapest(question, placement, case.name, least_loss=own)
    if way is None:
        return ""
    return _(
        "It does not fit beside the chosen apps. It could take the place of {displaced} on server "
        "{server}, but brings benefit {own} where {lost} would be lost."
    ).format(displaced=_some(list(way.displaced)), server=way.server, own=own, lost=way.lost)


def _unproven(case: _Case) -> str:
    """What is true without solving again."""
    if not case.solution.proven:
        return _(
            "It is not in the best plan found within the time limit; a better plan was not "
            "ruled out."
        )
    return _(
        "It does not fit beside all of the chosen apps, wherever they stand, and no plan with it "
        "brings more benefit."
    )


def _best(question: Question, effort: Effort) -> Solution | None:
    try:
        return solve.best(question, effort)
    except UndecidedError:
        return None


def _some(names: list[str]) -> str:
    """The first few of `names`, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return _("{names} and {more} more").format(names=shown, more=more) if more > 0 else shown
