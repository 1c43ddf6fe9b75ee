"""Every sentence about an app left out is true: each kind is judged by trying everything."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import date

import pytest
import selection_oracle as oracle
from selection_world import TODAY, app, catalogue, pemda, reasons, server

from smartcity_pkg.selection import select
from smartcity_pkg.selection.explain import EXACT_UP_TO, explain
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.problem import Question
from smartcity_pkg.selection.reasons import why_left_out
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.solve import best

ALONE = "It does not fit even alone"
MUSTS = "It does not fit beside the must-have apps"
INSTEAD = re.compile(
    r"It fits only in place of others: the best plan with it leaves out (.*) and brings "
    r"benefit (\d+) instead of (\d+)\."
)
NO_BETTER = re.compile(r"A plan with it brings no more benefit, but (\w+) .*\((\d+) more\)\.")


def sentences(
    question: Question,
    solution: Solution,
    effort: Effort | None = None,
    exact_up_to: int = EXACT_UP_TO,
) -> dict[str, str]:
    """The sentence of each app that `solution` leaves out."""
    found = explain(question, solution, effort or Effort(), exact_up_to)
    return {name: why_left_out(f, question, solution) for name, f in found.items()}


def judged(question: Question, solution: Solution, name: str, sentence: str) -> str:
    """The kind of `sentence`; fails unless it is true."""
    forced = question.insisting([name])
    if sentence.startswith("Its benefit is 0"):
        assert question.candidates[name].benefit == 0
        return "no benefit"
    alone = question.only(question.family(name)).insisting([name])
    if sentence.startswith(ALONE):
        assert oracle.answer(alone) is None
        return "alone"
    if sentence.startswith(MUSTS):
        assert oracle.answer(forced) is None
        assert oracle.answer(alone) is not None
        return "musts"
    other = oracle.answer(forced)
    assert other is not None
    ours, theirs = (oracle.rank(question, p) for p in (dict(solution.placement), other))
    if found := INSTEAD.fullmatch(sentence):
        displaced, less, benefit = found.groups()
        assert (-int(benefit), -int(less)) == (ours[0], theirs[0])
        assert int(less) < int(benefit)
        assert leaves_out_only(question, solution, name, int(less), displaced)
        return "instead"
    if found := NO_BETTER.fullmatch(sentence):
        aim = {"removes": 1, "takes": 2, "runs": 3}[found[1]]
        assert ours[:aim] == theirs[:aim]
        assert int(theirs[aim]) - int(ours[aim]) == int(found[2])  # type: ignore[call-overload]
        return found[1]
    assert sentence.startswith("A plan with it is exactly as good")
    assert ours[:4] == theirs[:4]
    assert ours < theirs
    return "equal"


def leaves_out_only(
    question: Question, solution: Solution, name: str, benefit: int, displaced: str
) -> bool:
    """Whether a plan with `name` and this benefit leaves out just what the sentence lists."""
    forced = question.insisting([name])
    for placement in oracle.placements(forced):
        if sum(question.candidates[n].benefit for n in placement) == benefit:
            out = [
                f"{n} (benefit {question.candidates[n].benefit})"
                for n in sorted(solution.placement)
                if n not in placement and not question.candidates[n].platform
            ]
            shown = ", ".join(out[:3]) + (f" and {len(out) - 3} more" if len(out) > 3 else "")
            if shown == displaced:
                return True
    return False


def as_asked(question: Question) -> Question:
    """As `ask` makes it: no candidate that needs both sides of a conflict, or fights a must."""
    needed = set(question.families(question.musts))
    allowed = [
        n
        for n in question.candidates
        if n in needed
        or not any(set(p) <= needed | {*question.family(n)} for p in question.conflicts)
    ]
    return question.only(allowed)


def test_every_sentence_is_true_and_every_kind_occurs() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(250):
        rng = random.Random(seed)
        question = oracle.random_question(
            rng, apps=rng.randint(2, 6), servers=rng.randint(1, 2), musts=0.2, tight=0.4
        )
        question = as_asked(question)
        if solution := best(question):
            for name, sentence in sentences(question, solution).items():
                kinds[judged(question, solution, name, sentence)] += 1
    assert set(kinds) >= {"no benefit", "alone", "musts", "instead", "removes", "equal"}


PLACE = re.compile(
    r"It does not fit beside the chosen apps\. It could take the place of (.*) on server (\w+), "
    r"but brings benefit (\d+) where (\d+) would be lost\."
)


def test_a_place_that_could_be_taken_can_and_room_beside_all_there_is_none() -> None:
    places = 0
    for seed in range(120):
        rng = random.Random(seed)
        question = as_asked(
            oracle.random_question(rng, apps=rng.randint(2, 6), servers=rng.randint(1, 2))
        )
        if not (solution := best(question)):
            continue
        chosen = dict(solution.placement)
        for name, sentence in sentences(question, solution, exact_up_to=0).items():
            if sentence.startswith("It does not fit beside the chosen apps"):
                found = PLACE.fullmatch(sentence)
                assert found
                places += 1
                assert int(found[4]) >= int(found[3]) == question.candidates[name].benefit
                assert takes_the_place(question, chosen, name, found[1].split(", "), found[2])
                assert oracle.answer(question.insisting([*chosen, name])) is None
    assert places > 10


def takes_the_place(
    question: Question,
    chosen: dict[str, tuple[str, ...]],
    name: str,
    displaced: list[str],
    server: str,
) -> bool:
    """Whether an allowed plan is the chosen one with `name` on `server` for `displaced`."""
    apps = {c.name for c in question.apps}
    wanted = {n: s for n, s in chosen.items() if n in apps and n not in displaced}
    wanted |= {n: (server,) for n in question.family(name) if n in apps}
    return any(
        {n: s for n, s in placement.items() if n in apps} == wanted
        for placement in oracle.placements(question)
    )


def test_more_servers_for_no_more_benefit_is_named() -> None:
    two_of_three = {"linux": 1.0}
    apps = catalogue(
        *(
            app(name, memory=memory, staff={"linux": 0.5})
            for name, memory in (("one", 26), ("two", 5), ("three", 25))
        )
    )
    plan = select(apps, pemda(server("s0", 30), server("s1", 20), staff=two_of_three), today=TODAY)
    assert reasons(plan) == {
        "one": "A plan with it brings no more benefit, but takes more servers (1 more)."
    }


def test_more_instances_for_no_more_benefit_is_named() -> None:
    apps = catalogue(
        app("base", platform=True),
        app("one", requires=("base",), staff={"linux": 0.5}),
        app("two", staff={"linux": 0.5}),
        app("three", staff={"linux": 0.5}),
    )
    plan = select(apps, pemda(staff={"linux": 1.0}), today=TODAY)
    assert reasons(plan) == {
        "one": "A plan with it brings no more benefit, but runs more app instances (1 more)."
    }


def test_the_sentences_depend_on_no_seed() -> None:
    question = oracle.random_question(random.Random(3), apps=14, servers=2, musts=0, tight=0.4)
    solution = best(question)
    assert solution is not None
    texts = {tuple(sentences(question, solution, Effort(seed=seed)).items()) for seed in (0, 5, 77)}
    assert len(texts) == 1
    assert len(texts.pop()) > 3


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        (pemda(exclude=("one",)), "The profile excludes it (choice.exclude)."),
        (pemda(covered=("two",)), "The cooperation agreement PKS-1 does not cover it."),
        (
            pemda(expires=date(2026, 5, 31)),
            "The cooperation agreement PKS-1 that covers it expired on 2026-05-31.",
        ),
        (
            pemda(begins=date(2026, 7, 1)),
            "The cooperation agreement PKS-1 that covers it is valid only from 2026-07-01.",
        ),
        (
            pemda(exclude=("base",)),
            "It requires base, which no plan may hold: The profile excludes it (choice.exclude).",
        ),
        (pemda(must=("two",)), "It conflicts with two, which the must-have apps need."),
        (
            pemda(server("app1", 60)),
            "It does not fit even alone: at best, server app1 lacks 90 MiB of memory "
            "(150 needed, 60 free).",
        ),
        (
            pemda(server("app1", 300), must=("three",)),
            "It does not fit beside the must-have apps: at best, server app1 lacks 50 MiB of "
            "memory (350 needed, 300 free).",
        ),
        (
            pemda(server("app1", 300)),
            "It fits only in place of others: the best plan with it leaves out three "
            "(benefit 30) and brings benefit 20 instead of 30.",
        ),
    ],
    ids=[
        "excluded",
        "not-covered",
        "expired",
        "not-yet-valid",
        "requirement-excluded",
        "conflict",
        "alone",
        "beside-musts",
        "worth-less",
    ],
)
def test_the_reason_is_named(profile: object, sentence: str) -> None:
    apps = catalogue(
        app("base", platform=True, memory=50),
        app("one", benefit=20, memory=100, requires=("base",), conflicts=("two",)),
        app("two", benefit=1, memory=310),
        app("three", benefit=30, memory=200),
    )
    assert reasons(select(apps, profile, today=TODAY))["one"] == sentence  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requires", "sentence"),
    [
        ("gone", "It requires gone, which the catalogue does not have."),
        ("base >=2", "It requires base >=2, and the catalogue has version 1.0.0."),
        ("torn", "It needs both base and torn, which exclude each other."),
    ],
)
def test_a_requirement_that_cannot_be_met_is_named(requires: str, sentence: str) -> None:
    apps = catalogue(
        app("base", memory=50),
        app("torn", requires=("base",), conflicts=("base",)),
        app("one", requires=(requires,)),
    )
    assert reasons(select(apps, pemda(), today=TODAY))["one"].startswith(sentence)
