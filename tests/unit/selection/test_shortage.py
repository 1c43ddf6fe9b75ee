"""What is said to lack is exactly what lacks: with it the apps run, with less they do not."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import selection_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.shortage import Shortage, least
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import PEMDA


def granted(question: Question, shortages: Iterable[Shortage], but: int = -1) -> Question:
    """The question with what lacks added, one unit less of the one at position `but`."""
    supply = {server: dict(of) for server, of in question.supply.items()}
    shared = dict(question.shared)
    for position, shortage in enumerate(shortages):
        more = shortage.missing - (position == but)
        (shared if shortage.scope == PEMDA else supply[shortage.scope])[shortage.limit] += more
    return replace(question, supply=supply, shared=shared)


def demanding(seed: int) -> Question:
    rng = random.Random(seed)
    question = oracle.random_question(
        rng, apps=rng.randint(1, 6), servers=rng.randint(1, 3), musts=0.8, tight=0.5
    )
    musts = [n for n in question.musts if not any(n in pair for pair in question.conflicts)]
    return replace(question.only(question.families(musts)), conflicts=())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_adding_what_lacks_suffices_and_a_unit_less_does_not(seed: int) -> None:
    question = demanding(seed)
    shortages = least(question)
    assert shortages is not None
    assert bool(shortages) == (best(question) is None)
    assert best(granted(question, shortages)) is not None
    for position in range(len(shortages)):
        assert best(granted(question, shortages, but=position)) is None


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_as_few_limits_as_possible_lack(seed: int) -> None:
    question = demanding(seed)
    shortages = least(question) or ()
    plenty = {
        (scope, limit): replace_limit(question, scope, limit)
        for scope, of in (*question.supply.items(), (PEMDA, question.shared))
        for limit in of
    }
    if len(shortages) > 1:
        assert all(best(eased) is None for eased in plenty.values())


def replace_limit(question: Question, scope: str, limit: str) -> Question:
    supply = {s: dict(of) for s, of in question.supply.items()}
    shared = dict(question.shared)
    (shared if scope == PEMDA else supply[scope])[limit] = 10**6
    return replace(question, supply=supply, shared=shared)


def test_the_larger_of_two_servers_is_the_one_that_lacks_less() -> None:
    need = {limits.MEMORY: 1240}
    question = Question(
        {"laksa": Candidate("laksa", 1, platform=False, must=True, needs=need)},
        supply={
            name: {limits.MEMORY: memory, limits.CPUS: 0, limits.DISK: 0}
            for name, memory in (("app1", 700), ("app2", 900))
        },
        shared={limits.BANDWIDTH: 0},
    )
    assert least(question) == (Shortage("app2", limits.MEMORY, needed=1240, available=900),)
