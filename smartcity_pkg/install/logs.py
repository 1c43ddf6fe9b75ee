"""What an app's services wrote to their logs; read only, no lock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.install import installed
from smartcity_pkg.install.place import Place

# What `docker logs --since` takes: a Go duration, a Unix time, or RFC 3339.
_SINCE = re.compile(r"(\d+[smh])+|\d+|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True)
class ServiceLog:
    """The last lines of one service's container, oldest first."""

    server: str
    service: str
    text: str


def app_logs(place: Place, app: str, lines: int, since: str = "") -> tuple[ServiceLog, ...]:
    """The logs of each service of `app` on this server; empty where the app is not there.

    At most `lines` of each, `since` a duration (`90m`) or a moment. UsageError for another `since`.
    """
    if since and not _SINCE.fullmatch(since):
        raise UsageError(
            _("--since is “{given}”, expected like 90m, 2h or 2026-05-01T08:00:00Z").format(
                given=since
            )
        )
    known = installed.read_known(place, installed.look(place))
    projects = {
        a.project for r in known.values() for a in r.on_server(place.server) if a.app == app
    }
    return tuple(
        ServiceLog(place.server, state.service, place.engine.logs(state.id, lines, since))
        for state in place.engine.states(sorted(projects))
    )
