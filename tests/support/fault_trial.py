"""One trial of the fault matrix: an upgrade, a fault, the next run, and the verdict.

An upgrade is begun by the command; the fault strikes at a line of the journal or at a time; the
client comes to its end; the world is mended; the technician runs `smartcity install` again (or with
--resume or --abort). Then the server is looked at through the back door.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from fault_clients import gaps
from fault_releases import NEW, REGION
from fault_site import FaultSite
from fault_strikes import Strike

Then = Literal["install", "resume", "abort"]
_LOOK_S = 0.003
_CLIENT_S = 600.0
_ALONE_S = 30.0
_RUNS = 3
_DONE, _UNTRUSTED, _LOCKED, _ROLLED_BACK = 0, 10, 11, 13
_LEASE_PAUSE_S, _LEASE_S = 5.0, 300.0


@dataclass(frozen=True)
class Moment:
    """When a fault strikes: before the client starts; when the journal has the `nth` entry that
    begins with `entry` ("apply begin laksa"); or after `seconds` of the client's life."""

    entry: str = ""
    nth: int = 1
    seconds: float = -1.0

    @property
    def before(self) -> bool:
        return not self.entry and self.seconds < 0

    def comes(self, site: FaultSite) -> bool:
        """Wait for it; False where the client ended first."""
        began_s, known = time.monotonic(), b""
        while site.clients[0].poll() is None:
            found = site.journal() if self.entry else b""
            if found != known and self._is_in(site.entries()):
                return True
            known = found
            if not self.entry and time.monotonic() - began_s >= self.seconds:
                return True
            time.sleep(_LOOK_S)
        return False

    def _is_in(self, entries: tuple[str, ...]) -> bool:
        return sum(text.startswith(self.entry) for text in entries) >= self.nth

    def __str__(self) -> str:
        if self.before:
            return "before"
        again = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.entry}{again}" if self.entry else f"{self.seconds:.1f} s"


@dataclass(frozen=True)
class Trial:
    """What is tried. With `waits_out` a dead client's lock runs out by itself, in two minutes."""

    group: str
    strike: Strike
    moment: Moment
    kind: str = NEW
    then: Then = "install"
    waits_out: bool = False

    def __str__(self) -> str:
        return f"{self.strike.name} at {self.moment} ({self.kind}, then {self.then})"


@dataclass
class Outcome:
    """What came of a trial; durations in seconds.

    `codes` are exit codes, that of the client which was struck first; `said` are the errors of all
    runs; `state` is what the fault left, `ended` what the next run made of it: the new release
    serves, the old one does, neither does whole, the last run failed with the server well, or the
    trial itself broke. `alone_s`: how soon after the fault a release answered without anybody's
    doing; None where none did in half a minute. `outage_s` adds up the gaps in which nobody
    answered, `longest_s` is the longest; where the fault was in the link, those after it.
    """

    group: str
    fault: str
    moment: str
    kind: str
    then: str
    struck: bool = False
    codes: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    state: str = ""
    ended: Literal["finished", "undone", "half", "stuck", "broken"] = "broken"
    flaws: list[str] = field(default_factory=list)
    rubbish: list[str] = field(default_factory=list)
    alone_s: float | None = None
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    recovery_s: float = 0.0
    outage_s: float = 0.0
    longest_s: float = 0.0
    error: str = ""

    @classmethod
    def of(cls, trial: Trial) -> Outcome:
        """An outcome of which nothing is known yet."""
        return cls(trial.group, trial.strike.name, str(trial.moment), trial.kind, trial.then)

    @property
    def by_next_run(self) -> bool:
        """Whether one run after the fault was enough (none, where the first undid itself)."""
        return self.ended in ("finished", "undone") and len(self.codes) <= 2

    def note(self, code: int, errors: str) -> None:
        """A run ended with this code, and said this on standard error."""
        self.codes.append(code)
        told = [line for line in errors.splitlines() if line.startswith('{"') and '"error"' in line]
        if code != _DONE and told:
            self.said.append(f"{code}: {json.loads(told[-1])['error']['message']}")

    def to_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return dict(vars(self))


def run_trial(site: FaultSite, trial: Trial, outcome: Outcome) -> None:
    """Put the site back to the beginning, try, and judge; what is found out goes to `outcome`."""
    site.reset()
    known = len(site.writer.acknowledged)
    began_s = time.monotonic()
    outcome.struck = _strike(site, trial)
    for client in site.clients:
        _out, errors = client.communicate(timeout=_CLIENT_S)
        outcome.note(client.returncode, errors)
    del outcome.codes[1:]
    trial.strike.mend(site)
    if trial.strike.cuts_off:
        began_s = time.monotonic()
    if not trial.waits_out:
        site.expire_lock()
    outcome.alone_s = _answers_alone(site)
    outcome.state = site.glance()
    outcome.recovery_s = _next_runs(site, trial, outcome)
    _judge(site, trial, outcome)
    dark = gaps(site.watcher.seen, began_s, time.monotonic())
    outcome.outage_s, outcome.longest_s = sum(dark), max(dark, default=0.0)
    outcome.lost = [ticket.number for ticket in site.lost()]
    outcome.acknowledged = len(site.writer.acknowledged) + len(outcome.lost) - known


def _strike(site: FaultSite, trial: Trial) -> bool:
    """Begin the upgrade and let the fault happen; False where the upgrade ended before it."""
    site.clients.clear()
    if trial.moment.before:
        trial.strike.hit(site)
    site.start_install(trial.kind)
    if not trial.moment.before:
        if not trial.moment.comes(site):
            return False
        trial.strike.hit(site)
    return True


def _answers_alone(site: FaultSite) -> float | None:
    began_s = time.monotonic()
    while not site.watcher.now():
        if time.monotonic() - began_s > _ALONE_S:
            return None
    return time.monotonic() - began_s


def _next_runs(site: FaultSite, trial: Trial, outcome: Outcome) -> float:
    """What the technician does next, up to three times; seconds that it took."""
    began_s, codes = time.monotonic(), outcome.codes
    good = {_DONE} if trial.kind == NEW else {_DONE, _ROLLED_BACK}
    if trial.kind != NEW and codes[0] == _ROLLED_BACK:
        return 0.0
    if codes[0] == _UNTRUSTED:  # as the message says
        site.smartcity("ship", site.made[trial.kind].bundle)
    while len(codes) <= _RUNS:
        ran = site.smartcity(*_words(site, trial))
        if ran.code == _LOCKED and trial.waits_out and time.monotonic() - began_s < _LEASE_S:
            time.sleep(_LEASE_PAUSE_S)
            continue
        outcome.note(ran.code, ran.err)
        if ran.code in good:
            break
        site.expire_lock()
    return time.monotonic() - began_s


def _words(site: FaultSite, trial: Trial) -> tuple[str, ...]:
    """The next command; --resume and --abort where the journal knows of something half done."""
    if trial.then == "install" or site.interrupted() is None:
        return ("install", REGION, "--release", site.made[trial.kind].name)
    return ("install", REGION, f"--{trial.then}")


def _judge(site: FaultSite, trial: Trial, outcome: Outcome) -> None:
    look = site.look()
    outcome.flaws, outcome.rubbish = [*look.flaws], [*look.rubbish]
    told = site.smartcity("status", REGION)
    if told.code != _DONE or not told.json["servers"][0]["healthy"]:
        outcome.flaws.append(f"status ends with {told.code} and does not say that all is well")
    if outcome.flaws:
        outcome.ended = "half"
    elif outcome.codes[-1] not in (_DONE, _ROLLED_BACK):
        outcome.ended = "stuck"
    else:
        outcome.ended = "finished" if look.current == trial.kind else "undone"
