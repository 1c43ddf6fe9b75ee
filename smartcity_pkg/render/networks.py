"""Which networks each service joins and under which names; writing that down is `secondfile`'s.

Each app is a Compose project of its own, so apps meet on networks that no project owns (docs/adr/
0003): a provider P owns `smartcity-P`, and those who require it find it there as P. The gateway is
the other way round: it calls the apps, so only services with a public route join its network.
"""

from __future__ import annotations

from smartcity_pkg.catalogue.app import App, Service
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render.server import ServerApps

GATEWAY = "gateway"
DEFAULT = "default"

Joined = dict[str, tuple[str, ...]]
"""The networks of one service, each with the names that it is known by there."""


def network_of(provider: str) -> str:
    """The network on which an app's consumers reach it."""
    return f"smartcity-{provider}"


def default_name(app: str) -> str:
    """What the engine calls the network of one app's own services.

    Every service is also known by its bare name on every network that it joins, so two apps that
    both have a `worker` could reach each other's. A container asks its networks in the order of
    their names (moby, `Endpoint.Less`): this one must come before `smartcity-…`.
    """
    return f"app-{app}"


def joined(app: App, here: ServerApps) -> dict[str, Joined]:
    """The networks that each service of `app` joins; `default` is the app's own.

    The app's own network is left out where nobody would be met there: a single service without a
    published port. A published port needs it, because the others may have no way out.
    """
    own = here.facts(app).networks
    result: dict[str, Joined] = {}
    for service in app.services:
        networks = _shared(app, service, here)
        alone = len(app.services) == 1 and not service.published_ports and networks
        if not own.get(service.name) and not alone:
            networks = {DEFAULT: (), **networks}
        result[service.name] = networks
    return result


def shared_networks(app: App, here: ServerApps) -> tuple[str, ...]:
    """The networks of other projects that `app` meets others on, sorted."""
    return tuple(sorted({n for s in app.services for n in _shared(app, s, here)}))


def _shared(app: App, service: Service, here: ServerApps) -> Joined:
    networks: Joined = {}
    for provider in here.providers(app):
        if provider.name != GATEWAY:
            networks[network_of(provider.name)] = ()
    if app.name != GATEWAY and here.consumers(app):
        networks[network_of(app.name)] = (app.name,) if _answers(app, service) else ()
    if here.find(GATEWAY):
        routed = [a for a in here.apps if a.name != GATEWAY and a.spec.routes]
        if app.name == GATEWAY and routed:
            networks[network_of(GATEWAY)] = (GATEWAY,)
        elif app in routed and service.name in {r.service for r in app.spec.routes}:
            network = network_of(GATEWAY)
            networks[network] = (app.name,)
    return dict(sorted(networks.items()))


def _answers(provider: App, service: Service) -> bool:
    """Whether consumers who ask for the provider's name may get this service.

    Of several services it is the one called like the app; without such a one it is every service.
    """
    names = [s.name for s in provider.services]
    return provider.name not in names or service.name == provider.name


def check(here: ServerApps) -> None:
    """InputError where a name on a shared network could lead to the wrong container."""
    problems: list[Problem] = []
    owners: dict[tuple[str, str], str] = {}
    for app in here.apps:
        routed = sorted({r.service for r in app.spec.routes})
        if len(routed) > 1:
            problems.append(
                Problem(
                    _("the routes of {app} lead to several services: {services}").format(
                        app=app.name, services=", ".join(routed)
                    ),
                    here.compose_path(app),
                    hint=_("the entrance knows an app by one name: put one service in front"),
                )
            )
        for service in app.services:
            for network, aliases in _shared(app, service, here).items():
                owners.update({(network, alias): app.name for alias in aliases})
    for app in here.apps:
        for service in app.services:
            for network in _shared(app, service, here):
                owner = owners.get((network, service.name), app.name)
                if owner != app.name:
                    problems.append(
                        Problem(
                            _(
                                "the service “{service}” of {app} has the name by which other "
                                "apps reach {owner}"
                            ).format(service=service.name, app=app.name, owner=owner),
                            here.compose_path(app),
                            hint=_("give the service another name, for instance “web”"),
                        )
                    )
    if problems:
        raise InputError(problems)
