"""Judges from looks at an app whether it is well, and since when. Pure: looks in, verdicts out.

`health` makes the looks. The rules, and why they are so, stand in ADR 0016:

- A service is well while the engine calls it healthy; without a health check, once it has run for
  `settle_s`. It is well *since* the first such look; what breaks that begins the count anew.
- What will not become well fails at once: the app's own check gave up, the container ended and is
  not started again, memory ran out, it crashes again and again, or is well by turns.
- Crashes in the start period that an app asks for are forgiven longer: there it may still wait for
  what it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.engines.engine import ContainerState
from smartcity_pkg.hosts.facts import make_room
from smartcity_pkg.install.probe import Answer, Route

_CRASHES = 2  # one may be a dependency that was not there yet; two are a habit
_CRASHES_AT_START = 5
_KILLED = 137  # 128 + SIGKILL: nearly always the kernel, for want of memory
_TURNS = 3  # so often well and then not: by turns
_PATIENCE_MARGIN_S = 10.0
_REFUSED_S = 10.0  # a path that the app answers so steadily is not the right one
_TRY_AGAIN = (408, 425, 429)


@dataclass(frozen=True)
class Verdict:
    """Well since `well_since_s`; or `failed` says why it never will be; else `waits_for`.

    `who` are the apps that it speaks of; `hint` may say what to do.
    """

    well_since_s: float | None = None
    failed: str = ""
    waits_for: str = ""
    culprit: ContainerState | None = None
    who: str = ""
    hint: str = ""

    @property
    def well(self) -> bool:
        """Whether all is well at this look."""
        return self.well_since_s is not None


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """What they say together: the first that failed, or that waits; else well since the latest."""
    found = list(verdicts)
    for verdict in found:
        if verdict.failed:
            return verdict
    for verdict in found:
        if verdict.well_since_s is None:
            return verdict
    since = max((v.well_since_s for v in found if v.well_since_s is not None), default=0.0)
    return Verdict(well_since_s=since)


class Watch:
    """Judges one app's containers from look to look. `services` must each have a container.

    The containers are those of one `up`, watched from their start. `health_s`: seconds that a
    service may be without being well (longer where its own health check takes longer).
    """

    def __init__(
        self, app: str, project: str, services: Sequence[str], *, settle_s: float, health_s: float
    ) -> None:
        self.app, self.project = app, project
        self._services = [_Service(name, settle_s, health_s) for name in services]

    def judge(self, states: Iterable[ContainerState], now_s: float) -> Verdict:
        """The verdict at `now_s` (any clock that only goes forward); other apps' are passed by."""
        mine = {s.service: s for s in states if s.project == self.project}
        verdict = together([s.judge(mine.get(s.name), now_s) for s in self._services])
        return replace(verdict, who=self.app)


class _Service:
    """What was seen of one service of an app."""

    def __init__(self, name: str, settle_s: float, health_s: float) -> None:
        self.name = name
        self._settle_s, self._health_s = settle_s, health_s
        self._first_s: float | None = None
        self._unwell_since_s = 0.0
        self._well_since_s: float | None = None
        self._was_well_s = 0.0
        self._life: tuple[str, str, int] = ("", "", 0)
        self._up_since_s: float | None = None
        self._early_crashes, self._crashes, self._turns = 0, 0, 0
        self._status = 0

    def judge(self, state: ContainerState | None, now_s: float) -> Verdict:
        self._note(state, now_s)
        if failed := self._failure(state, now_s):
            return failed
        if self._well_since_s is not None:
            return Verdict(well_since_s=self._well_since_s)
        waits_for = _("{service}: no container yet").format(service=self.name)
        if state is not None:
            waits_for = _("{service} is {state}").format(
                service=self.name, state=(state.running and state.health) or state.status
            )
        own_s = state.patience_s if state else 0.0
        allowed_s = max(self._health_s, own_s + _PATIENCE_MARGIN_S if own_s else 0.0)
        if now_s - self._unwell_since_s > allowed_s:
            late = _("not healthy after {seconds:.0f} s: {what}")
            text = late.format(seconds=allowed_s, what=waits_for)
            return Verdict(failed=text, culprit=state)
        return Verdict(waits_for=waits_for, culprit=state)

    # -- remembering ----------------------------------------------------------------------------

    def _note(self, state: ContainerState | None, now_s: float) -> None:
        if self._first_s is None:
            self._first_s = self._unwell_since_s = now_s
        if state is not None:
            self._count_crashes(state, now_s)
            life = (state.id, state.started_at, state.restart_count)
            if life != self._life:
                self._lose(now_s)
                self._life, self._up_since_s = life, now_s
            if not state.running:  # it cannot have been up before the next look
                self._up_since_s = None
            elif self._up_since_s is None:
                self._up_since_s = now_s
        if not self._is_well(state, now_s):
            self._lose(now_s)
        elif self._well_since_s is None:
            self._well_since_s = now_s if state and state.health else self._up_since_s

    def _count_crashes(self, state: ContainerState, now_s: float) -> None:
        known = self._life[2] if state.id == self._life[0] else 0
        fresh = max(0, state.restart_count - known)
        assert self._first_s is not None
        ever_well = self._well_since_s is not None or self._turns > 0
        if not ever_well and now_s - self._first_s < state.start_period_s:
            self._early_crashes += fresh
        else:
            self._crashes += fresh
        if not state.running and state.exit_code:
            self._status = state.exit_code

    def _is_well(self, state: ContainerState | None, now_s: float) -> bool:
        if state is None or not state.running:
            return False
        up_s = now_s - self._up_since_s if self._up_since_s is not None else 0.0
        settled = not state.health and up_s >= self._settle_s
        return state.health == "healthy" or settled

    def _lose(self, now_s: float) -> None:
        if self._well_since_s is not None:
            self._was_well_s = now_s - self._well_since_s
            self._well_since_s, self._unwell_since_s = None, now_s
            self._turns += 1

    # -- judging --------------------------------------------------------------------------------

    def _failure(self, state: ContainerState | None, now_s: float) -> Verdict | None:
        text, hint = self._fault(state) if state is not None else ("", "")
        if not text and self._turns >= _TURNS:
            text = _("{service} is well and not well by turns: {turns} times in {time}")
        if not text:
            return None
        assert self._first_s is not None
        said = text.format(
            service=self.name,
            said=(state.health_output if state else "") or "-",
            code=(state.exit_code if state else 0) or self._status,
            count=self._early_crashes + self._crashes,
            turns=self._turns,
            time=seconds_text(now_s - self._first_s),
        )
        if self._turns:
            was = _("{what} (it had been well for {time})")
            said = was.format(what=said, time=seconds_text(self._was_well_s))
        return Verdict(failed=said, culprit=state, hint=hint)

    def _fault(self, state: ContainerState) -> tuple[str, str]:
        """What rules out that it becomes well, as a template, and the cure; "" where nothing."""
        more = _(
            "give it more (deploy.resources.limits.memory in its compose.yaml), pack a new"
            " release, then ship and install it"
        )
        if state.out_of_memory and (self._early_crashes or self._crashes or not state.running):
            return _("{service} was killed: it needs more memory than its limit allows"), more
        # Engine 20.10 notes why a container was killed a moment later than that it ended.
        hint = more if (state.exit_code or self._status) == _KILLED else ""
        # The engine also calls a container unhealthy that does not run.
        if state.running and state.health == "unhealthy":
            # The engine needs some room under /tmp for each check.
            full = "no space left" in state.health_output.lower()
            text = _("{service} is unhealthy; its last check said: {said}")
            return text, make_room() if full else ""
        if state.status in ("exited", "dead"):
            return _("{service} ended with status {code}"), hint
        if self._crashes >= _CRASHES or self._early_crashes >= _CRASHES_AT_START:
            text = _("{service} crashes again and again: {count} times in {time}, status {code}")
            return text, hint
        return "", ""


class Routes:
    """Judges public routes from answer to answer.

    `route_s`: seconds that a route may be without a good answer. A busy entrance says nothing about
    an app: it takes nothing away, and proves nothing.
    """

    def __init__(self, routes: Iterable[Route], route_s: float) -> None:
        self._routes = {route: _Path() for route in routes}
        self._route_s = route_s

    def to_ask(self, again: Iterable[str]) -> tuple[Route, ...]:
        """The routes without a good answer yet, and all those of the apps `again`."""
        watched = set(again)
        return tuple(
            r for r, seen in self._routes.items() if seen.since_s is None or r.app in watched
        )

    def note(self, answer: Answer, asked_s: float) -> None:
        """One answer to a question that was put at `asked_s`."""
        seen = self._routes[answer.route]
        seen.last = answer
        seen.first_s = asked_s if seen.first_s is None else seen.first_s
        if seen.since_s is None and seen.unwell_since_s is None:
            seen.unwell_since_s = asked_s
        if answer.good:
            seen.since_s = asked_s if seen.since_s is None else seen.since_s
            seen.refused_since_s = None
        elif not answer.busy:
            if seen.since_s is not None:
                seen.turns, seen.since_s, seen.unwell_since_s = seen.turns + 1, None, asked_s
            refused = 300 <= answer.status < 500 and answer.status not in _TRY_AGAIN
            if not refused:
                seen.refused_since_s = None
            elif seen.refused_since_s is None:
                seen.refused_since_s = asked_s

    def judge(self, now_s: float) -> Verdict:
        """The verdict at `now_s`; a route that was not asked yet is waited for."""
        bad = {r: seen for r, seen in self._routes.items() if seen.since_s is None}
        answers = [str(seen.last or r.path) for r, seen in bad.items()]
        who = ", ".join(sorted({r.app for r in bad}))
        for route, seen in bad.items():
            if seen.turns >= _TURNS:
                text = _("the public route answers by turns, {turns} times in {time}: {answer}")
                time = seconds_text(now_s - (seen.first_s or 0.0))
                said = text.format(turns=seen.turns, time=time, answer=seen.last)
                return Verdict(failed=said, who=route.app)
        text = _("the public route does not answer: {answers}").format(answers="; ".join(answers))
        if any(self._is_late(seen, now_s) for seen in bad.values()):
            return Verdict(failed=text, who=who)
        if bad:
            return Verdict(waits_for=text, who=who)
        return Verdict(
            well_since_s=max((s.since_s or 0.0 for s in self._routes.values()), default=0.0)
        )

    def _is_late(self, seen: _Path, now_s: float) -> bool:
        refused = seen.refused_since_s is not None and now_s - seen.refused_since_s > _REFUSED_S
        waits = seen.unwell_since_s is not None and now_s - seen.unwell_since_s > self._route_s
        return refused or waits


@dataclass
class _Path:
    """What was seen of one route; `since_s` is when it began to answer well without a break."""

    last: Answer | None = None
    first_s: float | None = None
    since_s: float | None = None
    unwell_since_s: float | None = None
    refused_since_s: float | None = None
    turns: int = 0
