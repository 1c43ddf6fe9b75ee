"""Looks at apps until they are well and have stayed so, or until it is clear that they will not.

Compose's own `--wait` answers 1 for services without a health check, and lets one that crashes
after four seconds pass (facts.md); so the judgement is made here, from what the engine shows and
what citizens would get. The judging is pure (`watch`); here are the loops around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install.outcome import KEEP_LOG_LINES
from smartcity_pkg.install.probe import Answer, Route, ask
from smartcity_pkg.install.watch import Routes, Verdict, Watch, together

_POLL_S, _SLOWEST_POLL_S = 0.2, 1.0


class NotHealthyError(EngineError):
    """An app did not become healthy; `message` ends with the last lines of its log."""


def wait_healthy(engine: Engine, watches: Sequence[Watch], *, check: Callable[[], None]) -> None:
    """Wait until all these apps are well; NotHealthyError says why one is not.

    `check` is called at every look and may raise (a lost lock).
    """
    projects = [w.project for w in watches]
    for now_s in _looks(check):
        states = engine.states(projects)
        if _judged(engine, [w.judge(states, now_s) for w in watches]).well:
            return


def wait_steady(
    engine: Engine,
    host: Host,
    watches: Sequence[Watch],
    routes: Iterable[Route],
    *,
    route_s: float,
    soak_s: float,
    check: Callable[[], None],
) -> None:
    """Wait until every route answers 200, and these apps have been well for `soak_s` on end.

    What was well before this call counts, so that of several apps only the last one costs time. The
    other apps' routes are asked until they answer once. Raises NotHealthyError.
    """
    seen = Routes(routes, route_s)
    projects, apps = [w.project for w in watches], [w.app for w in watches]
    for now_s in _looks(check):
        states = engine.states(projects)
        for route in seen.to_ask(apps):
            asked_s = time.monotonic()
            seen.note(ask(host, route), asked_s)
        verdicts = [w.judge(states, now_s) for w in watches]
        verdict = _judged(engine, [*verdicts, seen.judge(time.monotonic())])
        since_s = verdict.well_since_s
        if since_s is not None and (not watches or now_s - since_s >= soak_s):
            return


def ask_all(host: Host, routes: Iterable[Route]) -> tuple[Answer, ...]:
    """What every route answers now."""
    return tuple(ask(host, route) for route in routes)


def _looks(check: Callable[[], None]) -> Iterator[float]:
    """The moments to look at, more and more slowly; the verdicts end it."""
    pause_s = _POLL_S
    while True:
        check()
        yield time.monotonic()
        time.sleep(pause_s)
        pause_s = min(_SLOWEST_POLL_S, pause_s * 1.5)


def _judged(engine: Engine, verdicts: Iterable[Verdict]) -> Verdict:
    verdict = together(verdicts)
    if not verdict.failed:
        return verdict
    message = _("{app}: {why}").format(app=verdict.who, why=verdict.failed)
    culprit = verdict.culprit
    if culprit is not None and (log := engine.logs(culprit.id, KEEP_LOG_LINES)):
        message += "\n" + _("last lines of the log of {service}:").format(service=culprit.service)
        message += "\n" + log
    raise NotHealthyError(message, verdict.hint)
