"""Random questions, and the answer by trying everything: the judge of the solver in these tests."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

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


def rich_question(rng: random.Random, *, apps: int, servers: int) -> Question:
    """A random question in which everything that a question may hold can occur.

    Besides what `random_question` has: alternatives (mostly platform apps, sometimes apps),
    shared image layers, architectures, cost and group quotas.
    """
    plain = random_question(rng, apps=apps, servers=servers, tight=rng.choice((0.4, 0.6, 1.0)))
    layers = {f"l{i}": rng.randint(0, 4) for i in range(rng.randint(0, 4))}
    names = list(plain.candidates)
    quotas = {limits.quota(g): rng.randint(1, apps) for g in ("x", "y") if rng.random() < 0.4}
    candidates = {}
    for number, (name, candidate) in enumerate(plain.candidates.items()):
        needs = {**candidate.needs, limits.COST: rng.randint(0, 5)}
        if quotas and not candidate.platform:
            needs[rng.choice(sorted(quotas))] = 1
        candidates[name] = replace(
            candidate,
            needs=needs,
            one_of=_alternatives(rng, plain, name, names[:number]),
            layers=tuple(n for n in layers if rng.random() < 0.3),
            servers=_architectures(rng, plain.servers),
        )
    cost = {limits.COST: int(rng.uniform(2, 6) * apps)} if rng.random() < 0.5 else {}
    return replace(
        plain, candidates=candidates, shared={**plain.shared, **cost, **quotas}, layers=layers
    )


def _alternatives(
    rng: random.Random, question: Question, name: str, before: list[str]
) -> tuple[tuple[str, ...], ...]:
    """Mostly none; else one list of what comes before in the alphabet or is a platform app.

    A list that the app's own requirements satisfy is left out, as `eligibility` does.
    """
    platforms = [p.name for p in question.platforms]
    if question.candidates[name].platform or rng.random() < 0.65:
        return ()
    pool = platforms if rng.random() < 0.75 else [n for n in before if n not in platforms]
    choices = tuple(rng.sample(pool, k=min(len(pool), rng.randint(1, 2))))
    known = set(question.candidates[name].requires)
    return (choices,) if choices and not known & set(choices) else ()


def _architectures(rng: random.Random, servers: tuple[str, ...]) -> frozenset[str] | None:
    if rng.random() < 0.75:
        return None
    return frozenset(s for s in servers if rng.random() < 0.7)


def placements(question: Question) -> Iterator[dict[str, tuple[str, ...]]]:
    """Every allowed placement: platform apps follow those that require them.

    Where a list of alternatives is not met by what stands there anyway, each of its platform apps
    is tried. So of placements that differ in needless alternatives only, the leanest are given.
    """
    for full in _closed(question):
        for whole in _with_alternatives(question, full):
            placement = {
                n: tuple(s for s in question.servers if s in where)
                for n, where in sorted(whole.items())
            }
            if not violations(question, placement):
                yield placement


def _closed(question: Question) -> Iterator[dict[str, set[str]]]:
    """Every way to place the apps, with what they require."""
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
        yield full


def _with_alternatives(
    question: Question, placed: dict[str, set[str]]
) -> Iterator[dict[str, set[str]]]:
    """`placed` with each way to meet the first list that is not met, and so on."""
    for name, where in placed.items():
        for choices, server in itertools.product(question.candidates[name].one_of, sorted(where)):
            if any(server in placed.get(choice, ()) for choice in choices):
                continue
            for choice in choices:
                if question.candidates[choice].platform:
                    more = {n: set(s) for n, s in placed.items()}
                    for member in question.family(choice):
                        more.setdefault(member, set()).add(server)
                    yield from _with_alternatives(question, more)
            return
    yield placed


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
            sum(order[s] for s in placement[n])
            for n in sorted({*apps, *question.anchors})
            if n in placement and (n in apps or not required_by(question, placement, n))
        ),
        tuple(s not in placement.get(n, ()) for n in _optional(question) for s in question.servers),
    )


def _optional(question: Question) -> list[str]:
    """The platform apps that something may take as one of several."""
    named = {n for c in question.candidates.values() for group in c.one_of for n in group}
    return sorted(p.name for p in question.platforms if p.name in named)


def required_by(question: Question, placement: dict[str, tuple[str, ...]], name: str) -> bool:
    return any(r in placement for r in question.requirers(name))


def answer(question: Question) -> dict[str, tuple[str, ...]] | None:
    """The best placement, found by trying all; None where none is allowed."""
    return min(placements(question), key=lambda p: rank(question, p), default=None)


def servers_in_use(question: Question, solution: Solution) -> list[str]:
    return [s for s in question.servers if on_server(solution.placement, s)]
