"""Which trials there are: every fault at every moment that is worth trying.

The moments are those of a real journal: that of a good upgrade, and that of one which goes back.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import fault_strikes as strikes
from fault_releases import ILL, STUCK
from fault_trial import Moment, Outcome, Then, Trial

KILLED = "killed at a step"
RANDOM = "killed at a random time"
GOING_BACK = "killed while going back"
POWER = "power loss"
LINK = "link"
FULL = "disk full"
OTHER = "others"
GROUPS = (OTHER, POWER, LINK, FULL, GOING_BACK, KILLED, RANDOM)
_KILLS = (
    strikes.CLIENT,
    strikes.SESSIONS,
    strikes.COMMAND,
    strikes.ENGINE,
    strikes.MACHINE,
)
_AROUND_POWER = ("load", "files", "backup", "migrate", "apply", "install", "commit")
_LINK_STEPS = ("load begin", "backup begin", "migrate begin", "apply begin")
_DISK_STEPS = ("verify begin", "load begin", "backup begin")
_BEFORE = Moment()


def trials(
    upgrade: Sequence[str], going_back: Sequence[str], lasts_s: float, count: int, seed: int
) -> list[Trial]:
    """All: first those that are tried once, then the others in a random order.

    A run that ends early has so tried a fair sample.

    `upgrade` and `going_back` are the entries of journals; `lasts_s` is how long the good upgrade
    took; `count` is the number of kills at random times.
    """
    ways: tuple[Then, ...] = ("install", "resume", "abort")
    nexts, chance = itertools.cycle(ways), random.Random(seed)
    found = _at(POWER, (strikes.POWER,), _chosen(upgrade, _AROUND_POWER), nexts)
    link = (strikes.BLACK_HOLE, strikes.CUT_LINK)
    found += _at(LINK, link, _chosen(upgrade, _LINK_STEPS), nexts)
    full = (strikes.ENGINE_FULL, strikes.STORE_FULL, strikes.TMP_FULL)
    found += [Trial(FULL, strike, _BEFORE) for strike in full]
    found += _at(FULL, full, _chosen(upgrade, _DISK_STEPS), itertools.repeat("install"))
    found += _while_going_back(going_back, nexts)
    found += _at(KILLED, _KILLS, upgrade, nexts)
    for strike in itertools.islice(itertools.cycle(_KILLS), count):
        moment = Moment(seconds=chance.uniform(0, lasts_s))
        found.append(Trial(RANDOM, strike, moment, then=next(nexts)))
    chance.shuffle(found)
    return [*_others(), *found]


def untried(planned: Sequence[Trial], outcomes: Sequence[Outcome]) -> list[Trial]:
    """Those of `planned` that have no outcome yet; of random moments one is like another."""
    done = Counter(map(_likeness, outcomes))
    left = []
    for trial in planned:
        like = _likeness(Outcome.of(trial))
        if done[like]:
            done[like] -= 1
        else:
            left.append(trial)
    return left


def _likeness(outcome: Outcome) -> tuple[str, ...]:
    moment = "" if outcome.group == RANDOM else outcome.moment
    return outcome.group, outcome.fault, moment, outcome.kind, outcome.then


def _others() -> list[Trial]:
    first = Moment(entry="verify begin")
    return [
        Trial(OTHER, strikes.NO_FAULT, _BEFORE),
        Trial(OTHER, strikes.NO_FAULT, _BEFORE, ILL),
        Trial(OTHER, strikes.NO_FAULT, _BEFORE, STUCK),
        Trial(OTHER, strikes.WRONG_CLOCK, _BEFORE),
        Trial(OTHER, strikes.CORRUPT_BLOB, _BEFORE),
        Trial(OTHER, strikes.SECOND, Moment(seconds=0.0)),
        Trial(OTHER, strikes.SECOND, first),
        Trial(OTHER, strikes.CLIENT, Moment(entry="migrate begin"), waits_out=True),
    ]


def _at(
    group: str,
    these: Sequence[strikes.Strike],
    entries: Sequence[str],
    nexts: Iterator[Then],
) -> list[Trial]:
    return [
        Trial(group, strike, Moment(entry=entry), then=next(nexts))
        for entry in entries
        for strike in these
    ]


def _while_going_back(entries: Sequence[str], nexts: Iterator[Then]) -> list[Trial]:
    """Kills after the ill release was given up; the same entry may have come before."""
    start = next(i for i, text in enumerate(entries) if text.startswith("roll back begin"))
    moments = [
        Moment(entry=text, nth=entries[: i + 1].count(text))
        for i, text in enumerate(entries)
        if i >= start and " begin" in text
    ]
    return [
        Trial(GOING_BACK, strike, moment, ILL, next(nexts))
        for moment in moments
        for strike in _KILLS
    ]


def _chosen(entries: Sequence[str], beginnings: Sequence[str]) -> list[str]:
    return [text for text in entries if text.startswith(tuple(beginnings))]
