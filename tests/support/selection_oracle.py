"""Random questions, and the answer by trying everything: the judge of the solver in these tests."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.solution import Solution
from smartcity_pkg.selection.verify import on_server, violations

SKILLS = ("linux", "data")


def random_question(
    rng: random.Random, *, apps: int, servers: int, musts: float = 0.1, tight: float = 0.5
) -> Question:
    """A question with `apps` candidates besides platform apps; `tight` is supply over demand."""
    platforms = [f"p{i}" for i in range(rng.randint(0, 2))]
    names = [f"a{i:03d}" for i in range(apps)]
    requires: dict[str, set[str]] = {}
    for i, platform in enumerate(platforms):
        requires[platform] = set(rng.sample(platforms[:i], k=min(i, rng.randint(0, 1))))
    for i, name in enumerate(names):
        direct = set(rng.sample(platforms, k=rng.randint(0, len(platforms))))
        if i and rng.random() < 0.2:
            direct.add(rng.choice(names[:i]))
        requires[name] = direct.union(*(requires[d] for d in direct))
    candidates = {
        name: Candidate(
            name=name,
            benefit=0 if name in platforms else rng.choice((0, 1, 2, 5, 10, 10, 20)),
            platform=name in platforms,
            must=rng.random() < musts,
            needs={
                limits.MEMORY: rng.randint(0, 9),
                limits.CPUS: rng.choice((0, 100, 250, 500)),
                limits.DISK: rng.randint(0, 9),
                limits.BANDWIDTH: rng.randint(0, 5),
                limits.staff(rng.choice(SKILLS)): rng.choice((0, 50, 100)),
            },
            peak=rng.choice((0, 0, 1, 4)),
            requires=tuple(sorted(requires[name])),
        )
        for name in sorted([*platforms, *names])
    }
    share = tight * apps / servers
    supply = {
        f"s{i}": {
            limits.MEMORY: int(rng.uniform(3, 9) * share) + 2,
            limits.CPUS: int(rng.uniform(150, 450) * share),
            limits.DISK: int(rng.uniform(3, 9) * share) + 2,
        }
        for i in range(servers)
    }
    shared = {limits.BANDWIDTH: int(rng.uniform(2, 5) * tight * apps) + 2}
    for skill in SKILLS:
        shared[limits.staff(skill)] = int(rng.uniform(25, 100) * tight * apps)
    pairs = {
        tuple(sorted(rng.sample(names, 2))) for _ in range(rng.randint(0, 2)) if len(names) > 1
    }
    running = {n: rng.choice(list(supply)) for n in names if rng.random() < 0.4}
    return Question(
        candidates=candidates,
        supply=supply,
        shared=shared,
        conflicts=tuple(sorted((a, b) for a, b in pairs)),
        running=running if rng.random() < 0.5 else {},
    )


def placements(question: Question) -> Iterator[dict[str, tuple[str, ...]]]:
    """Every placement that could be allowed: platform apps follow those that require them."""
    roots = [*(c.name for c in question.apps), *question.anchors]
    for places in itertools.product((None, *question.servers), repeat=len(roots)):
        at = {n: {s} for n, s in zip(roots, places, strict=True) if s is not None}
        if any(
            at.get(r) != at[n]
            for n in at
            for r in question.candidates[n].requires
            if r in roots and not question.candidates[r].platform
        ):
            continue
        full: dict[str, set[str]] = {n: set(s) for n, s in at.items()}
        for name, where in at.items():
            for required in question.candidates[name].requires:
                full.setdefault(required, set()).update(where)
        placement = {
            n: tuple(s for s in question.servers if s in where) for n, where in sorted(full.items())
        }
        if not violations(question, placement):
            yield placement


def rank(question: Question, placement: dict[str, tuple[str, ...]]) -> tuple[object, ...]:
    """What `solve.best` minimises, written a second time and differently."""
    order = {s: i for i, s in enumerate(question.servers)}
    apps = [c.name for c in question.apps]
    return (
        -sum(question.candidates[n].benefit for n in placement),
        sum(placement.get(n) != (s,) for n, s in question.running.items()),
        len({s for servers in placement.values() for s in servers}),
        sum(len(servers) for servers in placement.values()),
        tuple(n not in placement for n in apps),
        tuple(
            order[placement[n][0]]
            for n in sorted({*apps, *question.anchors})
            if n in placement and (n in apps or not required_by(question, placement, n))
        ),
    )


def required_by(question: Question, placement: dict[str, tuple[str, ...]], name: str) -> bool:
    return any(r in placement for r in question.requirers(name))


def answer(question: Question) -> dict[str, tuple[str, ...]] | None:
    """The best placement, found by trying all; None where none is allowed."""
    return min(placements(question), key=lambda p: rank(question, p), default=None)


def servers_in_use(question: Question, solution: Solution) -> list[str]:
    return [s for s in question.servers if on_server(solution.placement, s)]
