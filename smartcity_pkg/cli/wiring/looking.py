"""Looking at a pemda's servers: collect on each, judge, answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import targets
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

if TYPE_CHECKING:
    from smartcity_pkg.install.check import CheckReport
    from smartcity_pkg.install.history import History
    from smartcity_pkg.install.logs import ServiceLog


def check_servers(
    session: Session,
    name: str,
    servers: list[str] | None,
    release: str | None,
    facts: Path | None,
    save_facts: Path | None,
) -> list[CheckReport]:
    """What preflight says of each server, or of the saved facts of one."""
    from smartcity_pkg.install import check

    pemda = session.pemda(name)
    if facts is not None:
        if release is not None or save_facts is not None or servers:
            raise UsageError(
                _("--facts stands alone: the saved facts say of which server and release"),
                _("leave out --server, --release and --save-facts"),
            )
        return [check.judged(check.load(facts))]
    chosen = targets(pemda, servers)
    if save_facts is not None and len(chosen) > 1:
        raise UsageError(
            _("--save-facts keeps the facts of one server"), _("say which one: --server NAME")
        )
    reports = []
    for target in chosen:
        with target.place() as place:
            question = check.collect(place, release, target.public_names)
        if save_facts is not None:
            check.save(save_facts, question)
        reports.append(check.judged(question))
    return reports


def read_logs(
    session: Session, name: str, servers: list[str] | None, app: str, lines: int, since: str
) -> list[ServiceLog]:
    """The logs of an app's services on every server that has it."""
    from smartcity_pkg.install.logs import app_logs

    found: list[ServiceLog] = []
    for target in targets(session.pemda(name), servers):
        with target.place() as place:
            found += app_logs(place, app, lines, since)
    if not found:
        raise UsageError(
            _("no server has containers of an app called {app}").format(app=app),
            _("see what runs: smartcity status {pemda}").format(pemda=name),
        )
    return found


def read_histories(
    session: Session, name: str, servers: list[str] | None, expect: str | None
) -> list[History]:
    """The journal of each server."""
    from smartcity_pkg.install.history import read_history

    found = []
    for target in targets(session.pemda(name), servers):
        with target.place() as place:
            found.append(read_history(place, expect or ""))
    return found
