"""The tables of a run of the fault matrix, and each goal of the project with its verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fault_trial import Outcome
from plain import OURS, Outage

LIMITS = """What this cannot show here:
- a server's systemd: dockerd is started again by the benchmark, two seconds after it was killed;
- a reset of the machine's firmware, a disk that lies about flushing, or one that reorders writes:
  "power loss" drops what ext4 had not yet given to its disk, data and journal alike;
- the kernel's clock: it is this machine's, so `date` on the server is shifted instead, and a boot's
  ID and uptime stay the same, so a dead client's lock is let expire by hand (one trial waits);
- a boot: a server that comes back starts sshd and dockerd at once, its outage lacks that time."""


@dataclass
class Results:
    """Everything that one run found out."""

    outages: list[Outage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    planned: int = 0

    def to_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "outages": [asdict(o) for o in self.outages],
            "outcomes": [o.to_json() for o in self.outcomes],
            "planned": self.planned,
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Results:
        """What `to_json` gave."""
        return cls(
            [Outage(**o) for o in data["outages"]],
            [Outcome(**o) for o in data["outcomes"]],
            data["planned"],
        )


def text(results: Results) -> str:
    """The tables, what went wrong, the goals and the limits."""
    parts = [_trials(results), _outages(results.outages), _wrong(results.outcomes)]
    return "\n\n".join(part for part in (*parts, _goals(results), LIMITS) if part)


def _trials(results: Results) -> str:
    """One line a fault."""
    rows: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in results.outcomes:
        rows.setdefault((outcome.group, outcome.fault), []).append(outcome)
    head = (
        f"{len(results.outcomes)} of {results.planned} trials; seconds: median / longest; outage is"
        " all that citizens missed in a trial, the fault's own included; alone: a release answered"
        " before the next run"
    )
    columns = (
        f"{'':25}{'fault':33}{'trials':>7}{'hit':>5}{'done':>6}{'undone':>7}{'half':>5}{'stuck':>6}"
        f"{'alone':>6}{'next run':>9}{'acked':>8}{'lost':>5}{'recovery':>14}{'outage':>14}"
    )
    lines = [_row(group, fault, found) for (group, fault), found in rows.items()]
    return "\n".join([head, "", columns, *lines, _row("all", "", results.outcomes)])


def _row(group: str, fault: str, found: Sequence[Outcome]) -> str:
    def count(of: Callable[[Outcome], bool]) -> int:
        return sum(map(of, found))

    struck = [o for o in found if o.struck]
    return (
        f"{group:25}{fault:33}{len(found):7}{len(struck):5}"
        f"{count(lambda o: o.ended == 'finished'):6}{count(lambda o: o.ended == 'undone'):7}"
        f"{count(lambda o: o.ended == 'half'):5}"
        f"{count(lambda o: o.ended in ('stuck', 'broken')):6}"
        f"{count(lambda o: o.alone_s is not None):6}{count(lambda o: o.by_next_run):9}"
        f"{sum(o.acknowledged for o in found):8}{sum(len(o.lost) for o in found):5}"
        f"{_spread(o.recovery_s for o in struck):>14}{_spread(o.outage_s for o in struck):>14}"
    )


def _spread(values: Iterable[float]) -> str:
    known = sorted(values)
    return f"{statistics.median(known):.1f} / {known[-1]:.1f}" if known else "-"


def _outages(outages: Sequence[Outage]) -> str:
    rows: dict[tuple[str, str], list[Outage]] = {}
    for outage in outages:
        rows.setdefault((outage.upgrade, outage.tool), []).append(outage)
    if not rows:
        return ""
    lines = [f"{'upgrade':12}{'tool':24}{'outage s':>14}{'took s':>14}{'runs':>6}"]
    for (upgrade, tool), found in rows.items():
        seconds, took = (_spread(o.seconds for o in found), _spread(o.took_s for o in found))
        note = "" if upgrade == "new" or tool == OURS else "  until somebody goes back by hand"
        lines.append(f"{upgrade:12}{tool:24}{seconds:>14}{took:>14}{len(found):6}{note}")
    return "\n".join(lines)


def _wrong(outcomes: Sequence[Outcome]) -> str:
    lines = []
    for o in outcomes:
        if o.by_next_run and not o.lost:
            continue
        lines.append(f"{o.fault} at {o.moment} ({o.kind}, then {o.then}): {o.ended}, {o.codes}")
        facts = (*o.flaws, *(f"lost {t}" for t in o.lost), *o.said, o.error, f"before: {o.state}")
        lines += [f"    {fact}" for fact in facts if fact]
    return "\n".join(["Not as it should be", *lines]) if lines else ""


def _goals(results: Results) -> str:
    outcomes = results.outcomes
    lost = sum(len(o.lost) for o in outcomes)
    half = sum(o.ended in ("half", "broken") for o in outcomes)
    ended = sum(o.by_next_run for o in outcomes)
    acknowledged = sum(o.acknowledged for o in outcomes)
    dark = max((o.longest_s for o in outcomes), default=0.0)
    return "\n".join(
        [
            "Goals",
            _goal("0 acknowledged writes lost", f"{lost} of {acknowledged}", lost == 0),
            _goal("0 half-installed states", f"{half} of {len(outcomes)}", half == 0),
            _goal(
                "100 % finished or undone by the next run",
                f"{ended} of {len(outcomes)}",
                ended == len(outcomes),
            ),
            f"            longest time in which no release answered: {dark:.1f} s",
        ]
    )


def _goal(goal: str, found: str, reached: bool) -> str:
    return f"{'reached    ' if reached else 'NOT REACHED'} {goal}: {found}"
