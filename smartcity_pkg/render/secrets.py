"""Which secret files a server needs and where services find them; no value is ever seen here.

Each secret is one file, readable by one uid. A provider that must know an app's secret gets a copy
of its own, because Compose mounts secrets as files that keep their owner (it ignores `uid`).
"""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.catalogue.app import App, Service
from smartcity_pkg.catalogue.release import SecretFile
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render.server import ServerApps


@dataclass(frozen=True)
class SharedSecret:
    """A secret of `app` that a provider knows too."""

    app: str
    name: str

    @property
    def key(self) -> str:
        """What the provider calls it: app names have no underscore, secrets no dash."""
        return f"{self.app}_{self.name}"

    @property
    def path(self) -> str:
        """Where the provider's services find it."""
        return f"/run/secrets/{self.key}"


def shared_with(provider: App, here: ServerApps) -> tuple[SharedSecret, ...]:
    """The secrets that the apps of this server share with `provider`, sorted by app and name."""
    return tuple(
        SharedSecret(app.name, name)
        for app in sorted(here.apps, key=lambda a: a.name)
        for name, spec in sorted(app.spec.secrets.items())
        if provider.name in spec.share_with
        and provider.name in app.provided_by({a.name: a for a in here.apps})
    )


def secret_files(app: App, here: ServerApps) -> tuple[SecretFile, ...]:
    """The files that the server makes for `app`, sorted by path.

    InputError where two services of different uids read the same file, or a uid is not a number.
    """
    file = here.compose_path(app)
    result: list[SecretFile] = []
    for name in app.spec.secrets:
        users = [s for s in app.services if name in s.secrets]
        result.append(_file(app, file, f"{app.name}/{name}", name, users))
    for secret in shared_with(app, here):
        if secret.key in app.spec.secrets:
            raise InputError(
                Problem(
                    _("the secret “{key}” is also the one that {other} shares with {app}").format(
                        key=secret.key, other=secret.app, app=app.name
                    ),
                    file,
                    hint=_("give one of the two another name"),
                )
            )
        source = f"{secret.app}/{secret.name}"
        result.append(_file(app, file, source, secret.key, list(app.services)))
    return tuple(sorted(result, key=lambda f: f.path))


def _file(app: App, file: str, source: str, key: str, readers: list[Service]) -> SecretFile:
    uids = {_uid(app, file, service) for service in readers} or {0}
    if len(uids) > 1:
        raise InputError(
            Problem(
                _("the secret “{key}” of {app} is read by several users: {uids}").format(
                    key=key, app=app.name, uids=", ".join(map(str, sorted(uids)))
                ),
                file,
                hint=_("give the services the same numeric “user”, or a secret each"),
            )
        )
    return SecretFile(source=source, path=f"{app.name}/{key}", uid=uids.pop())


def _uid(app: App, file: str, service: Service) -> int:
    user = service.user.partition(":")[0]
    if user and not (user.isascii() and user.isdigit()):
        raise InputError(
            Problem(
                _("the service “{service}” of {app} reads secrets as “{user}”").format(
                    service=service.name, app=app.name, user=service.user
                ),
                file,
                hint=_('expected a number, as in user: "10001:10001"'),
            )
        )
    return int(user or 0)
