"""What may not go into a bundle: breaches that nobody allowed, and secrets that were written out.

The judges are `catalogue.audit` and `leaks`, the law is the workspace's policy. A server asks the
first question again, of what arrived (`install.preflight`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from smartcity_pkg.bundle.leaks import Leak, in_files, in_image
from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.audit import audit_released
from smartcity_pkg.catalogue.exemption import Breach, Exemption, in_order, judge
from smartcity_pkg.catalogue.policy import AllowedSecret, LeakRule, Policy
from smartcity_pkg.catalogue.release import ReleaseApp
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import N_, _
from smartcity_pkg.hosts.store import StorePaths

_LACKS = ("SC029", "SC030")
_KINDS: dict[LeakRule, str] = {
    "private-key": N_("a private key"),
    "token": N_("a token of a known service"),
    "url-password": N_("a password in an address"),
    "named-secret": N_("a secret"),
}


def exemptions_used(
    apps: Sequence[ReleaseApp], files: Mapping[str, bytes], policy: Policy
) -> tuple[Exemption, ...]:
    """The exemptions of `policy` (of the day: `Policy.on`) that the apps need.

    InputError (exit code 20) with every breach that none of them covers.
    """
    problems: list[Problem] = []
    used: list[Exemption] = []
    for app in apps:
        breaches = audit_released(app, files, str(StorePaths().secrets))
        verdict = judge(breaches, policy.exemptions)
        problems += [_breach_problem(b, app, files) for b in verdict.refused]
        used += verdict.used
    if problems:
        raise InputError(
            list(dict.fromkeys(problems)),
            _(
                "mend the app; or, if it cannot do without, name it in policy.yaml with a reason"
                " (smartcity catalogue lint --explain NUMBER says why a rule is there)"
            ),
        )
    return in_order(used)


def refuse_leaks(files: Mapping[str, bytes], configs: Mapping[str, bytes], policy: Policy) -> None:
    """InputError (exit code 20) that names every secret in the rendered files and in images.

    `configs` are images' configs by the reference of the app's Compose file. No value is shown.
    """
    leaks = [*in_files(files), *(k for where, c in configs.items() for k in in_image(where, c))]
    found = [leak for leak in leaks if not _is_allowed(leak, policy.secrets)]
    if found:
        raise InputError(
            [_leak_problem(leak, in_file=leak.where in files) for leak in found],
            _(
                "let the server make the secret (x-smartcity.secrets), read it from /run/secrets,"
                " and change one that was real; what is none is allowed under secrets in"
                " policy.yaml"
            ),
        )


def _is_allowed(leak: Leak, allowed: Iterable[AllowedSecret]) -> bool:
    return any(
        entry.rule == leak.rule
        and fnmatchcase(leak.where, entry.where)
        and entry.value_sha256 in (None, leak.value_sha256)
        and entry.path in (None, leak.path)
        for entry in allowed
    )


def _leak_problem(leak: Leak, *, in_file: bool) -> Problem:
    what = _(_KINDS[leak.rule])
    if leak.path:
        text = _("“{name}” holds {what}").format(name=leak.path[:80], what=what)
    else:
        text = _("holds {what}").format(what=what)
    if leak.begins:
        text += " " + _("({begins}…, {count} letters)").format(
            begins=leak.begins, count=leak.length
        )
    if in_file:
        return Problem(text, leak.where, int(leak.at), rule=leak.rule)
    return Problem(f"{leak.at}: {text}", leak.where, rule=leak.rule)


def _breach_problem(breach: Breach, app: ReleaseApp, files: Mapping[str, bytes]) -> Problem:
    """The breach at its line: where a file says it, else near that place in the app's own file."""
    text = f"{breach.who}: {breach.text}"
    documents = []
    for path in app.compose_files:
        try:
            documents.append(yamlfile.parse(files[path], path))
        except (KeyError, InputError):
            return Problem(text, path, rule=breach.rule)
    saying = [d for d in documents if breach.path in d.marks and breach.rule not in _LACKS]
    problem = (saying or documents)[0].problem(breach.path, text)
    return replace(problem, rule=breach.rule)
