"""Watches an app until it is healthy, or until it is clear that it will not be.

Compose's own `--wait` answers 1 for services without a health check, and lets one that crashes
after four seconds pass (facts.md); so the judgement is made here, from what the engine shows. The
verdict is pure; `wait_healthy` and `wait_routes` are the loops around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.engines.engine import ContainerState, Engine
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install.outcome import KEEP_LOG_LINES
from smartcity_pkg.install.probe import Answer, Route, ask

_POLL_S, _SLOWEST_POLL_S = 0.2, 1.0
_CRASHES = 2  # one may be a dependency that was not there yet; two are a habit
_PATIENCE_MARGIN_S = 10.0


class NotHealthyError(EngineError):
    """An app did not become healthy; `message` ends with the last lines of its log."""


@dataclass(frozen=True)
class Verdict:
    """`done` when the app is healthy; `failed` says why it never will be; else `waits_for`."""

    done: bool = False
    failed: str = ""
    waits_for: str = ""
    culprit: ContainerState | None = None


class Watch:
    """Judges an app's containers from moment to moment, remembering what it saw.

    `services` must each have a container; `settle_s` is how long one without a health check must
    stay up, without a restart, to count as well.
    """

    def __init__(self, services: Sequence[str], settle_s: float) -> None:
        self._services = services
        self._settle_s = settle_s
        self._first_restarts: dict[str, int] = {}
        self._up_since: dict[tuple[str, str, int], float] = {}

    def judge(self, states: Iterable[ContainerState], now_s: float) -> Verdict:
        """The verdict at `now_s` (any clock that only goes forward)."""
        by_service = {s.service: s for s in states}
        waiting = Verdict(done=True)
        for service in self._services:
            verdict = self._one(service, by_service.get(service), now_s)
            if verdict.failed:
                return verdict
            if not verdict.done and waiting.done:
                waiting = verdict
        return waiting

    def _one(self, service: str, state: ContainerState | None, now_s: float) -> Verdict:
        if state is None:
            return Verdict(waits_for=_("{service}: no container yet").format(service=service))
        crashes = state.restart_count - self._first_restarts.setdefault(
            state.id, state.restart_count
        )
        failed = ""
        if state.health == "unhealthy":
            failed = _("{service} is unhealthy; its last check said: {said}").format(
                service=service, said=state.health_output or "-"
            )
        elif state.status in ("exited", "dead"):
            failed = _("{service} ended with status {code}").format(
                service=service, code=state.exit_code
            )
        elif crashes >= _CRASHES or state.restart_count >= _CRASHES:
            failed = _("{service} crashes again and again (last status {code})").format(
                service=service, code=state.exit_code
            )
        if failed:
            return Verdict(failed=failed, culprit=state)
        if state.running and state.health == "healthy":
            return Verdict(done=True)
        if state.running and not state.health and self._settled(state, now_s):
            return Verdict(done=True)
        shown = state.health or state.status
        return Verdict(
            waits_for=_("{service} is {state}").format(service=service, state=shown), culprit=state
        )

    def _settled(self, state: ContainerState, now_s: float) -> bool:
        life = (state.id, state.started_at, state.restart_count)
        return now_s - self._up_since.setdefault(life, now_s) >= self._settle_s


def wait_healthy(
    engine: Engine,
    project: str,
    services: Sequence[str],
    *,
    app: str,
    health_s: float,
    settle_s: float,
    check: Callable[[], None],
) -> None:
    """Wait until every service of the app is well; NotHealthyError says why it is not.

    The time allowed is `health_s`, or what the containers' own health checks take to reach a
    verdict, if that is longer. `check` is called at every look and may raise (a lost lock).
    """
    watch = Watch(services, settle_s)
    started_s, pause_s = time.monotonic(), _POLL_S
    while True:
        check()
        states = engine.states([project])
        verdict = watch.judge(states, time.monotonic())
        if verdict.done:
            return
        allowed_s = max([health_s, *(s.patience_s + _PATIENCE_MARGIN_S for s in states)])
        if verdict.failed:
            raise _not_healthy(engine, app, verdict.failed, verdict.culprit)
        if time.monotonic() - started_s > allowed_s:
            late = _("not healthy after {seconds:.0f} s: {what}").format(
                seconds=allowed_s, what=verdict.waits_for
            )
            raise _not_healthy(engine, app, late, verdict.culprit)
        time.sleep(pause_s)
        pause_s = min(_SLOWEST_POLL_S, pause_s * 1.5)


def wait_routes(
    host: Host, routes: Iterable[Route], *, route_s: float, check: Callable[[], None]
) -> None:
    """Wait until every public route answers 200; NotHealthyError names those that do not."""
    deadline, pause_s = time.monotonic() + route_s, _POLL_S
    open_routes = list(routes)
    while True:
        check()
        bad = [answer for answer in ask_all(host, open_routes) if not answer.good]
        if not bad:
            return
        if time.monotonic() > deadline:
            raise NotHealthyError(
                _("{app}: the public route does not answer: {answers}").format(
                    app=", ".join(sorted({a.route.app for a in bad})),
                    answers="; ".join(map(str, bad)),
                )
            )
        open_routes = [answer.route for answer in bad]
        time.sleep(pause_s)
        pause_s = min(_SLOWEST_POLL_S, pause_s * 1.5)


def ask_all(host: Host, routes: Iterable[Route]) -> tuple[Answer, ...]:
    """What every route answers now."""
    return tuple(ask(host, route) for route in routes)


def _not_healthy(
    engine: Engine, app: str, why: str, culprit: ContainerState | None
) -> NotHealthyError:
    message = _("{app}: {why}").format(app=app, why=why)
    if culprit is not None and (log := engine.logs(culprit.id, KEEP_LOG_LINES)):
        message += "\n" + _("last lines of the log of {service}:").format(service=culprit.service)
        message += "\n" + log
    return NotHealthyError(message)
