"""Joins a plan with the catalogue and the profile, and refuses a plan that does not fit them.

People may edit a plan, and the catalogue may have moved on since it was made.
"""

from __future__ import annotations

from collections.abc import Iterator

from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render.server import ServerApps


def servers_of(plan: Plan, catalogue: Catalogue, pemda: Pemda) -> tuple[ServerApps, ...]:
    """The servers of `plan`, by name, each with its apps, providers first.

    InputError where the plan names another region, an app or a version that the catalogue does not
    have, a server that the profile does not have, or an app without what it requires beside it.
    """
    problems = [*_about_pemda(plan, pemda), *_about_apps(plan, catalogue)]
    if not problems:
        problems = [
            problem
            for server in plan.servers
            for planned in plan.on_server(server)
            for problem in _about_requirements(planned, server, plan, catalogue)
        ]
    if problems:
        raise InputError(
            problems, _("make the plan anew: smartcity select; then look through it and render it")
        )
    return tuple(_on_server(server, plan, catalogue) for server in plan.servers)


def _on_server(server: str, plan: Plan, catalogue: Catalogue) -> ServerApps:
    names = sorted(p.app for p in plan.on_server(server))
    return ServerApps(
        server,
        tuple(catalogue.apps[n] for n in catalogue.dependency_order(names)),
        catalogue.folder,
    )


def _about_pemda(plan: Plan, pemda: Pemda) -> Iterator[Problem]:
    if plan.region != pemda.region:
        yield Problem(
            _("the plan is for region {region}, the profile is for {other}").format(
                region=plan.region, other=pemda.region
            )
        )
    known = {server.name for server in pemda.servers}
    for server in plan.servers:
        if server not in known:
            yield Problem(
                _("the plan uses the server {server}, which the profile does not have").format(
                    server=server
                )
            )


def _about_apps(plan: Plan, catalogue: Catalogue) -> Iterator[Problem]:
    seen: set[str] = set()
    for planned in plan.apps:
        app = catalogue.apps.get(planned.app)
        if planned.app in seen:
            yield Problem(_("the plan names {app} twice").format(app=planned.app))
        seen.add(planned.app)
        if app is None:
            yield Problem(
                _("the plan takes {app}, which the catalogue does not have").format(app=planned.app)
            )
        elif app.version != planned.version:
            yield Problem(
                _("the plan takes {app} {version}, the catalogue has {other}").format(
                    app=planned.app, version=planned.version, other=app.version
                )
            )


def _about_requirements(
    planned: PlannedApp, server: str, plan: Plan, catalogue: Catalogue
) -> Iterator[Problem]:
    app = catalogue.apps[planned.app]
    beside = {p.app for p in plan.on_server(server)}
    here = {n: catalogue.apps[n] for n in beside if n in catalogue.apps}
    for choices in app.spec.requires_one_of:
        if not any(r.app in here and r.accepts(here[r.app].version) for r in choices):
            yield Problem(
                _(
                    "{app} requires one of {providers}; the plan puts none of them on {server}"
                ).format(
                    app=planned.app,
                    providers=", ".join(f"{r.app} {r.version}".strip() for r in choices),
                    server=server,
                )
            )
    for requirement in app.spec.requires:
        provider = catalogue.apps.get(requirement.app)
        if requirement.app not in beside:
            yield Problem(
                _("{app} requires {provider}, which the plan does not put on {server}").format(
                    app=planned.app, provider=requirement.app, server=server
                )
            )
        elif provider is None or not requirement.accepts(provider.version):
            yield Problem(
                _("{app} requires {provider} {range}, the catalogue has {version}").format(
                    app=planned.app,
                    provider=requirement.app,
                    range=requirement.version,
                    version=provider.version if provider else "-",
                )
            )
