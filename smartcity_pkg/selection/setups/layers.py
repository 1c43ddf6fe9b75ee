"""Image layers as platform apps: what lies on a server's disk once for all that have it.

A layer of several apps is a switch of a server just as a platform app is: it takes its room once,
and all that have it follow. Searches by setups know no other kind of switch for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.problem import Candidate, Placement, Question

_PREFIX = "layer:"
"""Before the layer's name; no app's name has a colon."""


def as_platforms(question: Question) -> Question:
    """The same question without layers: those of one app are its own disk, others platform apps.

    Layers that exactly the same apps have are one.
    """
    owners: dict[str, list[str]] = defaultdict(list)
    for candidate in question.candidates.values():
        for layer in candidate.layers:
            owners[layer].append(candidate.name)
    sizes: dict[tuple[str, ...], int] = defaultdict(int)
    first: dict[tuple[str, ...], str] = {}
    for layer, having in sorted(owners.items()):
        sizes[tuple(having)] += question.layers[layer]
        first.setdefault(tuple(having), layer)
    own = {names[0]: size for names, size in sizes.items() if len(names) == 1}
    shared = {_PREFIX + first[n]: n for n, size in sizes.items() if len(n) > 1 and size}
    needed: dict[str, set[str]] = defaultdict(set)
    for layer, names in shared.items():
        for name in names:
            needed[name].add(layer)
    candidates = {
        c.name: _without_layers(c, own.get(c.name, 0), needed) for c in question.candidates.values()
    }
    candidates |= {layer: _platform(layer, sizes[names]) for layer, names in shared.items()}
    return replace(question, candidates=dict(sorted(candidates.items())), layers={})


def is_layer(name: str) -> bool:
    """Whether a platform app stands for an image layer."""
    return name.startswith(_PREFIX)


def without_layers(placement: Placement) -> Placement:
    """The placement without the platform apps that stand for layers."""
    return {name: at for name, at in placement.items() if not is_layer(name)}


def _without_layers(candidate: Candidate, own: int, needed: Mapping[str, set[str]]) -> Candidate:
    """The candidate with `own` MiB more of disk, which requires the layers of all it requires."""
    family: Iterable[str] = (candidate.name, *candidate.requires)
    layers = {layer for name in family for layer in needed.get(name, ())}
    disk = candidate.needs.get(limits.DISK, 0) + own
    return replace(
        candidate,
        needs={**candidate.needs, limits.DISK: disk},
        requires=tuple(sorted({*candidate.requires, *layers})),
        layers=(),
    )


def _platform(layer: str, size: int) -> Candidate:
    return Candidate(layer, benefit=0, platform=True, must=False, needs={limits.DISK: size})
