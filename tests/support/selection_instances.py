"""Large questions shaped like a real catalogue, for the benchmark and the second solver's tests.

Amounts follow the shipped reference apps (memory, disk, link, staff, cost, install peak, shared
layers); everything that a question may hold occurs. Nothing here describes a real app or pemda.
"""

from __future__ import annotations

import random

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Question
from smartcity_pkg.selection.verify import violations

SKILLS = ("linux", "basis-data", "layanan", "jaringan")
GROUPS = ("layanan-publik", "e-gov")
PLATFORMS = {
    "gateway": (64, 160),
    "mysql": (256, 1024),
    "postgres": (256, 1024),
    "redis": (64, 256),
}
"""Each platform app with the range of its memory in MiB."""
_RUNTIMES = {"java": 320, "node": 180, "php": 140, "python": 120}


MIXED = (0.45, 1.2)
"""Some limits bind, others do not, as it is in a real pemda."""

TIGHT = (0.47, 0.75)
"""All limits bind at once, on every server: the hardest questions."""


def large_question(
    seed: int, *, apps: int = 174, servers: int = 4, offers: tuple[float, float] = MIXED
) -> Question:
    """`apps` apps and four platform apps for `servers` unequal servers.

    Each limit offers a part, between the two of `offers`, of what all apps together would take.
    """
    rng = random.Random(seed)
    names = [f"app-{i:04d}" for i in range(apps)]
    places = [f"srv{i}" for i in range(servers)]
    amd64 = frozenset(places[:-1]) if servers > 1 else None
    candidates = {p: _platform(rng, p) for p in PLATFORMS}
    for i, name in enumerate(names):
        candidates[name] = _app(rng, name, names[max(0, i - 40) : i], candidates, amd64)
    layers = {"debian": 74, **_RUNTIMES, **dict.fromkeys(PLATFORMS, 90)}
    layers |= {name: rng.randint(1, 60) for name in names}
    supply, shared = _supplies(rng, candidates, places, offers)
    conflicts = sorted({tuple(sorted(rng.sample(names, 2))) for _ in range(apps // 30)})
    question = Question(
        candidates=dict(sorted(candidates.items())),
        supply=supply,
        shared=shared,
        conflicts=tuple((a, b) for a, b in conflicts),
        layers=dict(sorted(layers.items())),
    )
    running = _running(rng, question)
    musts = [n for n in running if rng.random() < 4 / max(4, len(running))]
    return Question(**{**vars(question.insisting(musts)), "running": running})


def _platform(rng: random.Random, name: str) -> Candidate:
    return Candidate(
        name,
        benefit=0,
        platform=True,
        must=False,
        needs={
            limits.MEMORY: rng.randint(*PLATFORMS[name]),
            limits.CPUS: rng.randint(100, 500),
            limits.DISK: rng.randint(64, 2048),
            limits.BANDWIDTH: rng.randint(0, 200),
            limits.COST: rng.randint(1000, 3000),
            limits.staff("linux"): 50,
        },
        peak=rng.choice((150, 300, 600)),
        layers=("debian", name),
    )


def _app(
    rng: random.Random,
    name: str,
    before: list[str],
    candidates: dict[str, Candidate],
    amd64: frozenset[str] | None,
) -> Candidate:
    size = rng.lognormvariate(0, 0.7)
    requires = {"gateway"} if rng.random() < 0.9 else set()
    one_of: tuple[tuple[str, ...], ...] = ()
    if rng.random() < 0.12:
        one_of = (("mysql", "postgres"),)
    else:
        requires |= {"postgres"} if rng.random() < 0.6 else {"mysql"}
    if rng.random() < 0.25:
        requires.add("redis")
    if before and rng.random() < 0.06:
        other = rng.choice(before)
        requires |= {other, *candidates[other].requires}
    runtime = rng.choice(sorted(_RUNTIMES))
    return Candidate(
        name,
        benefit=rng.randint(5, 100),
        platform=False,
        must=False,
        needs={
            limits.MEMORY: round(64 + 300 * size * rng.uniform(0.6, 1.6)),
            limits.CPUS: round(50 + 200 * size * rng.uniform(0.4, 2.0)),
            limits.DISK: round(256 + 2000 * size * rng.uniform(0.2, 3.0)),
            limits.BANDWIDTH: round(50 + 400 * size * rng.uniform(0.2, 2.5)),
            limits.COST: round(1000 + 4000 * size * rng.uniform(0.5, 2.0)),
            limits.staff("linux"): rng.choice((20, 50, 50, 100)),
            limits.staff("basis-data"): rng.choice((0, 50, 50, 100)),
            limits.staff("layanan"): rng.choice((100, 200, 300, 500)),
            limits.staff("jaringan"): rng.choice((0, 0, 20, 50)),
            limits.quota(rng.choice(GROUPS)): 1,
        },
        peak=rng.choice((0, 150, 300, 300, 600)),
        requires=tuple(sorted(requires)),
        one_of=one_of,
        layers=("debian", runtime, name),
        servers=amd64 if rng.random() < 0.2 else None,
    )


def _supplies(
    rng: random.Random,
    candidates: dict[str, Candidate],
    places: list[str],
    offers: tuple[float, float],
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    total: dict[str, int] = {}
    for candidate in candidates.values():
        for limit, amount in candidate.needs.items():
            total[limit] = total.get(limit, 0) + amount
    supply: dict[str, dict[str, int]] = {place: {} for place in places}
    for limit in limits.SERVER_LIMITS:
        offered = total[limit] * rng.uniform(*offers)
        shares = [(1 + i % 4) * rng.uniform(0.8, 1.25) for i in range(len(places))]
        for place, share in zip(places, shares, strict=True):
            supply[place][limit] = int(offered * share / sum(shares))
    shared = {
        limit: int(amount * rng.uniform(*offers))
        for limit, amount in sorted(total.items())
        if limit not in limits.SERVER_LIMITS
    }
    return supply, shared


def _running(rng: random.Random, question: Question) -> dict[str, str]:
    """About a quarter of the apps, as an earlier and smaller plan could have placed them."""
    placement: dict[str, tuple[str, ...]] = {}
    running: dict[str, str] = {}
    names = [c.name for c in question.apps]
    rng.shuffle(names)
    for name in names[: len(names) // 3]:
        server = rng.choice(question.servers)
        candidate = question.candidates[name]
        wanted = [*question.family(name), *(choices[0] for choices in candidate.one_of)]
        later = dict(placement)
        for member in wanted:
            at = {*later.get(member, ()), server}
            later[member] = tuple(s for s in question.servers if s in at)
        if not violations(question, later):
            placement = later
            running |= {m: server for m in wanted if not question.candidates[m].platform}
    return dict(sorted(running.items()))
